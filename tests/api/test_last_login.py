"""``last_login_at``: set by each log-in, in its transaction; and versions, which a log-in does not change."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from answers import refused
from facts import PASSWORD
from rollcall.services.statistics import tally
from rollcall.services.users import directory
from threads import together

LOGIN = {"username": "ann", "password": PASSWORD}


@pytest.fixture
def log_in(nobody):
    def call(**changes):
        return nobody.post("/auth/login", json=LOGIN | changes)

    return call


def shown(caller, user):
    return caller.get(f"/users/{user.id}").json["last_login_at"]


def stored(engine):
    query = "SELECT username, never_logged_in, last_login_at FROM users LEFT JOIN user_logins ON user_id = id ORDER BY id"
    with engine.connect() as connection:
        return {row.username: (row.never_logged_in, row.last_login_at) for row in connection.execute(text(query))}


def test_who_never_logged_in_has_none(as_root, ann):
    assert as_root.get(f"/users/{ann.id}").json["last_login_at"] is None
    assert (
        as_root.post("/users", json={"username": "bob", "email": "bob@example.org", "password": PASSWORD}).json["last_login_at"]
        is None
    )


@pytest.mark.parametrize("limits", [False, True])
def test_each_log_in_sets_it(make_app, call_as, root, ann, engine, clock, limits):
    on = make_app(rate_limit_enabled=limits)
    caller = call_as(root, on=on)
    for _ in range(2):
        clock.advance(minutes=7)
        answer = caller.post("/auth/login", json=LOGIN)
        own = {"Authorization": f"Bearer {answer.json['access_token']}"}
        assert caller.get("/auth/me", headers=own).json["last_login_at"] == clock.now.isoformat()
        assert shown(caller, ann) == clock.now.isoformat()
        for path in ("/users?username=ann", "/users?search=ann@"):
            assert caller.get(path).json["items"][0]["last_login_at"] == clock.now.isoformat()
        assert stored(engine) == {"root": (True, None), "ann": (False, clock.now)}


def test_a_log_in_on_the_pages_sets_it(app, ann, engine, clock):
    client = app.test_client()
    token = client.get("/login").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    client.post("/login", data=LOGIN | {"csrf_token": token})
    assert stored(engine)["ann"] == (False, clock.now)


def test_a_log_in_that_fails_sets_nothing(log_in, make_user, ann, engine):
    make_user(username="gone", is_active=False)
    assert log_in(password="wrong-password").status_code == 401
    assert log_in(username="gone").status_code == 403
    assert stored(engine) == {"gone": (True, None), "ann": (True, None)}


def test_a_log_in_with_an_earlier_clock_does_not_set_it_back(log_in, ann, engine, clock):
    log_in()
    latest = clock.now
    clock.advance(minutes=-1)  # another machine's
    log_in()
    assert stored(engine)["ann"] == (False, latest)


def test_first_log_ins_at_once_wait_for_each_other_and_all_succeed(app, call_as, root, ann, engine, clock):
    callers = [call_as(root) for _ in range(6)]
    answers = together([lambda caller=caller: caller.post("/auth/login", json=LOGIN) for caller in callers])
    assert [answer.status_code for answer in answers] == [200] * 6
    assert stored(engine)["ann"] == (False, clock.now)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM sessions WHERE user_id = :id"), {"id": ann.id}) == 6


def test_a_log_in_of_one_and_a_change_of_that_user_at_once_both_succeed(as_root, call_as, root, ann, engine):
    other = call_as(root)
    for name in ("A", "B", "C"):
        answers = together(
            [
                lambda: other.post("/auth/login", json=LOGIN),
                lambda name=name: as_root.patch(f"/users/{ann.id}", json={"full_name": name}),
            ]
        )
        assert [answer.status_code for answer in answers] == [200, 200]
    assert stored(engine)["ann"][0] is False


def test_a_log_in_changes_the_etag_but_not_the_version(as_root, log_in, ann, clock):
    path = f"/users/{ann.id}"
    before = as_root.get(path)
    log_in()
    after = as_root.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, after.json) == (200, before.json | {"last_login_at": clock.now.isoformat()})
    assert after.headers["ETag"] != before.headers["ETag"]
    assert as_root.get(path, headers={"If-None-Match": after.headers["ETag"]}).status_code == 304
    changed = as_root.patch(path, json={"full_name": "New"}, headers={"If-Match": before.headers["ETag"]})
    assert (changed.status_code, changed.json["last_login_at"]) == (200, clock.now.isoformat())
    assert changed.headers["ETag"] == as_root.get(path).headers["ETag"]
    stale = as_root.patch(path, json={"full_name": "X"}, headers={"If-Match": after.headers["ETag"]})
    assert refused(stale, 412, "precondition_failed")
    assert as_root.delete(path, headers={"If-Match": changed.headers["ETag"]}).status_code == 204


def test_log_ins_of_different_moments_have_different_etags(as_root, log_in, ann, clock):
    seen = set()
    for _ in range(3):
        clock.advance(microseconds=1)
        log_in()
        seen.add(as_root.get(f"/users/{ann.id}").headers["ETag"])
    assert len(seen) == 3


def test_an_entity_tag_of_before_is_a_version_still(as_root, ann):
    version = as_root.get(f"/users/{ann.id}").headers["ETag"].partition(".")[0] + '"'
    assert as_root.patch(f"/users/{ann.id}", json={"full_name": "X"}, headers={"If-Match": version}).status_code == 200


def test_the_form_of_a_user_who_logs_in_meanwhile_is_saved(app, ann, root, log_in, session, engine):
    before = directory.get_user(session, ann.id).version
    log_in()
    session.expire_all()
    assert directory.get_user(session, ann.id).version == before


def test_a_log_in_is_no_change_to_the_tally(log_in, ann, session):
    log_in()
    assert tally.verify(session) == []


def test_a_deleted_user_leaves_no_log_in(as_root, log_in, ann, engine):
    log_in()
    assert as_root.delete(f"/users/{ann.id}").status_code == 204
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM user_logins")) == 0


def test_list_by_last_log_in_puts_who_never_logged_in_before_anyone(as_root, make_user, log_in, ann, clock):
    make_user(username="bob")
    log_in(username="bob")
    clock.advance(hours=1)
    log_in()
    clock.now -= timedelta(hours=1)
    newest = as_root.get("/users?sort_by=last_login_at").json["items"]
    assert [user["username"] for user in newest] == ["ann", "bob", "root"]
    oldest = as_root.get("/users?sort_by=last_login_at&sort_order=asc").json["items"]
    assert [user["username"] for user in oldest] == ["root", "bob", "ann"]


def test_the_database_keeps_what_lists_rely_on_for_any_writer(ann, engine, clock):
    def run(statement):
        with engine.begin() as connection:
            connection.execute(text(statement), {"id": ann.id, "at": clock.now - timedelta(days=1)})
        return stored(engine)["ann"]

    assert run("INSERT INTO user_logins VALUES (:id, :at)") == (False, ann.created_at)
    assert run("UPDATE user_logins SET last_login_at = :at") == (False, ann.created_at)
    later = clock.now + timedelta(days=3)
    assert run("UPDATE users SET created_at = :at + interval '4 days' WHERE id = :id") == (False, later)
    assert run("UPDATE users SET created_at = :at WHERE id = :id") == (False, later)
    assert run("DELETE FROM user_logins WHERE user_id = :id") == (True, None)
