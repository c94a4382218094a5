"""Check from outside that the server of a connection still answers, during waits without a limit."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

_ASK_FOR_TLS: Final = struct.pack("!ii", 8, 80877103)  # SSLRequest: every server answers it with a byte, before any log-in

LOOK_EVERY: Final = 5.0
"""Seconds after which a long wait asks whether the server answers, and how long the server has for that."""


class _Address(NamedTuple):
    host: str
    port: int


def answers(connection: Any, seconds: float = LOOK_EVERY) -> bool:
    """Ask the server over another connection whether it supports TLS. Any reply shows that it answers.

    :param connection: psycopg2's, which waits for something else.
    :param seconds: how long to wait, at most.
    :return: ``False`` only where nothing at all came back in time.
    """
    return _answers_at(_address(connection), seconds)


@contextmanager
def watched(connection: Any) -> Iterator[None]:
    """Break the connection if the server falls silent during the block, which waits without a wait callback (COPY)."""
    address, is_done = _address(connection), threading.Event()

    def watch() -> None:
        while not is_done.wait(LOOK_EVERY):
            if not _answers_at(address, LOOK_EVERY) and not is_done.is_set():
                with socket.socket(fileno=os.dup(connection.fileno())) as other, suppress(OSError):
                    other.shutdown(socket.SHUT_RDWR)
                return

    thread = threading.Thread(target=watch, name="server-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_done.set()


def _address(connection: Any) -> _Address:
    given = connection.info.dsn_parameters
    return _Address(given.get("hostaddr") or connection.info.host or "localhost", connection.info.port)


def _answers_at(address: _Address, seconds: float) -> bool:
    try:
        with _connected(address, seconds) as probe:
            probe.sendall(_ASK_FOR_TLS)
            probe.recv(1)
    except TimeoutError:
        return False
    except OSError:  # refused or reset: the host answers, and the statement's own connection shows the error
        return True
    return True


def _connected(address: _Address, seconds: float) -> socket.socket:
    host, port = address
    if not host.startswith(("/", "@")):
        return socket.create_connection((host, port), timeout=seconds)
    path = f"{host}/.s.PGSQL.{port}"
    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.settimeout(seconds)
        probe.connect(f"\0{path[1:]}" if host.startswith("@") else path)
    except BaseException:
        probe.close()
        raise
    return probe
