"""PostgreSQL that does not let the service in: one line of the log, and one sentence at the command line, say why."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

import servers
from deadline.harness import Gate, connector
from rollcall.infra import embedded
from service import call

RULES = """
local all postgres trust
local all rollcall trust
local all wrong_password scram-sha-256
local all unknown_role trust
local all turned_away reject
local all without_connections trust
"""


def connect_as_postgres(place: dict[str, Any]) -> Any:
    """Connect as the superuser, as soon as the server has read its rules anew."""
    patience = time.monotonic() + 10
    while True:
        try:
            return psycopg2.connect(user="postgres", dbname="postgres", **place)
        except psycopg2.OperationalError:
            if time.monotonic() > patience:
                raise
            time.sleep(0.05)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """The way to a server with roles and rules of its own."""
    home = servers.fresh_home()
    try:
        url = embedded.ensure_running(home, durable=False)
        with closing(psycopg2.connect(url)) as connection:
            place = {"host": connection.info.host, "port": connection.info.port}
        rules = home / "postgres" / "pg_hba.conf"
        with rules.open("r+") as file:  # in place: it belongs to PostgreSQL's account
            before = file.read()
            file.seek(0)
            file.write(RULES + before)
        os.kill(int((home / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGHUP)
        with closing(connect_as_postgres(place)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute("CREATE ROLE wrong_password LOGIN PASSWORD 'right'")
            cursor.execute("CREATE ROLE without_connections LOGIN CONNECTION LIMIT 0")
        gate = Gate(connector(place["host"], place["port"]))
        yield gate
        gate.close()
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


CASES = {
    "wrong password": ("wrong_password:hunter22@", "rollcall", "PostgreSQL refuses the password, or the role (SQLSTATE 28P01)"),
    "wrong role": ("unknown_role@", "rollcall", "PostgreSQL does not let this role in (SQLSTATE 28000)"),
    "refused by a rule": ("turned_away@", "rollcall", "PostgreSQL does not let this role in (SQLSTATE 28000)"),
    "no such database": ("rollcall@", "no_such_database", "The database does not exist (SQLSTATE 3D000)"),
    "too many clients": ("without_connections@", "rollcall", "PostgreSQL has too many clients (SQLSTATE 53300)"),
    "no TLS": ("rollcall@", "rollcall?sslmode=require", "The TLS connection to PostgreSQL failed"),
    "no such host": ("rollcall@no-such-host.invalid", "rollcall", "The host name of PostgreSQL is not known"),
}


def url_of(case: str, gate: Gate) -> str:
    user, database, _ = CASES[case]
    host = "" if user.endswith("invalid") else f"127.0.0.1:{gate.port}"
    return f"postgresql://{user}{host}/{database}"


@pytest.mark.parametrize("case", CASES)
def test_command_says_what_is_wrong(make_app, gate, case):
    app = make_app(database_url=url_of(case, gate))
    result = app.test_cli_runner().invoke(args=["stats", "show"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {CASES[case][2]}; ")
    assert result.stderr.count("\n") == 1
    assert not any(secret in result.stderr for secret in ("hunter22", "127.0.0.1", "no_such_database"))


@pytest.mark.parametrize("case", ["wrong password", "too many clients"])
def test_log_has_one_line_for_many_requests(environment, gate, case):
    with servers.gunicorn(environment | {"DATABASE_URL": url_of(case, gate)}, workers=1) as service:
        headers = {"Authorization": "Bearer x"}
        answers = [call(service.url, "GET", "/api/v1/auth/me", headers=headers) for _ in range(5)]
        assert {answer.status_code for answer in answers} == {503}
        assert call(service.url, "GET", "/health").json["checks"]["database"]["error"] == "not reachable"
        log = service.log.read_text()
    assert log.count(f"answered 503: {CASES[case][2]}\n") == 1
    assert log.count(f"health check database failed: {CASES[case][2]}\n") == 1
    assert not any(secret in log for secret in ("hunter22", "wrong_password", str(gate.port) + " failed"))
