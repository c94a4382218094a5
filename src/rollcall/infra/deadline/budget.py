"""The time budget of a piece of work, and functions that return the rest of it.

A budget belongs to a context (``contextvars``): each thread and each request has its own, and a new thread has none.
Everything that waits asks the budget; nothing here interrupts anything.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from rollcall.errors import RequestTimeout

_View = TypeVar("_View", bound=Callable[..., Any])

# The multiples of the general limit that routes have asked for.
_factors = [1.0]

# Seconds.
COMMIT_RESERVE = 0.02  # with less than this left, nothing is committed any more
COMMIT_GRACE = 0.15  # how far past the deadline a COMMIT that has begun, and the answer after it, may take


class Stage(Enum):
    """The stage of a request's transaction, which decides what a timeout may do."""

    OPEN = "open"
    COMMITTING = "committing"
    COMMITTED = "committed"


class Cut(NamedTuple):
    """Records that a wait for the database was ended, for the code that handles the driver's error."""

    connection: Any
    cancelled: bool
    """The server has taken our request to cancel, so that it cannot reach a later statement."""


class Budget:
    """A limit in seconds and the moment it ends.

    :param limit: seconds from ``started``.
    :param started: on the clock of :func:`time.monotonic`.
    """

    __slots__ = ("cut", "ends", "limit", "stage", "started", "statement")

    def __init__(self, limit: float, started: float | None = None) -> None:
        self.started = time.monotonic() if started is None else started
        self.stage = Stage.OPEN
        self.statement: str | None = None
        self.cut: Cut | None = None
        self.limit = limit
        self.ends = self.started + limit

    def set_limit(self, limit: float) -> None:
        self.limit = limit
        self.ends = self.started + limit

    def left(self) -> float:
        """Return the seconds left, negative after the end. A COMMIT that has begun, and its response, get a little more."""
        grace = 0.0 if self.stage is Stage.OPEN else COMMIT_GRACE
        return self.ends + grace - time.monotonic()

    def timeout(self, stuck_in: str, *, outcome_unknown: bool = False) -> BaseException:
        """Return the exception to raise. After COMMIT it says that the change was saved."""
        saved = self.stage is Stage.COMMITTED
        return RequestTimeout(self.limit, stuck_in, outcome_unknown=outcome_unknown, saved=saved)

    def check(self, stuck_in: str) -> None:
        if self.left() <= 0:
            raise self.timeout(stuck_in)

    def fingerprint(self) -> str | None:
        """Return a short hash of the last statement's SQL text with its placeholders, without parameters."""
        return self.statement and hashlib.sha256(self.statement.encode()).hexdigest()[:12]


class _Bound(Budget):
    """A limit tighter than the request's: passing it is an ordinary error."""

    __slots__ = ()

    def timeout(self, stuck_in: str, *, outcome_unknown: bool = False) -> BaseException:
        return TimeoutError(f"{stuck_in}: no answer within {self.limit:g} s")


_current: ContextVar[Budget | None] = ContextVar("rollcall_deadline", default=None)


def current() -> Budget | None:
    """Return the budget of this context; None if there is no deadline, as in a command."""
    return _current.get()


enter = _current.set
leave = _current.reset


@contextmanager
def active(budget: Budget | None) -> Iterator[None]:
    """Make a budget the current one until the block ends."""
    token = enter(budget)
    try:
        yield
    finally:
        leave(token)


def remaining() -> float | None:
    """Return the seconds left, at least 0.0; None: no deadline."""
    budget = _current.get()
    return None if budget is None else max(0.0, budget.left())


def within(seconds: float) -> float:
    """Return the smaller of the given seconds and the seconds left, for the timeout of a wait."""
    budget = _current.get()
    return seconds if budget is None else max(0.0, min(seconds, budget.left()))


def check(stuck_in: str = "python") -> None:
    """Raise if the deadline has passed. Call it between two items of a loop.

    :param stuck_in: what the loop does, for logs and metrics.
    :raises RequestTimeout: the deadline has passed.
    """
    budget = _current.get()
    if budget is not None:
        budget.check(stuck_in)


@contextmanager
def bound(seconds: float) -> Iterator[None]:
    """Set a tighter limit for a block. In another thread it is the only limit.

    :raises TimeoutError: from a statement or a :func:`check` in the block. (``RequestTimeout``, where the request's own
        deadline comes first.)
    """
    outer = _current.get()
    with active(outer if outer is not None and outer.left() < seconds else _Bound(seconds)):
        yield


@contextmanager
def committing() -> Iterator[None]:
    """Surround COMMIT alone, after the flush.

    Raises if too little time is left. From here on the COMMIT is finished and its result is the answer, a little past
    the deadline if need be; only a server that stays silent ends it, and then nobody knows the outcome.

    :raises RequestTimeout: before COMMIT is sent: roll back. From within, when the server fell silent:
        ``outcome_unknown`` is true.
    """
    budget = _current.get()
    if budget is None:
        yield
        return
    before = budget.stage
    if budget.ends - time.monotonic() < COMMIT_RESERVE:
        raise budget.timeout("commit")
    budget.stage = Stage.COMMITTING
    try:
        yield
    except BaseException:
        budget.stage = before
        raise
    budget.stage = Stage.COMMITTED


def limit(*, times: float) -> Callable[[_View], _View]:
    """Decorator: this route may take a multiple of ROLLCALL_REQUEST_TIMEOUT, so that one setting scales them all.

    Goes next to the function, under the decorators that wrap it.

    :param times: the factor; less than 1 for a route that has to be quick.
    """
    _factors.append(times)

    def mark(view: _View) -> _View:
        view.deadline_times = times  # type: ignore[attr-defined]
        return view

    return mark


def largest_limit(general: float) -> float:
    """Return the longest limit of any route, in seconds.

    :param general: ROLLCALL_REQUEST_TIMEOUT.
    """
    return general * max(_factors)
