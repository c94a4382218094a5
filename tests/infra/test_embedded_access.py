"""Only root and the service's own account enter the embedded PostgreSQL, one of an earlier version included.

Started by root, the server runs as ``nobody`` or another account that other services use, too. The suite runs as root in
containers and as a plain account elsewhere; there the owner of the data is the service, and may enter.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from rollcall.infra import embedded
from rollcall.infra import embedded_cluster as cluster
from rollcall.infra.embedded import EmbeddedError, ensure_running, stop
from service import wait_for

# As initdb wrote it for versions that trusted whoever could reach the socket.
TRUST = "local all all trust\nhost all all 127.0.0.1/32 reject\nlocal replication all trust\n"
STARTER = "import sys; from pathlib import Path; from rollcall.infra import embedded; embedded.ensure_running(Path(sys.argv[1]))"
AS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    home = Path(tempfile.gettempdir(), f"rollcall-test-{secrets.token_hex(4)}", "home")
    yield home
    stop(home)
    shutil.rmtree(home.parent)


def psql(home: Path, user: int, role: str = "rollcall") -> subprocess.CompletedProcess[str]:
    """Run psql as an account, with the programs of the server."""
    data = home / "postgres"
    programs = cluster.programs(home, cluster.account_for(data), durable=False)
    argv = [str(programs / "psql"), "-X", "-At", "-h", str(data), "-U", role, "-c", "SELECT 6 * 7", "rollcall"]
    groups = {"group": user, "extra_groups": []} if AS_ROOT else {}
    return subprocess.run(argv, user=user, **groups, cwd="/", text=True, capture_output=True, check=False)


def owner(home: Path) -> int:
    return (home / "postgres").stat().st_uid


def owner_is_refused(home: Path) -> bool:
    """Whether the account that runs the server is kept out; it is the service itself where that is not root."""
    attempts = [psql(home, owner(home), role) for role in ("rollcall", "postgres")]
    if not AS_ROOT:
        return all(attempt.stdout == "42\n" for attempt in attempts)
    return all(attempt.returncode == 2 and "Peer authentication failed" in attempt.stderr for attempt in attempts)


def make_old(home: Path) -> None:
    """Put the rules of an earlier version into the data."""
    (home / "postgres" / "pg_hba.conf").write_text(TRUST)
    (home / "postgres" / "pg_ident.conf").write_text("")


def test_the_service_and_root_enter_and_the_servers_account_does_not(home: Path) -> None:
    with psycopg2.connect(ensure_running(home, durable=False)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("rollcall",)
    connection.close()
    for role in ("rollcall", "postgres"):
        assert psql(home, os.geteuid(), role).stdout == "42\n"
    assert owner_is_refused(home)


def test_a_running_server_of_an_earlier_version_learns_the_rules(home: Path) -> None:
    url = ensure_running(home, durable=False)
    make_old(home)
    number = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(number, signal.SIGHUP)
    wait_for(lambda: psql(home, owner(home), "postgres").stdout == "42\n")
    connection = psycopg2.connect(url)
    starters = [subprocess.Popen([sys.executable, "-c", STARTER, str(home)]) for _ in range(4)]
    assert [starter.wait() for starter in starters] == [0] * 4
    wait_for(lambda: owner_is_refused(home))
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # an open connection stays
    connection.close()
    assert int((home / "postgres" / "postmaster.pid").read_text().split()[0]) == number
    psycopg2.connect(url).close()


def test_a_stopped_server_of_an_earlier_version_starts_with_the_rules(home: Path) -> None:
    ensure_running(home, durable=False)
    stop(home)
    make_old(home)
    ensure_running(home, durable=False)
    assert owner_is_refused(home)


def test_a_reload_that_was_cut_short_is_done_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_running(home, durable=False)
    make_old(home)
    os.kill(int((home / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGHUP)
    wait_for(lambda: psql(home, owner(home), "postgres").stdout == "42\n")

    def killed(*_: object) -> None:
        raise EmbeddedError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(embedded, "_signal", killed)
        with pytest.raises(EmbeddedError, match="killed"):
            ensure_running(home, durable=False)
    ensure_running(home, durable=False)
    wait_for(lambda: owner_is_refused(home))


def test_the_rules_belong_to_the_owner_of_the_data(home: Path) -> None:
    ensure_running(home, durable=False)
    for name in ("pg_hba.conf", "pg_ident.conf"):
        found = (home / "postgres" / name).stat()
        assert (found.st_uid, found.st_mode & 0o777) == (owner(home), 0o600)


def test_no_other_process_is_signalled(home: Path) -> None:
    ensure_running(home, durable=False)
    path = home / "postgres" / "postmaster.pid"
    lines = path.read_text().split("\n")
    if AS_ROOT:  # the owner of the data names a process of root's
        with subprocess.Popen(["/bin/sleep", "60"]) as bystander:
            path.write_text("\n".join([str(bystander.pid), *lines[1:]]))
            with pytest.raises(EmbeddedError, match="is not the server"):
                stop(home)
            assert bystander.poll() is None
            bystander.kill()
        path.write_text("\n".join(lines))
    stop(home)
    assert not path.exists()
