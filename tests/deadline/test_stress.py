"""Thousands of requests that end around their deadline; then nothing is left, lost, held, or written that should not be."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any

import pytest

from deadline.harness import Gate, Observer, Reply, Server, serve

log = logging.getLogger(__name__)

WORKERS = 4
LIMIT = 0.15  # seconds
KINDS = ["python", "sql", "commit", "commit", "mixed", "mixed", "after", "sleep", "query", "export", "swallow"]


@pytest.fixture(scope="module")
def crowd(gates: dict[str, Gate], database: Any) -> Iterator[Server]:
    with serve(gates, database.info.dbname, workers=WORKERS) as running:
        while len(running.gunicorn.worker_pids()) < WORKERS:  # gunicorn starts one after the other
            time.sleep(0.05)
        yield running


def paths(chance: random.Random, count: int) -> Iterator[tuple[str, str | None]]:
    """Paths of requests, with the key of the row that each writes."""
    run = chance.randbytes(4).hex()
    for number in range(count):
        around = f"{chance.gauss(LIMIT, 0.02):.4f}"
        key = f"stress-{run}-{number}"
        kind = chance.choice(
            ["python", "sql", "commit", "commit", "mixed", "mixed", "after", "sleep", "query", "export", "swallow"]
        )
        match kind:
            case "python" | "sql":
                yield f"write?key={key}&{kind}={around}", key
            case "commit":
                before = chance.uniform(0, LIMIT)
                yield f"write?key={key}&python={before:.4f}&commit={max(0.0, float(around) - before):.4f}", key
            case "after":
                before = chance.uniform(0, LIMIT)
                yield f"write?key={key}&python={before:.4f}&after={max(0.0, float(around) - before):.4f}", key
            case "mixed":
                yield f"mixed?key={key}&seconds={around}", key
            case "sleep":
                yield f"sleep?seconds={around}", None
            case "query":
                yield f"sql?seconds={around}", None
            case "export":
                yield f"export?first={chance.choice([around, 0])}&each={around}", None
            case "swallow":
                yield "swallow-everything", None


def audit(server: Server) -> dict[int, Any]:
    states: dict[int, Any] = {}
    for _ in range(100):
        state = server.get("state").json
        states[state["pid"]] = state
    return states


def run(server: Server, observer: Observer, count: int, seed: int, clients: int = 1) -> Counter[str]:
    workers = server.gunicorn.worker_pids()
    before = audit(server)
    requests = list(paths(random.Random(seed), count))

    def call(path: str) -> Reply | None:
        try:
            return server.get(path, X_Request_Timeout=str(LIMIT))
        except (ConnectionError, HTTPException):  # an export that was cut
            return None

    with ThreadPoolExecutor(clients) as pool:
        replies = list(pool.map(call, [path for path, _ in requests]))

    present = observer.keys()
    outcomes: Counter[str] = Counter()
    for (path, key), reply in zip(requests, replies, strict=True):
        if reply is None:
            assert path.startswith("export"), path
            outcomes["cut"] += 1
            continue
        details = [detail["type"] for detail in reply.json["details"]] if reply.status == 504 else []
        outcomes[" ".join([str(reply.status), *details])] += 1
        assert reply.status in {200, 504}, f"{path} {reply}\n{server.log}"
        if key is not None and "outcome_unknown" not in details:
            assert (key in present) == (reply.status == 200 or "saved" in details), (path, reply)

    after = audit(server)
    assert server.gunicorn.worker_pids() == workers, server.log
    for pid in after.keys() & before.keys():  # whom the kernel gave one of the audit's requests
        state = after[pid]
        assert state["checked_out"] == 0
        assert not state["locked"]
        assert state["threads"] == before[pid]["threads"]
        assert state["files"] <= before[pid]["files"] + 6
    assert observer.busy() == []
    table_locks = "SELECT pid FROM pg_locks WHERE relation = 'stuck_rows'::regclass AND pid <> pg_backend_pid()"
    assert observer.query(table_locks) == []
    slow = sorted(reply.seconds for reply in replies if reply is not None)
    outcomes[f"slowest {slow[-1]:.3f} s, 99 % {slow[int(len(slow) * 0.99)]:.3f} s"] = 1
    log.info("%s", dict(outcomes))
    return outcomes


def test_some(server: Server, observer: Observer) -> None:
    outcomes = run(server, observer, 30, seed=1)
    assert outcomes["200"] > 3
    assert outcomes["504"] > 3


@pytest.mark.heavy
def test_thousands(crowd: Server, observer: Observer) -> None:
    outcomes = run(crowd, observer, 3000, seed=2, clients=WORKERS)
    assert outcomes["200"] > 500
    assert outcomes["504"] > 500
    assert outcomes["cut"] > 10
