"""A service with real parts, and ways to break each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

import servers
from deadline.harness import Gate, connector

SECRET = "secret-key-of-the-faults-" + "x" * 20


@pytest.fixture
def make_gate(database_url) -> Iterator[Callable[[], Gate]]:
    """A TCP port in front of the test's PostgreSQL, which can fall silent."""
    gates: list[Gate] = []

    def make() -> Gate:
        with psycopg2.connect(database_url) as connection:
            host, port = connection.info.host or "127.0.0.1", connection.info.port
        connection.close()
        gates.append(Gate(connector(host, port)))
        return gates[-1]

    yield make
    for gate in gates:
        gate.close()


@pytest.fixture
def url_through(database_url) -> Callable[..., str]:
    """The URL of the test's database by way of gates: a list of hosts."""
    given = parse_dsn(database_url)

    def url(*gates: Gate) -> str:
        hosts = ",".join(f"127.0.0.1:{gate.port}" for gate in gates)
        password = f":{given['password']}" if "password" in given else ""
        return f"postgresql://{given.get('user', 'rollcall')}{password}@{hosts}/{given['dbname']}"

    return url


@pytest.fixture
def environment(shared_app, database_url) -> dict[str, str]:
    """Of a service on a migrated database, which needs nothing of its state folder."""
    return {"DATABASE_URL": database_url, "SECRET_KEY": SECRET}


@pytest.fixture
def run_flask(environment) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command as an operator does; it has a minute."""

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
            cwd=servers.ROOT,
            env=kept | environment | changes,
            timeout=60,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def with_database(url: str, name: str) -> str:
    return make_dsn(url, dbname=name) if "://" not in url else urlsplit(url)._replace(path=f"/{name}").geturl()
