"""The circuit breaker of the database: a server that stays silent holds few requests, not all.

Each wait for a silent server takes a worker a second and a half. After three in a row, in whichever worker, requests that
need a wait are answered 503 at once, except for one every two seconds, which tries. The workers share the breaker's state.
A server that refuses connections costs no time and leaves the breaker closed.
"""

from __future__ import annotations

import mmap
import time
from typing import Final

from rollcall.errors import DatabaseUnavailable

_THRESHOLD: Final = 3  # waits in vain, without an answer in between
_PAUSE: Final = 2.0  # seconds between two tries; also the longest that a try may take

# Made before the first fork. Two workers may both try in the same moment, which does no harm.
_shared = memoryview(mmap.mmap(-1, 2 * 8)).cast("d")
_WAITS, _OPEN_UNTIL = 0, 1


def before_wait() -> None:
    """Goes before each wait that a server answers at once if it works: a connection, a ping.

    :raises DatabaseUnavailable: the breaker is open.
    """
    if _shared[_WAITS] < _THRESHOLD:
        return
    now = time.monotonic()
    if now < _shared[_OPEN_UNTIL]:
        raise DatabaseUnavailable("paused")
    _shared[_OPEN_UNTIL] = now + _PAUSE  # the others go on without; this one tries


def waited_in_vain() -> None:
    _shared[_WAITS] += 1
    if _shared[_WAITS] >= _THRESHOLD:
        _shared[_OPEN_UNTIL] = time.monotonic() + _PAUSE


def answered() -> None:
    if _shared[_WAITS]:
        _shared[_WAITS] = 0
