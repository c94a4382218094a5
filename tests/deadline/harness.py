"""What the tests of the deadline are made of: gates that can fall silent, a running gunicorn, and an observer."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import servers


def connector(host: str, port: int) -> Callable[[], socket.socket]:
    """How to connect to a server: by TCP, or where the host is a folder, to PostgreSQL's socket in it."""

    def connect() -> socket.socket:
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    return connect


class Gate:
    """A TCP port that passes everything on to a server, unless it is told to be silent or slow."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._open = threading.Event()
        self._open.set()
        self._refuses = False
        self.delay = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Accept, and say nothing."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Hang up on new clients."""
        self._refuses = True
        try:
            yield
        finally:
            self._refuses = False

    @contextlib.contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        self.delay = seconds
        try:
            yield
        finally:
            self.delay = 0.0

    def close(self) -> None:
        self._open.set()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._refuses:
                    client.close()
                    continue
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            self._open.wait()
            with self._connect() as server:
                while True:
                    for side in select.select([client, server], [], [])[0]:
                        self._open.wait()
                        time.sleep(self.delay)
                        data = side.recv(65536)
                        if not data:
                            return
                        (server if side is client else client).sendall(data)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A client of a running gunicorn that serves the routes of ``stuck``."""

    def __init__(self, gunicorn: servers.Gunicorn) -> None:
        self.gunicorn = gunicorn
        self.port = int(gunicorn.url.rpartition(":")[2])

    def request(self, method: str, path: str, headers: dict[str, str] | None = None) -> Reply:
        """``path`` below ``/api/v1/stuck/`` unless it begins with a slash."""
        start = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        with contextlib.closing(connection):
            connection.request(method, path if path.startswith("/") else f"/api/v1/stuck/{path}", headers=headers or {})
            reply = connection.getresponse()
            body = reply.read()
            names = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, names, body, time.monotonic() - start)

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    @property
    def log(self) -> str:
        return self.gunicorn.log.read_text()


def in_background(call: Callable[[], Reply]) -> tuple[threading.Thread, list[Reply]]:
    """Begin a request: the thread to wait for, and where its reply will be."""
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(call()))
    thread.start()
    return thread, replies


@contextlib.contextmanager
def serve(
    gates: dict[str, Gate], database: str, *, limit: float = 1.0, workers: int = 1, app: str = "stuck:app", **environ: str
) -> Iterator[Server]:
    """Run gunicorn on the routes of ``stuck``.

    :param gates: the ways to PostgreSQL and Redis.
    :param database: name of the database.
    :param limit: ROLLCALL_REQUEST_TIMEOUT, in seconds.
    """
    folders = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        "DATABASE_URL": f"postgresql://rollcall@127.0.0.1:{gates['postgres'].port}/{database}",
        "REDIS_URL": f"redis://127.0.0.1:{gates['redis'].port}/0",
        "ROLLCALL_REQUEST_TIMEOUT": str(limit),
        "PYTHONPATH": os.pathsep.join(folders),
        **environ,
    }
    with servers.gunicorn(environment, workers=workers, app=app) as gunicorn:
        yield Server(gunicorn)


@dataclass
class Observer:
    """What the database knows."""

    connection: Any

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    def busy(self) -> list[tuple[Any, ...]]:
        """Sessions of the service that are doing, or holding, anything."""
        return self.query(
            "SELECT pid, state, query FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND state <> 'idle'"
        )

    def keys(self) -> set[str]:
        return {key for (key,) in self.query("SELECT key FROM stuck_rows")}

    def has(self, key: str) -> bool:
        return key in self.keys()
