"""Imports of people who are there already: refused, left alone, or updated."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.orm import Session

from facts import NOON, PASSWORD_HASH
from rollcall.errors import LastSuperuser
from rollcall.infra.database import own_connection
from rollcall.models import SecurityEvent, User, UserSession
from rollcall.services.transfer import change_preview, imports, uploads
from rollcall.services.transfer.existing import Existing
from rollcall.services.transfer.imports import ImportReport
from rollcall.services.transfer.reading import FileFormat, Reading

LATER = NOON + timedelta(hours=1)
Run = Callable[..., ImportReport]


@pytest.fixture
def connection(app: Flask) -> Iterator[Connection]:
    with app.app_context(), own_connection() as connection:
        yield connection


@pytest.fixture
def run(app: Flask) -> Run:
    def run(content: str, existing: str = "update", file_format: FileFormat = FileFormat.CSV, **options: Any) -> ImportReport:
        with app.app_context(), own_connection() as connection:
            given = {"dry_run": False, "now": LATER, "progress": lambda *_: None, "existing": Existing(existing), **options}
            return imports.import_users(connection, io.BytesIO(content.encode()), Reading(file_format), **given)

    return run


@pytest.fixture
def people(engine: Engine) -> None:
    names = ["ann", "bob", "cid", "dan@example.org"]
    rows = [
        {
            "email": name if "@" in name else f"{name}@example.org",
            "username": name,
            "full_name": name.title(),
            "password_hash": PASSWORD_HASH,
            "is_active": True,
            "is_superuser": name == "ann",
            "created_at": NOON,
            "updated_at": NOON,
        }
        for name in names
    ]
    with engine.begin() as connection:
        connection.execute(insert(User), rows)


def stored(session: Session, username: str) -> User:
    session.rollback()
    return session.scalars(select(User).where(User.username == username)).one()


def counts(report: ImportReport) -> tuple[int, int, int]:
    assert report.problems == []
    return report.created, report.changed, report.left


def found(report: ImportReport) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.field, problem.type) for problem in report.problems]


def test_fail_refuses_the_file(run: Run, session: Session, people: None) -> None:
    report = run("email,username\nnew@example.org,new\nANN@example.org,someone\nx@example.org,BOB\n", "fail")
    assert found(report) == [(3, "email", "taken"), (4, "username", "taken")]
    assert session.scalar(select(func.count()).select_from(User)) == 4


def test_skip_leaves_them_as_they_are(run: Run, session: Session, people: None) -> None:
    content = "email,username,full_name\nnew@example.org,new,N\nANN@example.org,someone,X\nx@example.org,BOB,Y\n"
    assert counts(run(content, "skip")) == (1, 0, 2)
    assert (stored(session, "ann").full_name, stored(session, "bob").full_name) == ("Ann", "Bob")
    assert stored(session, "ann").updated_at == NOON
    assert stored(session, "new").full_name == "N"
    assert counts(run(content, "skip")) == (0, 0, 3)


def test_update_changes_the_given_fields_alone(run: Run, session: Session, people: None) -> None:
    content = "email,username,full_name,is_active\nann@example.org,ann,,\nbob@example.org,bobby,Bob B.,false\n"
    content += "x@example.org,cid,Cid,\nn@b.de,new,,\n"
    assert counts(run(content)) == (1, 2, 1)
    ann, bob, cid = stored(session, "ann"), stored(session, "bobby"), stored(session, "cid")
    assert (ann.full_name, ann.is_superuser, ann.updated_at) == ("Ann", True, NOON)  # an empty cell gives nothing
    assert (bob.full_name, bob.is_active, bob.updated_at, bob.created_at) == ("Bob B.", False, LATER, NOON)
    assert (cid.email, cid.is_active, cid.password_hash) == ("x@example.org", True, PASSWORD_HASH)
    assert counts(run(content)) == (0, 0, 4)


def test_null_in_json_takes_a_full_name_away(run: Run, session: Session, people: None) -> None:
    rows = '{"email": "ann@example.org", "username": "ann", "full_name": null}\n{"email": "bob@example.org", "username": "bob"}\n'
    assert counts(run(rows, file_format=FileFormat.NDJSON)) == (0, 1, 1)
    assert (stored(session, "ann").full_name, stored(session, "bob").full_name) == (None, "Bob")


def test_address_in_place_of_a_username_is_no_new_name(run: Run, session: Session, people: None) -> None:
    content = "email,username,full_name\nann@example.org,ann@example.org,A\nDan@example.org,Dan@example.org,D\n"
    assert counts(run(content)) == (0, 2, 0)
    assert stored(session, "ann").full_name == "A"
    assert stored(session, "Dan@example.org").email == "Dan@example.org"


def test_new_password_or_hash_replaces_the_old_one_and_ends_the_sessions(run: Run, session: Session, people: None) -> None:
    ids = {name: stored(session, name).id for name in ("ann", "bob", "cid")}
    for number, user_id in enumerate(ids.values()):
        values = {"token_hash": bytes([number]) * 32, "created_at": NOON, "expires_at": NOON + timedelta(days=1)}
        session.execute(insert(UserSession).values(user_id=user_id, **values))
    session.commit()
    hashed = "$2b$04$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe"
    content = "email,username,password,password_hash\nann@example.org,ann,a fine passphrase,\n"
    content += f'bob@example.org,bob,,{hashed}\ncid@example.org,cid,,"{PASSWORD_HASH}"\n'
    assert counts(run(content)) == (0, 2, 1)
    assert stored(session, "ann").password_hash not in (None, PASSWORD_HASH)
    assert stored(session, "bob").password_hash == hashed
    assert session.scalars(select(UserSession.user_id)).all() == [ids["cid"]]


def test_deactivation_ends_the_sessions(run: Run, session: Session, people: None) -> None:
    values = {"token_hash": bytes(32), "created_at": NOON, "expires_at": NOON + timedelta(days=1)}
    session.execute(insert(UserSession).values(user_id=stored(session, "bob").id, **values))
    session.commit()
    run("email,username,is_active\nbob@example.org,bob,no\n")
    assert session.scalar(select(func.count()).select_from(UserSession)) == 0


def test_each_change_is_recorded(run: Run, session: Session, people: None) -> None:
    bob = stored(session, "bob").id
    run("email,username,full_name,password\nbob@example.org,bobby,Bob B.,a fine passphrase\nn@b.de,new,,\n")
    query = select(SecurityEvent.type, SecurityEvent.subject_username, SecurityEvent.actor_username, SecurityEvent.changes)
    events = {tuple(row[:3]): row.changes for row in session.execute(query.where(SecurityEvent.subject_id == bob))}
    assert events == {
        ("user_changed", "bob", "operator"): {"username": ["bob", "bobby"], "full_name": ["Bob", "Bob B."]},
        ("password_changed", "bob", "operator"): {"password": True},
    }
    [changes] = session.scalars(select(SecurityEvent.changes).where(SecurityEvent.type == "users_imported"))
    assert changes == {"way": "command", "created": 1, "superusers": 0, "existing": "update", "changed": 1, "left": 0}


@pytest.mark.parametrize("mode", ["skip", "update"])
def test_person_twice_in_the_file_is_refused(run: Run, session: Session, people: None, mode: str) -> None:
    report = run("email,username\nann@example.org,ann\nann@example.org,other\n", mode)
    assert found(report) == [(3, "email", "duplicate")]


def test_row_of_two_users_and_two_rows_of_one_are_refused(run: Run, session: Session, people: None) -> None:
    report = run("email,username\nann@example.org,bob\ncid@example.org,first\nx@example.org,cid\n")
    assert found(report) == [(2, "username", "taken"), (4, "", "duplicate")]
    assert stored(session, "bob").email == "bob@example.org"


@pytest.mark.parametrize(("column", "field"), [("is_active", "is_active"), ("is_superuser", "is_superuser")])
@pytest.mark.parametrize("dry_run", [True, False])
def test_last_superuser_stays_one(run: Run, session: Session, people: None, column: str, field: str, dry_run: bool) -> None:
    report = run(f"email,username,{column}\nbob@example.org,bob,no\nann@example.org,ann,no\n", dry_run=dry_run)
    assert found(report) == [(3, field, "last_superuser")]
    assert stored(session, "ann").is_active
    both = run("email,username,is_superuser\nbob@example.org,bob,yes\nann@example.org,ann,no\n", dry_run=dry_run)
    assert counts(both) == (0, 2, 0)


def test_superuser_who_leaves_meanwhile_is_seen(run: Run, session: Session, engine: Engine, people: None) -> None:
    def progress(stage: str, done: int, _total: int | None) -> None:
        if (stage, done) == ("writing", 0):
            with engine.begin() as connection:
                connection.execute(update(User).where(User.username == "bob").values(is_superuser=False))

    with engine.begin() as connection:
        connection.execute(update(User).where(User.username == "bob").values(is_superuser=True))
    with pytest.raises(LastSuperuser):
        run("email,username,is_active\nann@example.org,ann,no\n", progress=progress)
    assert stored(session, "ann").is_active


def test_rehearsal_shows_what_would_change(run: Run, connection: Connection, session: Session, people: None) -> None:
    content = "email,username,full_name,is_active,password\nann@example.org,ann,Ann Lee,,\n"
    content += "bob@example.org,bobby,,no,a fine passphrase\nn@b.de,new,,,\n"
    report = run(content, dry_run=True)
    assert counts(report) == (1, 2, 0)
    assert [(change.line, change.username, change.fields) for change in report.changes] == [
        (2, "ann", (("full_name", "Ann", "Ann Lee"),)),
        (3, "bob", (("username", "bob", "bobby"), ("is_active", True, False), ("password", None, None))),
    ]
    assert stored(session, "ann").full_name == "Ann"


def test_all_changes_are_a_csv_file(connection: Connection, people: None) -> None:
    content = b"email,username,full_name,is_active\nann@example.org,ann,=Ann,\nbob@example.org,bob,,no\n"
    options: dict[str, Any] = {"dry_run": True, "now": LATER, "progress": lambda *_: None, "existing": Existing.UPDATE}
    imports.import_users(connection, io.BytesIO(content), Reading(FileFormat.CSV), **options)
    target = io.BytesIO()
    assert change_preview.write(connection, target, check=lambda: None) == 2
    rows = list(csv.reader(io.StringIO(target.getvalue().decode("utf-8-sig"), newline="")))
    assert rows == [
        ["line", "username", "field", "old", "new"],
        ["2", "ann", "full_name", "Ann", "'=Ann"],
        ["3", "bob", "is_active", "true", "false"],
    ]


def test_rows_of_users_who_are_there_are_not_bad_where_they_may_be(connection: Connection, people: None) -> None:
    content = b"email,username\nann@example.org,ann\nno-address,x\n"
    for mode, bad in ((Existing.FAIL, 2), (Existing.SKIP, 1), (Existing.UPDATE, 1)):
        options: dict[str, Any] = {"now": LATER, "check": lambda: None, "existing": mode}
        assert uploads.write_bad_rows(connection, io.BytesIO(content), Reading(FileFormat.CSV), io.BytesIO(), **options) == bad


@pytest.mark.parametrize("mode", ["skip", "update"])
def test_two_imports_of_overlapping_people_at_once_create_each_once(run: Run, session: Session, mode: str) -> None:
    both_checked = threading.Barrier(2)
    reports: list[ImportReport] = []

    def work(numbers: range) -> None:
        waited: list[bool] = []

        def progress(stage: str, done: int, _total: int | None) -> None:
            if (stage, done) == ("writing", 0) and not waited:
                waited.append(True)
                both_checked.wait()

        rows = "".join(f"mail{n:05}@b.de,user{n:05},{numbers.start}\n" for n in numbers)
        reports.append(run(f"email,username,full_name\n{rows}", mode, progress=progress))

    threads = [threading.Thread(target=work, args=(numbers,)) for numbers in (range(3_000), range(2_000, 5_000))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.problems for report in reports] == [[], []]
    assert sum(report.created for report in reports) == 5_000
    assert sum(report.changed + report.left for report in reports) == 1_000
    assert session.scalar(select(func.count()).select_from(User)) == 5_000
