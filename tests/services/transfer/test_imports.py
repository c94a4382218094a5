"""What an import promises beside its result: an end when it is told to, no meeting crosswise, the order of its file."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from facts import NOON
from rollcall.infra.database import own_connection
from rollcall.models import User
from rollcall.services.transfer import imports
from rollcall.services.transfer.imports import ImportReport
from rollcall.services.transfer.reading import FileFormat, Reading

Run = Callable[..., ImportReport]


class Enough(Exception):
    pass


@pytest.fixture
def run(app: Flask) -> Run:
    def run(content: str, **options: object) -> ImportReport:
        with app.app_context(), own_connection() as connection:
            given: dict[str, object] = {"dry_run": False, "now": NOON, "progress": lambda *_: None, **options}
            return imports.import_users(connection, io.BytesIO(content.encode()), Reading(FileFormat.CSV), **given)  # type: ignore[arg-type]

    return run


def rows(numbers: range, password: str = "") -> str:
    return "email,username,password\n" + "".join(f"mail{n:05}@b.de,user{n:05},{password}\n" for n in numbers)


def users(session: Session) -> list[str]:
    return list(session.scalars(select(User.username).order_by(User.id)))


def test_ids_are_in_the_order_of_the_file(run: Run, session: Session) -> None:
    content = "email,username,password\nz@b.de,zoe,\nb@b.de,bob,a long password\nA@b.de,Ann,\nc@b.de,cid,another password\n"
    run(content)
    assert users(session) == ["zoe", "bob", "Ann", "cid"]


def test_it_says_how_far_it_is(run: Run) -> None:
    told: list[tuple[str, int, int | None]] = []
    run(rows(range(4_500), ""), progress=lambda *step: told.append(step))
    assert told == [
        ("reading", 2_000, None),
        ("reading", 4_000, None),
        ("reading", 4_500, None),
        ("writing", 0, 4_500),
        ("writing", 2_000, 4_500),
        ("writing", 4_000, 4_500),
        ("writing", 4_500, 4_500),
    ]


@pytest.mark.parametrize("last", [("reading", 2_000, None), ("hashing", 0, 1), ("writing", 0, 4_001)])
def test_what_ends_it_leaves_nothing(run: Run, session: Session, last: tuple[str, int, int | None]) -> None:
    """At any stage, at once; as a deadline does."""
    told: list[tuple[str, int, int | None]] = []

    def check() -> None:
        if last in told:
            raise Enough

    with pytest.raises(Enough):
        run(rows(range(4_000)) + "one@b.de,one,a long password\n", progress=lambda *step: told.append(step), check=check)
    assert told[-1] == last
    assert users(session) == []


def test_what_goes_wrong_before_the_commit_leaves_nothing(run: Run, session: Session) -> None:
    def fail(_created: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        run(rows(range(3)), before_commit=fail)
    assert users(session) == []


def test_two_imports_of_the_same_users_in_opposite_order_wait_for_each_other_in_one_order(run: Run, session: Session) -> None:
    """The second one finds the names taken; neither is ended as a deadlock."""
    both_checked = threading.Barrier(2)
    reports: list[ImportReport] = []

    def work(numbers: range) -> None:
        def progress(stage: str, done: int, _total: int | None) -> None:
            if stage == "writing" and done == 0 and not waited:
                waited.append(True)
                both_checked.wait()

        waited: list[bool] = []
        reports.append(run(rows(numbers), progress=progress))

    threads = [threading.Thread(target=work, args=(numbers,)) for numbers in (range(6_000), range(5_999, -1, -1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = sorted(reports, key=lambda report: -report.created)
    assert (first.created, first.problem_count) == (6_000, 0)
    assert (second.created, second.problem_count, second.bad_rows) == (0, 12_000, 6_000)
    assert len(users(session)) == 6_000


def test_it_leaves_no_connection_behind(run: Run, engine: Engine, app: Flask) -> None:
    with app.app_context():
        pool = app.extensions["sqlalchemy"].engine.pool
        before = pool.checkedout()
        run(rows(range(3)))
        assert pool.checkedout() == before
