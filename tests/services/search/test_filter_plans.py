"""How PostgreSQL finds the users of a filter: by an index, whether nearly all pass it, or few, or those far from here."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

import databases
import explained
from facts import PASSWORD_HASH
from rollcall.infra.database import db
from rollcall.services.identity import accounts

# The newest first, one every 47 minutes. The oldest 6,000 have not logged in for long, the oldest 30 never, and have no password.
USERS = text("""
    WITH made AS (
        INSERT INTO users (email, username, is_active, is_superuser, created_at, password_hash, never_logged_in)
        SELECT 'm' || n || '@example.org', 'user_' || md5(n::text), n % 9 > 0, n % 100 = 7, :now - n * interval '47 min',
               CASE WHEN n <= 29970 THEN :hash END, n > 29970
        FROM generate_series(1, 30000) AS n RETURNING id, created_at, never_logged_in
    )
    INSERT INTO user_logins
    SELECT id, CASE WHEN id > 24000 THEN created_at + interval '1 min' ELSE :now - id % 1000 * interval '1 min' END
    FROM made WHERE NOT never_logged_in
""")
COUNTED = 10_100  # 10,001, and the few among them that a filter passes over
LONG_AGO = "2023-12-01T00:00:00Z"  # later than the last log-in of the oldest 6,000, and than nobody else's
FILTERS = [
    "never_logged_in=true",
    "never_logged_in=false",
    "has_password=true",
    "has_password=false",
    f"last_login_before={LONG_AGO}",
    f"last_login_after={LONG_AGO}",
    "last_login_after=2026-03-11T11:58:00Z",
    "last_login_after=2023-09-01T00:00:00Z&last_login_before=2023-09-02T00:00:00Z",
    "created_after=2024-01-01T10:00:00Z&created_before=2024-01-02T11:00:00Z",
    "created_before=2023-10-01T00:00:00Z",
    "created_after=2026-03-11T00:00:00Z&is_active=true",
    "username=USER_c4ca4238a0b923820dcc509a6f75849b",
    "email=nobody@example.org",
]
ORDERS = ["sort_order=desc", "sort_order=asc", "sort_by=last_login_at&sort_order=desc", "sort_by=last_login_at&sort_order=asc"]


@pytest.fixture(scope="module")
def large(settings, clock):
    """An application with 30,000 users, of whom the planner knows."""
    with databases.filled(settings, clock, USERS, now=clock.now, hash=PASSWORD_HASH) as app:
        with app.app_context(), db.engine.begin() as connection:
            values = {"digest": accounts.digest("token"), "expires": clock.now + timedelta(days=1)}
            query = "INSERT INTO sessions (user_id, token_hash, expires_at) VALUES (307, :digest, :expires)"
            connection.execute(text(query), values)
        yield app


@pytest.fixture
def request_and_count(large):
    """Make a request; the answer, and the most rows that a scan in one of its statements has read or passed over."""

    def request(path):
        with large.app_context():
            with explained.noted(db.engine) as sent:
                answer = large.test_client().get(f"/api/v1{path}", headers={"Authorization": "Bearer token"})
            assert answer.status_code == 200, answer.text
            with db.engine.connect() as connection:
                most = 0
                for each in sent:
                    most = max([most, *rows_read(explained.plan(connection, each))])
                    connection.rollback()
        return answer.json, most

    return request


def rows_read(plan):
    """The users that each scan has met, including those that its filter has removed."""
    if plan.get("Relation Name") == "users":
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    for part in plan.get("Plans", []):
        yield from rows_read(part)


def test_this_count_would_show_a_scan_of_all(large):
    with large.app_context(), db.engine.connect() as connection:
        [[[plan]]] = connection.execute(text("EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM users WHERE full_name = 'x'"))
    assert list(rows_read(plan["Plan"])) == [30_000]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("chosen", FILTERS)
def test_no_page_reads_more_users_than_are_counted(request_and_count, chosen, order):
    page, most = request_and_count(f"/users?{chosen}&{order}&size=20")
    assert most <= COUNTED
    for way in ("next_cursor", "prev_cursor"):
        if page[way]:
            _, most = request_and_count(f"/users?{chosen}&{order}&size=20&cursor={page[way]}")
            assert most <= COUNTED


def test_a_far_page_of_some_days_counts_through_its_day_alone(request_and_count):
    page, most = request_and_count(
        "/users?created_after=2024-01-01T10:00:00Z&created_before=2026-01-01T11:00:00Z&page=150&size=100"
    )
    assert (len(page["items"]), page["total_is_exact"]) == (100, True)
    assert most <= 200


def test_a_list_of_all_by_last_log_in_reads_its_page_alone(request_and_count):
    for order in ORDERS[2:]:
        page, most = request_and_count(f"/users?{order}&size=20")
        assert (page["total"], most <= 60) == (30_000, True)
