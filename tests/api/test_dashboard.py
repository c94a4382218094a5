"""``/api/v1/dashboard``: the statistics, their cache, and the sign-up chart."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import event

from answers import problems, refused
from rollcall.infra.cache import cache

FIELDS = [
    "total_users",
    "active_users",
    "inactive_users",
    "superusers",
    "new_users_today",
    "new_users_week",
    "timestamp",
]


@pytest.fixture
def caching(make_app, tmp_path):
    """An application with a cache, whose file store is this test's own."""
    return make_app(cache_enabled=True, home=tmp_path)


@pytest.fixture
def cached_root(caching, root, call_as):
    return call_as(root, on=caching)


@pytest.fixture
def queries(caching):
    """The SQL of the application with the cache."""
    sent = []
    with caching.app_context():
        engine = caching.extensions["sqlalchemy"].engine
    event.listen(engine, "before_cursor_execute", lambda *call: sent.append(call[2]))
    return sent


def test_statistics_are_the_six_numbers_and_their_moment(as_root, make_user, clock):
    make_user(is_active=False)
    make_user(created_at=clock.now - timedelta(days=3))
    make_user(created_at=clock.now - timedelta(days=30))
    answer = as_root.get("/dashboard/stats")
    assert answer.status_code == 200
    assert list(answer.json) == FIELDS
    assert list(answer.json.values()) == [4, 3, 1, 1, 1, 2, "2026-03-11T12:00:00+00:00"]


def test_without_the_cache_every_answer_is_fresh(as_root, make_user):
    assert as_root.get("/dashboard/stats").json["total_users"] == 1
    make_user()
    answer = as_root.get("/dashboard/stats")
    assert (answer.json["total_users"], answer.headers["Age"]) == (2, "0")


def test_hit_makes_no_query_besides_the_authentication(cached_root, queries):
    first = cached_root.get("/dashboard/stats")
    del queries[:]
    second = cached_root.get("/dashboard/stats")
    assert first.json == second.json
    assert len(queries) == 1, queries
    assert "sessions" in queries[0]


def test_cached_value_lasts_for_its_time_and_no_longer(cached_root, make_user, clock):
    first = cached_root.get("/dashboard/stats").json
    make_user()
    clock.advance(seconds=59.9)
    assert cached_root.get("/dashboard/stats").json == first
    clock.advance(seconds=0.1)
    second = cached_root.get("/dashboard/stats").json
    assert second["total_users"] == 2
    assert second["timestamp"] == "2026-03-11T12:01:00+00:00"


def test_time_of_the_cache_is_a_setting(make_app, root, call_as, make_user, clock, tmp_path):
    caller = call_as(root, on=make_app(cache_enabled=True, stats_ttl=5, home=tmp_path))
    assert caller.get("/dashboard/stats").headers["Cache-Control"] == "private, max-age=5"
    make_user()
    clock.advance(seconds=4)
    assert caller.get("/dashboard/stats").json["total_users"] == 1
    clock.advance(seconds=1)
    assert caller.get("/dashboard/stats").json["total_users"] == 2


def test_workers_of_a_machine_share_the_value(caching, make_app, cached_root, root, call_as, make_user, tmp_path):
    first = cached_root.get("/dashboard/stats").json
    make_user()
    other = call_as(root, on=make_app(cache_enabled=True, home=tmp_path))
    assert other.get("/dashboard/stats").json == first


def test_right_to_see_comes_before_the_cache(caching, cached_root, ann, call_as):
    cached_root.get("/dashboard/stats")
    assert refused(call_as(ann, on=caching).get("/dashboard/stats"), 403, "authorization_error")
    assert caching.test_client().get("/api/v1/dashboard/stats").status_code == 401


def test_cache_holds_plain_numbers_and_nothing_of_anybody(cached_root, caching):
    shown = cached_root.get("/dashboard/stats").json
    with caching.app_context():
        entry = cache.cache.get("statistics")
    assert entry["value"] == shown


def test_age_and_freshness_add_up_to_the_time(cached_root, clock):
    fresh = cached_root.get("/dashboard/stats")
    assert (fresh.headers["Age"], fresh.headers["Cache-Control"]) == ("0", "private, max-age=60")
    clock.advance(seconds=25)
    older = cached_root.get("/dashboard/stats")
    assert older.headers["Age"] == "25"
    assert older.cache_control.private
    assert older.cache_control.max_age in (35, 60)


def test_etag_is_answered_without_a_body_until_the_numbers_change(cached_root, make_user, clock):
    first = cached_root.get("/dashboard/stats")
    known = {"If-None-Match": first.headers["ETag"]}
    again = cached_root.get("/dashboard/stats", headers=known)
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"]
    assert cached_root.get("/dashboard/stats", headers={"If-None-Match": '"other"'}).status_code == 200
    make_user()
    clock.advance(seconds=60)
    changed = cached_root.get("/dashboard/stats", headers=known)
    assert (changed.status_code, changed.json["total_users"]) == (200, 2)
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_etag_does_not_open_the_door(cached_root, caching):
    etag = cached_root.get("/dashboard/stats").headers["ETag"]
    assert caching.test_client().get("/api/v1/dashboard/stats", headers={"If-None-Match": etag}).status_code == 401


def test_statistics_are_right_with_a_cache_that_cannot_be_reached(make_app, root, call_as, make_user):
    # Nobody listens on the discard port: refused at once, as by a Redis that is down.
    caller = call_as(root, on=make_app(cache_enabled=True, cache_redis_url="redis://127.0.0.1:9/0"))
    assert caller.get("/dashboard/stats").json["total_users"] == 1
    make_user()
    assert caller.get("/dashboard/stats").json["total_users"] == 2


def test_statistics_are_shared_through_redis(make_app, redis_url, root, call_as, make_user, clock):
    clock.advance(days=1)  # past whatever another test has left there
    first = call_as(root, on=make_app(cache_enabled=True, cache_redis_url=redis_url))
    second = call_as(root, on=make_app(cache_enabled=True, cache_redis_url=redis_url))
    shown = first.get("/dashboard/stats").json
    assert shown["total_users"] == 1
    make_user()
    assert second.get("/dashboard/stats").json == shown


def test_chart_has_every_day_up_to_today(as_root, make_user, clock):
    for age in (0, 0, 2, 6, 7):
        make_user(created_at=clock.now - timedelta(days=age))
    answer = as_root.get("/dashboard/signups?days=7")
    assert answer.status_code == 200
    days = {day["date"]: day["count"] for day in answer.json["days"]}
    assert list(days) == [f"2026-03-{day:02}" for day in range(5, 12)]
    assert list(days.values()) == [1, 0, 0, 0, 1, 0, 2]


@pytest.mark.parametrize(("query", "count"), [("", 30), ("?days=1", 1), ("?days=366", 366)])
def test_chart_has_as_many_days_as_asked_for(as_root, query, count):
    days = as_root.get(f"/dashboard/signups{query}").json["days"]
    assert len(days) == count
    assert days[-1] == {"date": "2026-03-11", "count": 0}
    assert [date.fromisoformat(day["date"]) for day in days] == [date(2026, 3, 11) - timedelta(n) for n in range(count)][::-1]


def test_chart_counts_days_of_utc(as_root, make_user, clock):
    clock.now = clock.now.replace(hour=0)
    make_user(created_at=clock.now - timedelta(microseconds=1))
    make_user(created_at=clock.now)
    assert [day["count"] for day in as_root.get("/dashboard/signups?days=2").json["days"]] == [1, 1]


@pytest.mark.parametrize(
    ("query", "field", "kind"),
    [
        ("days=0", "days", "out_of_range"),
        ("days=367", "days", "out_of_range"),
        ("days=-5", "days", "out_of_range"),
        ("days=" + "9" * 400, "days", "out_of_range"),
        ("days=week", "days", "invalid_type"),
        ("days=1.5", "days", "invalid_type"),
        ("days=", "days", "invalid_type"),
        ("days=1&days=2", "days", "repeated"),
        ("weeks=1", "weeks", "unknown_field"),
    ],
)
def test_parameter_that_is_not_valid_is_refused(as_root, query, field, kind):
    answer = as_root.get(f"/dashboard/signups?{query}")
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"query.{field}", kind)}
