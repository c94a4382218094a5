"""``users import`` as an operator runs it: in a process of its own, on the database of the tests, so that it can be killed."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

import servers
from facts import PASSWORD_HASH
from rollcall.services.statistics import tally

HEADER = "email,username,full_name,password_hash,last_login_at"
PATIENCE = 60
_BACKENDS = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'")


def write_users(path: Path, numbers: Iterable[int]) -> Path:
    """Write a CSV file of users with hashes, every second one with a last log-in."""
    with path.open("w") as file:
        file.write(f"{HEADER}\n")
        for number in numbers:
            last = "2026-01-01T12:00:00+00:00" if number % 2 else ""
            file.write(f'mail{number:06}@example.org,user{number:06},User {number},"{PASSWORD_HASH}",{last}\n')
    return path


class ImportCommand:
    """A running ``users import``.

    :ivar process: the command; only this process may be killed.
    """

    def __init__(self, url: str, home: Path, file: Path, *options: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        given = {"DATABASE_URL": url, "ROLLCALL_HOME": str(home), "SECRET_KEY": secrets.token_hex(32)}
        command = [sys.executable, "-m", "flask", "users", "import", str(file), *options]
        self.process = subprocess.Popen(
            command, cwd=servers.ROOT, env=kept | given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def finish(self) -> tuple[int, str, str]:
        """Return the exit code and what was printed, once the command has ended."""
        out, err = self.process.communicate(timeout=10 * PATIENCE)
        return self.process.returncode, out, err

    def kill(self) -> None:
        """End the command with SIGKILL; it may have ended."""
        self.process.kill()
        self.process.communicate()


class Backends:
    """The connections to the database that did not exist when this object was made."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        with self._engine.connect() as connection:
            self._earlier = set(connection.scalars(_BACKENDS))

    def new(self) -> set[int]:
        with self._engine.connect() as connection:
            own = connection.scalar(text("SELECT pg_backend_pid()"))
            return set(connection.scalars(_BACKENDS)) - self._earlier - {own}

    def wait_until_gone(self) -> None:
        """Wait until PostgreSQL has noticed that their clients are gone."""
        wait_until(lambda: not self.new())

    def terminate(self) -> None:
        """End them; there may be none any more."""
        pids = self.new()  # before this connection is open, which would count
        with self._engine.connect() as connection:
            for pid in pids:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError
        time.sleep(0.005)


def stored(engine: Engine) -> dict[str, int]:
    """Count everything that an import writes, and see that the tally agrees with it."""
    tables = {
        "users": "users",
        "with a hash": "users WHERE password_hash IS NOT NULL AND search_text IS NOT NULL",
        "log-ins": "user_logins",
        "operations": "operations",
        "events": "security_events WHERE type = 'users_imported'",
    }
    with Session(engine) as session:
        assert tally.verify(session) == []
        return {name: session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for name, table in tables.items()}


def indexes(connection: Connection) -> list[tuple[str, bool]]:
    """Return the definitions of the indexes of ``users``, and whether each is valid."""
    query = "SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indrelid = 'users'::regclass ORDER BY 1"
    return [(definition, valid) for definition, valid in connection.execute(text(query))]
