"""Imports beside one another and beside sign-ups of the same people, in processes of their own: each person once, each told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select, text
from sqlalchemy.orm import Session

import servers
from facts import NOON, PASSWORD
from rollcall.models import User
from server.commands import Backends, ImportCommand, wait_until, write_users
from service import Reply, call, wait_for_workers

ROWS = 6_000
SUMMARY = re.compile(r"Imported ([\d,]+) users?, changed ([\d,]+), left ([\d,]+) as they were\.\n")
TAKEN = re.compile(r"line (\d+): (?:email|username): This (?:e-mail address|username) is already in use\.")


@pytest.fixture
def service(database_url: str, empty_database: None) -> Iterator[servers.Gunicorn]:
    environment = {"DATABASE_URL": database_url, "SECRET_KEY": "s" * 32, "ROLLCALL_RATE_LIMIT_ENABLED": "false"}
    with servers.gunicorn(environment) as server:
        wait_for_workers(server)
        yield server


@pytest.fixture
def start(database_url: str, tmp_path: Path, empty_database: None) -> Iterator[Callable[..., ImportCommand]]:
    started: list[ImportCommand] = []

    def start(file: Path, *options: str) -> ImportCommand:
        started.append(ImportCommand(database_url, tmp_path, file, *options))
        return started[-1]

    yield start
    for command in started:
        command.kill()


def add(engine: Engine, numbers: range) -> None:
    """Put some of the people of a file into the database, with no full name and no password."""
    times = {"created_at": NOON, "updated_at": NOON}
    rows = [{"email": f"mail{n:06}@example.org", "username": f"user{n:06}", **times} for n in numbers]
    with engine.begin() as connection:
        connection.execute(insert(User), rows)


def counts(out: str) -> tuple[int, ...]:
    found = SUMMARY.fullmatch(out)
    assert found, out
    return tuple(int(number.replace(",", "")) for number in found.groups())


def everybody_once(engine: Engine, expected: int) -> None:
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(User)) == expected
        assert session.scalar(select(func.count(func.distinct(func.lower(User.username))))) == expected
        assert session.scalar(select(func.count(func.distinct(func.lower(User.email))))) == expected


@pytest.mark.parametrize("mode", ["skip", "update"])
def test_two_imports_of_overlapping_people_of_whom_some_exist(
    engine: Engine, start: Callable[..., ImportCommand], tmp_path: Path, mode: str
) -> None:
    add(engine, range(2_500, 3_500))
    files = [
        write_users(tmp_path / "first.csv", range(4_000)),
        # In the opposite order, so that the two meet.
        write_users(tmp_path / "second.csv", reversed(range(2_000, ROWS))),
    ]
    commands = [start(file, "--existing", mode) for file in files]
    ended = [command.finish() for command in commands]
    assert [(code, err) for code, _, err in ended] == [(0, ""), (0, "")]
    told = [counts(out) for _, out, _ in ended]
    assert [sum(numbers) for numbers in told] == [4_000, 4_000]
    created, changed, left = (sum(column) for column in zip(*told, strict=True))
    assert created == ROWS - 1_000
    # Whoever comes second finds the same values.
    assert (changed, left) == ((0, 3_000) if mode == "skip" else (1_000, 2_000))
    everybody_once(engine, ROWS)


def sign_up(service: servers.Gunicorn, number: int) -> Reply:
    person = {"email": f"MAIL{number:06}@example.org", "username": f"User{number:06}", "password": PASSWORD}
    return call(service.url, "POST", "/api/v1/auth/register", person)


@pytest.mark.parametrize("mode", ["fail", "skip"])
def test_import_beside_sign_ups_of_the_same_people(
    engine: Engine, service: servers.Gunicorn, start: Callable[..., ImportCommand], tmp_path: Path, mode: str
) -> None:
    file = write_users(tmp_path / "users.csv", range(ROWS))
    backends = Backends(engine)
    command = start(file, "--existing", mode)
    wait_until(lambda: is_writing(engine, backends))
    numbers = range(0, ROWS, ROWS // 20)
    with ThreadPoolExecutor(4) as clients:
        replies = list(clients.map(lambda number: sign_up(service, number), numbers))
    code, out, err = command.finish()
    assert {reply.status_code for reply in replies} <= {201, 409}, [reply.data for reply in replies]
    signed_up = [number for number, reply in zip(numbers, replies, strict=True) if reply.status_code == 201]
    if mode == "fail":
        # Whoever is first is served: the import of everybody, or the sign-ups that it names.
        assert code == (1 if signed_up else 0), (out, err)
        taken = {int(found[1]) - 2 for line in out.splitlines() if (found := TAKEN.fullmatch(line))}
        assert taken == set(signed_up)
        everybody_once(engine, len(signed_up) or ROWS)
        assert len(signed_up) in (0, len(numbers))
        return
    if code:  # the sign-ups came between each of its attempts
        code, out, err = start(file, "--existing", mode).finish()
    assert (code, err) == (0, "")
    assert counts(out) == (ROWS - len(signed_up), 0, len(signed_up))
    everybody_once(engine, ROWS)
    with Session(engine) as session:
        named = select(func.count()).select_from(User).where(User.full_name.is_(None))
        assert session.scalar(named) == len(signed_up)


def is_writing(engine: Engine, backends: Backends) -> bool:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(:pids) AND query LIKE '%INSERT INTO users%'")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return bool(connection.scalar(query, {"pids": list(backends.new())}))
