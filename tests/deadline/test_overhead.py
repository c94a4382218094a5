"""What the deadline costs a request that needs none: at most 5 % of a worker's processor time on a trivial route."""

from __future__ import annotations

import logging
import socket
import statistics
from pathlib import Path
from typing import Any

import pytest

from deadline.harness import Gate, Server, serve

log = logging.getLogger(__name__)

ROUNDS = 30
REQUESTS = 200


def processor_time(server: Server) -> int:
    """Of its only worker, in nanoseconds; rates of requests would measure the machine's other work, too."""
    (pid,) = server.gunicorn.worker_pids()
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def spend(server: Server, path: str) -> int:
    before = processor_time(server)
    head = f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode()
    for _ in range(REQUESTS):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(head)
            while client.recv(65536):
                pass
    return processor_time(server) - before


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel does not tell processor times")
def test_trivial_route(gates: dict[str, Gate], database: Any) -> None:
    name = database.info.dbname
    with serve(gates, name) as guarded, serve(gates, name, app="bare:app", GUNICORN_CMD_ARGS="-k sync") as bare:
        ratios, micros = [], []
        for path in ("/api/v1/stuck/quick", "/api/v1/stuck/answer"):
            pairs = []
            for number in range(ROUNDS):
                # Each first in every other round: the caches are warm for the second.
                first, second = (guarded, bare) if number % 2 else (bare, guarded)
                spent = {id(first): spend(first, path), id(second): spend(second, path)}
                pairs.append((spent[id(guarded)], spent[id(bare)]))
            ratios.append(statistics.median(one / other for one, other in pairs))
            micros.append([round(statistics.median(side) / REQUESTS / 1000, 1) for side in zip(*pairs, strict=True)])
    log.info("microseconds with and without: trivial %s, one query %s; ratios %s", *micros, ratios)
    assert ratios[0] <= 1.05, (ratios, micros)
