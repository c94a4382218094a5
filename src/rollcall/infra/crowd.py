"""What the workers of one service know of each other, and what a worker does for newcomers while it waits.

A sync worker serves one request at a time. When every worker waits for the database (a lock on a table, a server that
fell silent in the midst of a statement), newcomers would wait, too, liveness probes among them. So a worker that has waited
for :data:`PATIENCE` looks after the listening sockets while no worker is free: it answers ``/health/live``, and
everything else with 503 at once. The workers share a few numbers in memory, made before the first fork.
"""

from __future__ import annotations

import json
import logging
import mmap
import re
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from rollcall.infra import refusals, seldom

log = logging.getLogger(__name__)

# Seconds.
PATIENCE: Final = 2.0  # a request that has run for longer holds its worker
TICK: Final = 0.05  # between two looks at the listening sockets
MEMORY: Final = 10.0  # for how long after the last newcomer was turned away a new request counts as one that holds its worker
_CLIENT_LIMIT: Final = 1.0  # for a client to send its request, and to take its answer in

_PLACES: Final = 1024
_AT_ONCE: Final = 32  # clients that one worker turns away at a time
_NO_WORKER: Final = 0.0
_FREE: Final = -1.0

_LIVE = re.compile(rb"(GET|HEAD) /health/live/?(\?\S*)? HTTP/1\.[01]\r\n")

# For each worker the time when its request began, or one of the above; then the numbers that all share.
_times = memoryview(mmap.mmap(-1, (_PLACES + 2) * 8)).cast("d")
_TURNED_AWAY, _STOPPING = _PLACES, _PLACES + 1


class _Here:
    """This worker."""

    place: int | None = None
    listeners: Sequence[Any] = ()
    guests = threading.Semaphore(_AT_ONCE)


def reserve() -> int | None:
    """A place for a worker that is about to be forked; ``None`` if there is none left."""
    for place in range(_PLACES):
        if _times[place] == _NO_WORKER:
            _times[place] = _FREE
            return place
    return None


def release(place: int | None) -> None:
    """Free the place of a worker that has ended."""
    if place is not None:
        _times[place] = _NO_WORKER


def enter(place: int | None, listeners: Sequence[Any]) -> None:
    """Take part, in a worker.

    :param listeners: its listening sockets, which do not block.
    """
    _Here.place, _Here.listeners = place, listeners


def begin() -> None:
    """A client has come to this worker."""
    if _Here.place is not None:
        now = time.monotonic()
        # In bad times each request is taken for one that will hold its worker, else newcomers would wait for it to do so.
        _times[_Here.place] = now - PATIENCE if now - _times[_TURNED_AWAY] < MEMORY else now


def end() -> None:
    """This worker is free again."""
    if _Here.place is not None:
        _times[_Here.place] = _FREE


def stop() -> None:
    """Have every worker serve what has connected already, and then end; in the master."""
    _times[_STOPPING] = 1.0


def is_stopping() -> bool:
    return bool(_times[_STOPPING])


def turn_away() -> None:
    """Answer the clients that wait to be accepted, where this is a worker and none is free; returns at once."""
    if _Here.place is None:
        return
    now = time.monotonic()
    if any(began == _FREE or began > now - PATIENCE for began in _times[:_PLACES] if began != _NO_WORKER):
        return
    for listener in _Here.listeners:
        while _Here.guests.acquire(blocking=False):
            try:
                client, _ = listener.accept()
            except OSError:  # nobody waits
                _Here.guests.release()
                break
            _times[_TURNED_AWAY] = now
            seldom.warn(log, "crowd", "every worker is busy, and this one waits for the database: newcomers are answered 503")
            threading.Thread(target=_answer, args=(client,), daemon=True).start()


def _answer(client: socket.socket) -> None:
    try:
        with client, suppress(OSError):
            _answer_within_limits(client)
    finally:
        _Here.guests.release()


def _answer_within_limits(client: socket.socket) -> None:
    client.settimeout(_CLIENT_LIMIT)
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 2**14 and (data := client.recv(2**14)):
        head += data
    if not head:
        return
    client.sendall(_alive(head) if _LIVE.match(head) else refusals.unavailable())
    client.shutdown(socket.SHUT_WR)
    until = time.monotonic() + _CLIENT_LIMIT
    while time.monotonic() < until and client.recv(2**14):  # left unread, it would break the connection
        pass


def _alive(head: bytes) -> bytes:
    body = json.dumps({"status": "alive"}).encode()
    return refusals.message(200, body, with_body=head.startswith(b"GET"))
