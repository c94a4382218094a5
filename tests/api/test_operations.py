"""``POST /api/v1/operations/{id}/undo``: imports and changes of several users, taken back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from answers import refused
from facts import NOON
from rollcall.infra.database import own_connection
from rollcall.models import Operation, SecurityEvent, User
from rollcall.services.transfer import imports
from rollcall.services.transfer.existing import Existing
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.users import bulk_changes
from threads import together


@pytest.fixture
def run(app: Any, root: User) -> Callable[..., int]:
    """Import a file at the command line; the operation's id."""

    def run(content: str, **options: Any) -> int:
        given = {"dry_run": False, "now": NOON + timedelta(minutes=1), "progress": lambda *_: None, **options}
        with app.app_context(), own_connection() as connection:
            report = imports.import_users(connection, io.BytesIO(content.encode()), Reading(FileFormat.CSV), **given)
        assert report.problems == []
        return report.operation_id

    return run


def rows(numbers: range, password: str = "") -> str:
    return "email,username,password\n" + "".join(f"mail{n}@b.de,user{n},{password}\n" for n in numbers)


def usernames(session: Any) -> list[str]:
    session.rollback()
    return list(session.scalars(select(User.username).order_by(User.id)))


@pytest.fixture(autouse=True)
def later(clock: Any, app: Any) -> None:
    clock.advance(minutes=5)


def test_users_of_an_import_are_gone(as_root, session, run):
    operation_id = run(rows(range(3_000)))
    answer = as_root.post(f"/operations/{operation_id}/undo")
    assert (answer.status_code, answer.json) == (200, {"restored": 3_000, "left": 0})
    assert usernames(session) == ["root"]
    assert as_root.get("/dashboard/stats").json["total_users"] == 1


def test_who_was_changed_or_logged_in_or_existed_before_stays(as_root, nobody, session, run, make_user):
    make_user(username="before")
    operation_id = run(rows(range(5), "a fine passphrase"))
    make_user(username="after")
    ids = {user["username"]: user["id"] for user in as_root.get("/users").json["items"]}
    assert as_root.patch(f"/users/{ids['user1']}", json={"full_name": "Ann"}).status_code == 200
    assert nobody.post("/auth/login", json={"username": "user3", "password": "a fine passphrase"}).status_code == 200
    assert as_root.delete(f"/users/{ids['user4']}").status_code == 204
    assert as_root.post(f"/operations/{operation_id}/undo").json == {"restored": 2, "left": 2}
    assert usernames(session) == ["root", "before", "user1", "user3", "after"]


def test_log_in_that_ended_again_counts_as_use(as_root, nobody, session, run):
    operation_id = run(rows(range(2), "a fine passphrase"))
    token = nobody.post("/auth/login", json={"username": "user0", "password": "a fine passphrase"}).json["access_token"]
    assert nobody.post("/auth/logout", headers={"Authorization": f"Bearer {token}"}).status_code == 204
    assert as_root.post(f"/operations/{operation_id}/undo").json == {"restored": 1, "left": 1}
    assert usernames(session) == ["root", "user0"]


def test_times_that_a_file_restores_are_no_use(as_root, session, run):
    content = "email,username,updated_at,last_login_at\na@b.de,ann,2025-01-01T00:00:00Z,2025-01-02T00:00:00Z\n"
    operation_id = run(content)
    assert as_root.post(f"/operations/{operation_id}/undo").json == {"restored": 1, "left": 0}


def test_users_whom_an_import_has_updated_stay_as_they_are(as_root, session, run, make_user):
    make_user(username="ann", email="ann@b.de", full_name="Ann")
    content = "email,username,full_name\nann@b.de,ann,Ann Lee\nbob@b.de,bob,Bob\n"
    operation_id = run(content, existing=Existing.UPDATE)
    operation = session.get(Operation, operation_id)
    assert (operation.kind, operation.created, operation.changed) == ("import", 1, 1)
    assert as_root.post(f"/operations/{operation_id}/undo").json == {"restored": 1, "left": 0}
    session.rollback()
    assert session.scalars(select(User.full_name).where(User.username == "ann")).one() == "Ann Lee"


def test_caller_and_the_last_superuser_stay(as_root, session, run):
    operation_id = run("email,username,is_superuser\na@b.de,ann,yes\n")
    assert as_root.post(f"/operations/{operation_id}/undo").json == {"restored": 1, "left": 0}
    assert usernames(session) == ["root"]


@pytest.mark.parametrize("is_active", [True, False])
def test_change_of_several_users_is_reversed(as_root, app, session, acting, root, make_user, clock, is_active):
    users = [make_user(username=f"user{n}", is_active=not is_active) for n in range(3)]
    with app.app_context():
        work = app.extensions["sqlalchemy"].session
        changed = bulk_changes.change(work(), tuple(user.id for user in users), acting(root), clock.now, is_active=is_active)
        work.commit()
    clock.advance(minutes=1)
    assert as_root.patch(f"/users/{users[1].id}", json={"full_name": "X"}).status_code == 200
    assert as_root.post(f"/operations/{changed.operation_id}/undo").json == {"restored": 2, "left": 1}
    states = session.execute(select(User.username, User.is_active).where(User.username != "root").order_by(User.id)).all()
    assert [tuple(state) for state in states] == [("user0", not is_active), ("user1", is_active), ("user2", not is_active)]
    assert session.scalar(select(func.count()).select_from(Operation)) == 1  # an undo is none


def test_operation_is_undone_once(as_root, session, run):
    operation_id = run(rows(range(2)))
    assert as_root.post(f"/operations/{operation_id}/undo").status_code == 200
    assert refused(as_root.post(f"/operations/{operation_id}/undo"), 409, "conflict")
    operation = session.get(Operation, operation_id)
    assert (operation.undone_by_username, operation.restored, operation.kept) == ("root", 2, 0)


def test_two_undos_at_once_are_one(as_root, session, run):
    operation_id = run(rows(range(500)))
    answers = together([lambda: as_root.post(f"/operations/{operation_id}/undo").status_code] * 2)
    assert sorted(answers) == [200, 409]


def test_unknown_operation_is_404(as_root):
    assert refused(as_root.post("/operations/7/undo"), 404, "not_found")
    assert refused(as_root.post(f"/operations/{2**63}/undo"), 404, "not_found")


def test_plain_users_and_strangers_undo_nothing(as_ann, nobody, session, run):
    operation_id = run(rows(range(2)))
    assert refused(as_ann.post(f"/operations/{operation_id}/undo"), 403, "authorization_error")
    assert refused(nobody.post(f"/operations/{operation_id}/undo"), 401, "authentication_error")


def test_undo_is_recorded(as_root, session, run):
    operation_id = run(rows(range(2)))
    ids = list(session.scalars(select(User.id).where(User.username != "root").order_by(User.id)))
    as_root.post(f"/operations/{operation_id}/undo")
    event = session.scalars(select(SecurityEvent).where(SecurityEvent.type == "users_changed")).one()
    assert (event.actor_username, event.subject_ids) == ("root", ids)
    assert event.changes == {"operation_id": operation_id, "deleted": 2}


def test_import_that_creates_and_changes_nobody_is_no_operation(session, run, make_user):
    make_user(username="ann", email="ann@b.de")
    assert run("email,username\nann@b.de,ann\n", existing=Existing.SKIP) is None
    assert session.scalar(select(func.count()).select_from(Operation)) == 0


def test_ids_of_an_import_are_few_ranges(session, run):
    operation_id = run(rows(range(5_000)))
    ranges = session.scalar(select(func.cardinality(func.array(select(func.unnest(Operation.created_ids)).scalar_subquery()))))
    assert operation_id is not None
    assert ranges == 1


def test_list_shows_the_users_of_an_import(as_root, run, make_user):
    make_user(username="ann", email="ann@b.de")
    operation_id = run("email,username,full_name\nann@b.de,ann,Ann\nbob@b.de,bob,Bob\n", existing=Existing.UPDATE)
    make_user(username="cid")

    def found(query):
        page = as_root.get(f"/users?import={operation_id}{query}").json
        return sorted(user["username"] for user in page["items"]), page["total"], page["total_is_exact"]

    assert found("") == (["ann", "bob"], 2, True)
    assert found("&search=bob") == (["bob"], 1, True)
    assert found("&has_password=true&sort_by=username") == (["ann"], 1, True)
    assert found("&sort_by=last_login_at") == (["ann", "bob"], 2, True)
    assert as_root.get(f"/users?import={operation_id + 1}").json["items"] == []
    assert len(as_root.get(f"/users/export?format=ndjson&import={operation_id}").text.splitlines()) == 2


@pytest.mark.parametrize("value", ["0", "x", "-1", "1.0", str(2**63), ""])
def test_import_that_is_no_id_is_refused(as_root, value):
    answer = as_root.get(f"/users?import={value}")
    assert (answer.status_code, answer.json["details"][0]["field"]) == (422, "query.import")


def test_links_are_made_for_the_users_of_an_import(as_root, run):
    operation_id = run("email,username\nann@b.de,ann\nbob@b.de,bob\n")
    asked = {"filter": {"import": operation_id, "has_password": False}, "expected": 2}
    answer = as_root.post("/users/password-links", json=asked)
    assert answer.status_code == 200
    assert sorted(row["username"] for row in csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff")))) == ["ann", "bob"]
    refused = as_root.post("/users/password-links", json=asked | {"filter": {"import": "x"}})
    assert (refused.status_code, refused.json["details"][0]["field"]) == (422, "body.filter.import")
