"""Load shedding: answer new connections at once while every worker is busy and this one waits for the database.

A sync worker serves one request at a time. When all workers wait for a lock, or for a server that fell silent during a
statement, new requests would wait, too, and so would liveness probes. A worker that has waited for :data:`PATIENCE`
therefore accepts the pending connections while no worker is free. It answers ``/health/live``, and everything else with 503.
The workers share one number each in memory that is mapped before the first fork.
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

from rollcall.infra import refusals, throttled_log

log = logging.getLogger(__name__)

# Seconds.
PATIENCE: Final = 2.0  # a worker is busy when its request has run for longer
TICK: Final = 0.05  # between two checks of the listening sockets
MEMORY: Final = 10.0  # after the last shed connection, a worker counts as busy from the start of its request
_CLIENT_LIMIT: Final = 1.0  # for a client to send its request, and to read the answer

_SLOTS: Final = 1024
_AT_ONCE: Final = 32  # connections that one worker sheds at a time
_NO_WORKER: Final = 0.0
_FREE: Final = -1.0

_LIVE = re.compile(rb"(GET|HEAD) /health/live/?(\?\S*)? HTTP/1\.[01]\r\n")

# One slot for each worker: when its request began, or one of the above. Then the values that all workers share.
_times = memoryview(mmap.mmap(-1, (_SLOTS + 2) * 8)).cast("d")
_LAST_SHED, _STOPPING = _SLOTS, _SLOTS + 1


class _ThisWorker:
    """This worker."""

    slot: int | None = None
    listeners: Sequence[Any] = ()
    connections = threading.Semaphore(_AT_ONCE)


def reserve_slot() -> int | None:
    """Reserve a slot for a worker that is about to be forked; ``None`` if there is none left. In the master."""
    for slot in range(_SLOTS):
        if _times[slot] == _NO_WORKER:
            _times[slot] = _FREE
            return slot
    return None


def release_slot(slot: int | None) -> None:
    """Release the slot of a worker that has ended. In the master."""
    if slot is not None:
        _times[slot] = _NO_WORKER


def register_worker(slot: int | None, listeners: Sequence[Any]) -> None:
    """Take part in load shedding. In a worker, after the fork.

    :param listeners: its listening sockets, which do not block.
    """
    _ThisWorker.slot, _ThisWorker.listeners = slot, listeners


def request_started() -> None:
    """Note that this worker has accepted a connection."""
    if _ThisWorker.slot is not None:
        now = time.monotonic()
        # While load is shed, the next request will probably wait, too: do not let new connections wait until it has.
        _times[_ThisWorker.slot] = now - PATIENCE if now - _times[_LAST_SHED] < MEMORY else now


def request_finished() -> None:
    """Note that this worker is free again."""
    if _ThisWorker.slot is not None:
        _times[_ThisWorker.slot] = _FREE


def start_draining() -> None:
    """Have every worker serve the connections that exist, and then end. In the master."""
    _times[_STOPPING] = 1.0


def is_draining() -> bool:
    return bool(_times[_STOPPING])


def shed() -> None:
    """Accept and answer the pending connections, if no worker is free; returns at once."""
    if _ThisWorker.slot is None:
        return
    now = time.monotonic()
    if any(began == _FREE or began > now - PATIENCE for began in _times[:_SLOTS] if began != _NO_WORKER):
        return
    for listener in _ThisWorker.listeners:
        while _ThisWorker.connections.acquire(blocking=False):
            try:
                client, _ = listener.accept()
            except OSError:  # none is pending
                _ThisWorker.connections.release()
                break
            _times[_LAST_SHED] = now
            throttled_log.warn(
                log, "load shedding", "all workers are busy and this one waits for PostgreSQL: new requests get 503"
            )
            threading.Thread(target=_answer, args=(client,), daemon=True).start()


def _answer(client: socket.socket) -> None:
    try:
        with client, suppress(OSError):
            _answer_within_limits(client)
    finally:
        _ThisWorker.connections.release()


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
