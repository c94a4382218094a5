"""Password links over REST: who gets one, what ends it, and many at once as a file."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy import select, text

from facts import PASSWORD
from rollcall.models import OneTimeLink, SecurityEvent, User
from rollcall.services.identity import one_time_links
from rollcall.services.users import password_links

NEW = "a-fine-new-passphrase"


def token_of(url: str) -> str:
    return url.partition("#")[2]


@pytest.fixture
def use(app):
    """Set a password by a link, as the page does."""

    def set_password(url: str, password: str = NEW) -> Any:
        client = app.test_client()
        page = client.get("/password").get_data(as_text=True)
        csrf = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        return client.post("/password", data={"csrf_token": csrf, "token": token_of(url), "password": password})

    return set_password


def link(as_root, user) -> str:
    answer = as_root.post(f"/users/{user.id}/password-link")
    assert answer.status_code == 201, answer.text
    return answer.json["url"]


def test_link_is_answered_once_and_kept_as_a_digest(as_root, ann, session):
    answer = as_root.post(f"/users/{ann.id}/password-link")
    assert answer.status_code == 201
    assert answer.json.keys() == {"url", "expires_at", "mailed"}
    assert (answer.json["expires_at"], answer.json["mailed"]) == ("2026-03-18T12:00:00+00:00", False)
    base, _, token = answer.json["url"].partition("#")
    assert base == "http://localhost/password"
    assert len(token) == 43  # 256 bits
    kept = session.scalars(select(OneTimeLink)).one()
    assert (kept.user_id, kept.token_hash) == (ann.id, one_time_links.digest(token))


def test_links_begin_with_the_public_url(make_app, root, ann, call_as):
    on = make_app(public_url="https://people.example.org/roll")
    url = call_as(root, on).post(f"/users/{ann.id}/password-link").json["url"]
    assert url.startswith("https://people.example.org/roll/password#")


def test_user_logs_in_with_the_password_that_the_link_set(as_root, as_ann, nobody, make_user, use):
    new = make_user(username="new", password_hash=None)
    assert use(link(as_root, new)).status_code == 302
    assert nobody.post("/auth/login", json={"username": "new", "password": NEW}).status_code == 200


def test_all_sessions_end(as_root, as_ann, ann, nobody, use):
    assert use(link(as_root, ann)).status_code == 302
    assert as_ann.get("/auth/me").status_code == 401
    assert nobody.post("/auth/login", json={"username": "ann", "password": PASSWORD}).status_code == 401


def test_link_works_once(as_root, ann, nobody, use):
    url = link(as_root, ann)
    assert use(url).status_code == 302
    assert use(url, "another-fine-passphrase").status_code == 404
    assert nobody.post("/auth/login", json={"username": "ann", "password": NEW}).status_code == 200


def test_link_works_for_seven_days(as_root, ann, clock, use):
    url = link(as_root, ann)
    clock.advance(days=7)
    assert use(url).status_code == 404
    clock.advance(microseconds=-1)
    assert use(url).status_code == 302


def test_new_link_ends_the_old_one(as_root, ann, use):
    old, new = link(as_root, ann), link(as_root, ann)
    assert use(old).status_code == 404
    assert use(new).status_code == 302


@pytest.mark.parametrize("change", [{"password": "yet-another-passphrase"}, {"email": "other@example.org"}])
def test_new_password_or_address_ends_it(as_root, ann, use, change):
    url = link(as_root, ann)
    assert as_root.patch(f"/users/{ann.id}", json=change).status_code == 200
    assert use(url).status_code == 404


def test_it_does_nothing_while_its_user_is_inactive(as_root, make_user, use, engine):
    inactive = make_user(is_active=False)
    url = link(as_root, inactive)
    assert use(url).status_code == 404
    as_root.patch(f"/users/{inactive.id}", json={"is_active": True})
    assert use(url).status_code == 302


def test_it_ends_with_its_user(as_root, ann, use, session):
    url = link(as_root, ann)
    as_root.delete(f"/users/{ann.id}")
    assert use(url).status_code == 404
    assert session.scalars(select(OneTimeLink)).all() == []


def test_nobody_makes_one_for_himself(as_root, root, as_ann, ann):
    answer = as_root.post(f"/users/{root.id}/password-link")
    assert (answer.status_code, answer.json["message"]) == (
        403,
        "You cannot make a link for yourself. Change your own password with the current one.",
    )
    assert as_ann.post(f"/users/{ann.id}/password-link").status_code == 403
    assert as_root.post("/users/999/password-link").status_code == 404


def test_events_tell_who_made_it_and_who_used_it(as_root, root, ann, use, session):
    use(link(as_root, ann))
    query = select(SecurityEvent.type, SecurityEvent.actor_id, SecurityEvent.subject_id, SecurityEvent.changes)
    assert [tuple(row) for row in session.execute(query.order_by(SecurityEvent.id))] == [
        ("password_link_made", root.id, ann.id, {}),
        ("password_link_used", ann.id, ann.id, {}),
        ("password_changed", ann.id, ann.id, {"password": True}),
    ]


def test_expired_links_are_swept_by_new_ones(as_root, root, call_as, ann, make_user, clock, session):
    link(as_root, ann)
    clock.advance(days=8)
    other = make_user()
    link(call_as(root), other)
    assert session.scalars(select(OneTimeLink.user_id)).all() == [other.id]


# Many


def rows_of(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))


def test_many_by_their_ids(as_root, ann, make_user, use):
    bob = make_user(username="bob", email="bob@example.org", full_name="=cmd", password_hash=None)
    answer = as_root.post("/users/password-links", json={"ids": [bob.id, ann.id, 999]})
    assert answer.content_type == "text/csv; charset=utf-8"
    rows = rows_of(answer)
    assert [(row["name"], row["email"], row["username"]) for row in rows] == [
        ("Ann Lee", "ann@example.org", "ann"),
        ("'=cmd", "bob@example.org", "bob"),  # no formula for a spreadsheet
    ]
    assert {row["expires_at"] for row in rows} == {"2026-03-18T12:00:00+00:00"}
    assert [use(row["link"]).status_code for row in rows] == [302, 302]


def test_many_as_ndjson(as_root, ann):
    answer = as_root.post("/users/password-links?format=ndjson", json={"ids": [ann.id]})
    assert answer.content_type == "application/x-ndjson"
    assert json.loads(answer.get_data(as_text=True)).keys() == set(password_links.COLUMNS)


def test_filter_needs_the_number_that_it_matches(as_root, ann, make_user, session):
    make_user(password_hash=None)
    make_user(password_hash=None)
    body = {"filter": {"has_password": False}, "expected": 3}
    answer = as_root.post("/users/password-links", json=body)
    assert (answer.status_code, answer.json["error"]) == (409, "conflict")
    assert answer.json["details"] == [
        {"type": "not_expected", "message": "The filter matches 2 users.", "field": "body.expected"}
    ]
    assert session.scalars(select(OneTimeLink)).all() == []
    assert len(rows_of(as_root.post("/users/password-links", json=body | {"expected": 2}))) == 2


def test_caller_is_left_out(as_root, ann, root):
    rows = rows_of(as_root.post("/users/password-links", json={"filter": {}, "expected": 1}))
    assert [row["username"] for row in rows] == ["ann"]
    assert rows_of(as_root.post("/users/password-links", json={"ids": [root.id]})) == []


def test_all_without_a_password_in_few_statements(as_root, engine, use, nobody, statements, session):
    count = 2_500
    with engine.begin() as connection:
        people = f"SELECT 'p' || n || '@example.org', 'p' || n FROM generate_series(1, {count}) AS n"
        connection.execute(text(f"INSERT INTO users (email, username) {people}"))
    answer = as_root.post("/users/password-links", json={"filter": {"has_password": False}, "expected": count})
    assert answer.is_streamed
    rows = rows_of(answer)
    assert len(statements) == 9, statements  # the caller twice, ids, three batches, sweep, event; the rows
    assert len({row["link"] for row in rows}) == count
    assert len(session.scalars(select(OneTimeLink.user_id)).all()) == count
    event = session.scalars(select(SecurityEvent)).one()
    assert (event.type, len(event.subject_ids), event.changes) == ("password_link_made", count, {"links": count})
    assert use(rows[1_234]["link"]).status_code == 302
    assert nobody.post("/auth/login", json={"username": rows[1_234]["username"], "password": NEW}).status_code == 200
    assert session.scalars(select(User.id).where(User.password_hash.is_not(None), User.username != "root")).all()


def test_too_many_are_refused(as_root, ann, make_user, monkeypatch, session):
    make_user()
    monkeypatch.setattr(password_links, "AT_MOST", 1)
    answer = as_root.post("/users/password-links", json={"filter": {}, "expected": 2})
    assert (answer.status_code, answer.json["message"]) == (
        413,
        "A batch can contain at most 1 users; this one contains 2.",
    )
    assert session.scalars(select(OneTimeLink)).all() == []


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "ids", "missing"),
        ({"ids": [1], "filter": {}}, "ids", "not_both"),
        ({"ids": []}, "ids", "too_short"),
        ({"ids": [1] * 1_001}, "ids", "too_long"),
        ({"ids": "1"}, "ids", "invalid_type"),
        ({"ids": ["1"]}, "ids.0", "invalid_type"),
        ({"ids": [True]}, "ids.0", "invalid_type"),
        ({"ids": [1.0]}, "ids.0", "invalid_type"),
        ({"ids": [0]}, "ids.0", "out_of_range"),
        ({"ids": [2**63]}, "ids.0", "out_of_range"),
        ({"filter": {}}, "expected", "missing"),
        ({"filter": {}, "expected": -1}, "expected", "out_of_range"),
        ({"filter": [], "expected": 1}, "filter", "invalid_type"),
        ({"filter": {"nobody": 1}, "expected": 1}, "filter.nobody", "unknown_field"),
        ({"filter": {"search": ""}, "expected": 1}, "filter.search", "too_short"),
        ({"filter": {"sort_by": "email"}, "expected": 1}, "filter.sort_by", "unknown_field"),
        ({"ids": [1], "mail": 1}, "mail", "unknown_field"),
    ],
)
def test_what_is_wrong_is_named(as_root, body, field, code):
    answer = as_root.post("/users/password-links", json=body)
    assert answer.status_code == 422, answer.text
    assert (f"body.{field}", code) in [(detail["field"], detail["type"]) for detail in answer.json["details"]]
