"""A circuit breaker for PostgreSQL, shared by the workers: a server that does not answer delays only a few requests.

Each timeout holds a worker for a second and a half. After three in a row, in any worker, requests that would have to wait
get 503 at once; every two seconds one request probes. A server that refuses connections answers at once, so the breaker stays
closed.
"""

from __future__ import annotations

import mmap
import time
from typing import Final

from rollcall.errors import DatabaseUnavailable

_THRESHOLD: Final = 3  # timeouts without an answer in between
_PAUSE: Final = 2.0  # seconds between two probes, and the longest that one may take

# Made before the first fork. Two workers may probe at the same moment, which does no harm.
_shared = memoryview(mmap.mmap(-1, 2 * 8)).cast("d")
_TIMEOUTS, _OPEN_UNTIL = 0, 1


def check() -> None:
    """Call before each operation that a working server answers at once: a connection, a ping.

    :raises DatabaseUnavailable: the breaker is open.
    """
    if _shared[_TIMEOUTS] < _THRESHOLD:
        return
    now = time.monotonic()
    if now < _shared[_OPEN_UNTIL]:
        raise DatabaseUnavailable("paused")
    _shared[_OPEN_UNTIL] = now + _PAUSE  # only this request probes


def record_timeout() -> None:
    _shared[_TIMEOUTS] += 1
    if _shared[_TIMEOUTS] >= _THRESHOLD:
        _shared[_OPEN_UNTIL] = time.monotonic() + _PAUSE


def record_answer() -> None:
    if _shared[_TIMEOUTS]:
        _shared[_TIMEOUTS] = 0
