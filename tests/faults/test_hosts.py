"""``DATABASE_URL`` with several hosts, of which some are silent, refuse, or can only be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

import servers
from deadline.harness import Gate, connector
from rollcall.infra import embedded
from service import call
from threads import wait_until_blocked


def test_silent_host_is_passed_over(environment, make_gate, url_through):
    silent, good = make_gate(), make_gate()
    with (
        silent.silent(),
        servers.gunicorn(environment | {"DATABASE_URL": url_through(silent, good)}, workers=1) as service,
    ):
        for _ in range(3):
            assert call(service.url, "GET", "/health/ready").status_code == 200, service.log.read_text()


@pytest.mark.heavy
def test_commands_pass_over_a_silent_host_and_end_without_any(run_flask, make_gate, url_through):
    silent, good = make_gate(), make_gate()
    with silent.silent():
        shown = run_flask("stats", "show", DATABASE_URL=url_through(silent, good))
        assert (shown.returncode, shown.stderr) == (0, "")
        for command in (["stats", "show"], ["users", "promote", "ann"], ["db", "upgrade"], ["setup-link"]):
            ended = run_flask(*command, DATABASE_URL=url_through(silent))
            assert ended.returncode == 1
            assert "PostgreSQL does not answer; look at DATABASE_URL and at the server." in ended.stderr, command


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("lock", "command_line", "says"),
    [
        ("user_tally_deltas IN ACCESS EXCLUSIVE MODE", "stats show", "PostgreSQL does not answer"),
        # COPY, which waits in libpq itself
        ("users IN SHARE MODE", "users seed 10", "PostgreSQL cannot be reached, or has ended the connection"),
    ],
)
def test_command_ends_when_the_server_falls_silent_in_the_midst_of_a_statement(
    environment, make_gate, url_through, engine, tmp_path, lock, command_line, says
):
    gate = make_gate()
    command = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", *command_line.split()],
        cwd=servers.ROOT,
        env=dict(os.environ) | environment | {"DATABASE_URL": url_through(gate), "ROLLCALL_HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    with command, engine.begin() as connection:
        connection.exec_driver_sql(f"LOCK TABLE {lock}")
        try:
            wait_until_blocked(engine, seconds=60)
            # It waits as long as it takes, while the server answers.
            with pytest.raises(subprocess.TimeoutExpired):
                command.wait(12)
            with gate.silent():
                _, said = command.communicate(timeout=60)
        finally:
            command.kill()
    assert command.returncode == 1
    assert says in said


@pytest.fixture
def standby(shared_app, engine) -> Iterator[Gate]:
    """Another server, with a database of the same name, that can only be read."""
    home = servers.fresh_home()
    try:
        with closing(psycopg2.connect(embedded.ensure_running(home, durable=False))) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            if engine.url.username != connection.info.user:
                cursor.execute(f"CREATE ROLE {engine.url.username} LOGIN")
            cursor.execute(f"CREATE DATABASE {engine.url.database}")
            cursor.execute(f"ALTER DATABASE {engine.url.database} SET default_transaction_read_only = on")
            gate = Gate(connector(connection.info.host, connection.info.port))
        yield gate
        gate.close()
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


@pytest.mark.heavy
def test_role_that_target_session_attrs_asks_for_is_found(environment, make_gate, url_through, standby, run_flask):
    primary = make_gate()
    both = url_through(standby, primary)
    assert run_flask("stats", "show", DATABASE_URL=f"{both}?target_session_attrs=read-write").returncode == 0
    # The other server has no tables. It is no real standby, so that prefer-standby takes it in the second round.
    for role in ("any", "read-only", "prefer-standby"):
        shown = run_flask("stats", "show", DATABASE_URL=f"{both}?target_session_attrs={role}")
        assert (shown.returncode, "run 'flask db upgrade'" in shown.stderr) == (1, True)
    nobody = run_flask("stats", "show", DATABASE_URL=f"{url_through(standby)}?target_session_attrs=read-write")
    assert "No host in DATABASE_URL has the role that target_session_attrs asks for" in nobody.stderr
