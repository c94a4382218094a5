"""``flask users seed``: plausible, repeatable, and never in the way of what is there."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from rollcall.cli import console
from rollcall.models import User
from rollcall.services.statistics import tally
from rollcall.services.transfer import seeds
from rollcall.services.users import fields

NOON = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()
    return lambda *args: runner.invoke(args=["users", "seed", *args])


def users(session: Session) -> list[User]:
    session.rollback()
    return list(session.scalars(select(User).order_by(User.id)))


def test_users_are_made_and_counted(run: Run, session: Session) -> None:
    result = run("1000")
    assert (result.exit_code, result.output) == (0, "Created 1,000 users.\n")
    assert len(users(session)) == 1_000
    assert tally.count(session) == 1_000
    assert tally.verify(session) == []


def test_users_are_valid_and_cannot_log_in(run: Run, session: Session) -> None:
    run("500")
    for user in users(session):
        assert fields.email(user.email) == user.email
        assert fields.username(user.username) == user.username
        assert fields.full_name(user.full_name) == user.full_name
        assert user.password_hash is None


def test_users_are_plausible(run: Run, session: Session) -> None:
    run("5000")
    made = users(session)
    times = [user.created_at for user in made]
    years = Counter((NOON - time).days // 365 for time in times)
    weekend = sum(time.weekday() >= 5 for time in times)
    assert times == sorted(times)
    assert times[-1] <= NOON
    assert times[0] < NOON - timedelta(days=3 * 365)
    assert years[0] > 1.5 * years[1] > 1.5 * years[2]
    assert 0.1 < weekend / len(made) < 0.25
    assert 0.06 < sum(not user.is_active for user in made) / len(made) < 0.10
    assert 0.001 <= sum(user.is_superuser for user in made) / len(made) <= 0.01
    assert sum(not (user.full_name or "").isascii() for user in made) > 1_000


def test_a_seed_makes_the_same_users(run: Run, session: Session) -> None:
    def names(seed: str) -> list[str]:
        session.execute(text("TRUNCATE users RESTART IDENTITY CASCADE"))
        session.commit()
        assert run("50", "--seed", seed).exit_code == 0
        return [user.email for user in users(session)]

    first = names("7")
    assert names("7") == first
    assert names("8") != first


@pytest.mark.parametrize("seed", ["0", "1"])
def test_more_users_beside_those_that_are_there(run: Run, session: Session, seed: str) -> None:
    run("300")
    assert run("300", "--seed", seed).exit_code == 0
    assert len(users(session)) == 600


def test_names_that_are_taken_are_passed_over(run: Run, session: Session, make_user: Callable[..., User]) -> None:
    fields = next(seeds.lines(1, Random(0), now=NOON, first_serial=2)).split("\t")
    make_user(email=fields[0], username="somebody")
    assert run("100").exit_code == 0
    assert len(users(session)) == 101


@pytest.mark.parametrize("count", [1, 2, 7, 1_000])
def test_any_number_of_users(count: int) -> None:
    lines = list(seeds.lines(count, Random(0), now=NOON, first_serial=1))
    assert len(lines) == count
    assert all(line.split("\t")[5] <= "2026-03-11 12:00:00" for line in lines)


def test_every_choice_is_made(run: Run) -> None:
    """Each name's bits differ from those of the other choices."""
    lines = [line.split("\t") for line in seeds.lines(20_000, Random(0), now=NOON, first_serial=1)]
    assert len({line[0].rpartition("@")[2] for line in lines}) == 8
    assert len({line[0].partition(".")[0] for line in lines}) > 400


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        with console.progress_bar("Seeding", 10) as progress:
            progress(10)
        assert ("Seeding" in stream.getvalue()) is shown
        assert bool(stream.getvalue()) is shown


@pytest.mark.parametrize("count", ["0", "-1", "many", ""])
def test_a_number_that_is_none_is_a_mistake_in_usage(run: Run, count: str) -> None:
    assert run(count).exit_code == 2
