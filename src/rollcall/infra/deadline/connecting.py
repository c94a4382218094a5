"""The time of one attempt to connect, set by the code that goes through a list of hosts and read by the wait callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from rollcall.infra.deadline import budget as deadline

COMMAND_LIMIT: Final = 5.0
"""Seconds for each address, at the command line."""

_seconds: ContextVar[float] = ContextVar("rollcall_connect_limit", default=COMMAND_LIMIT)


def allowance() -> float:
    """Return the seconds for the current attempt to connect."""
    return _seconds.get()


@contextmanager
def attempt(seconds: float) -> Iterator[None]:
    """Limit the time of the attempt to connect in the block."""
    token = _seconds.set(max(0.0, seconds))
    try:
        yield
    finally:
        _seconds.reset(token)
    budget = deadline.current()
    if budget is not None:
        budget.cut = None  # an earlier attempt may have been given up
