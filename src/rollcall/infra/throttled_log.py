"""Throttled logging of faults that recur: the first at once, then at most one line a minute for each cause, with a count."""

from __future__ import annotations

import logging
import threading
import time

PAUSE = 60.0
"""Seconds between two lines with the same key."""

_lock = threading.Lock()
_next: dict[str, float] = {}  # when the key may be logged again, on the clock of time.monotonic
_skipped: dict[str, int] = {}


def warn(logger: logging.Logger, key: str, message: str, *values: object) -> None:
    """Log a warning, unless the same key was logged within the last minute.

    :param key: names the cause; there must be few different keys.
    """
    now = time.monotonic()
    with _lock:
        if now < _next.get(key, 0.0):
            _skipped[key] = _skipped.get(key, 0) + 1
            return
        _next[key] = now + PAUSE
        skipped = _skipped.pop(key, 0)
    if skipped:
        message, values = f"{message} (and %d times more in the last minutes)", (*values, skipped)
    logger.warning(message, *values)


def reset() -> None:
    """Forget what was logged; for tests."""
    with _lock:
        _next.clear()
        _skipped.clear()
