"""Requests at the same moment, in threads of their own, each with its own database connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from sqlalchemy import Engine, text

T = TypeVar("T")


def together(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Start all calls at once and wait for all; the results in the order of the calls."""
    start = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        start.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def wait_until_blocked(
    engine: Engine, count: int = 1, *, unless: Callable[[], bool] = lambda: False, seconds: float = 10
) -> None:
    """Wait until so many connections wait for a lock.

    :param unless: gives up waiting at once when it is true.
    :param seconds: how long to wait at most.
    """
    blocked = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    give_up = time.monotonic() + seconds
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
        while watcher.scalar(blocked) < count and not unless():
            if time.monotonic() > give_up:
                raise TimeoutError("nobody waits for a lock")
            time.sleep(0.005)
