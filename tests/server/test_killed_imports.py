"""An import that is killed, at any moment, leaves nothing half done; run again, it does everything."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from databases import FORGET_EVENTS
from server.commands import Backends, ImportCommand, indexes, stored, wait_until, write_users

NOTHING = {"users": 0, "with a hash": 0, "log-ins": 0, "operations": 0, "events": 0}
# Above 50,000 rows the indexes of an empty installation are dropped and built anew.
HEAVY = pytest.mark.heavy
SIZES = [(4_000, 3), pytest.param((4_000, 40), marks=HEAVY), pytest.param((60_000, 10), marks=HEAVY)]


def everything(rows: int) -> dict[str, int]:
    return {"users": rows, "with a hash": rows, "log-ins": rows // 2, "operations": 1, "events": 1}


def empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE users, operations RESTART IDENTITY CASCADE"))
        connection.execute(FORGET_EVENTS)


class Importing:
    """A file, the command that imports it, and how long that takes."""

    def __init__(self, engine: Engine, url: str, folder: Path, rows: int) -> None:
        self.engine, self.url, self.folder, self.rows = engine, url, folder, rows
        self.file = write_users(folder / "users.csv", range(rows))
        self.backends = Backends(engine)
        with engine.connect() as connection:
            self.indexes = indexes(connection)

    def start(self) -> ImportCommand:
        return ImportCommand(self.url, self.folder, self.file)

    def succeeds(self) -> float:
        """Import everything; return the seconds from the first connection to the end."""
        command = self.start()
        wait_until(self.backends.new)
        started = time.monotonic()
        code, out, err = command.finish()
        assert (code, out) == (0, f"Imported {self.rows:,} users.\n"), err
        assert stored(self.engine) == everything(self.rows)
        self.indexes_are_there()
        return time.monotonic() - started

    def indexes_are_there(self) -> None:
        with self.engine.connect() as connection:
            assert indexes(connection) == self.indexes
        assert all(valid for _, valid in self.indexes)

    def is_all_or_nothing(self) -> None:
        """Judge what an interrupted import has left, and take it away if it is everything."""
        self.backends.wait_until_gone()
        found = stored(self.engine)
        assert found in (NOTHING, everything(self.rows))
        self.indexes_are_there()
        if found != NOTHING:
            empty(self.engine)


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]} rows {size[1]} times")
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    found: tuple[int, int] = request.param
    return found


@pytest.fixture
def importing(
    size: tuple[int, int], engine: Engine, database_url: str, tmp_path: Path, empty_database: None
) -> Iterator[Importing]:
    yield Importing(engine, database_url, tmp_path, size[0])
    empty(engine)


def moments(seconds: float, count: int) -> list[float]:
    """Return random moments, one in each of as many equal parts of the time, in random order."""
    chance = random.Random(17)
    found = [seconds * (part + chance.random()) / count for part in range(count)]
    chance.shuffle(found)
    return found


def test_command_killed_at_any_moment(importing: Importing, size: tuple[int, int]) -> None:
    seconds = importing.succeeds()
    empty(importing.engine)
    for moment in moments(seconds, size[1]):
        command = importing.start()
        wait_until(importing.backends.new)
        time.sleep(moment)
        command.kill()
        importing.is_all_or_nothing()
    importing.succeeds()


def test_connection_ended_at_any_moment(importing: Importing, size: tuple[int, int]) -> None:
    """The command says in one sentence that it has not done its work, unless that was done by then."""
    seconds = importing.succeeds()
    empty(importing.engine)
    for moment in moments(seconds, size[1] // 3):
        command = importing.start()
        wait_until(importing.backends.new)
        time.sleep(moment)
        importing.backends.terminate()
        code, out, err = command.finish()
        importing.backends.wait_until_gone()
        if code == 0:
            assert (out, stored(importing.engine)) == (f"Imported {importing.rows:,} users.\n", everything(importing.rows))
        else:
            errors = [line for line in err.splitlines() if not line.startswith("Building the indexes")]
            assert (code, out, len(errors), errors[0].startswith("Error: ")) == (1, "", 1, True), err
        importing.is_all_or_nothing()
    importing.succeeds()
