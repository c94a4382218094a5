"""The alarm: ends code whose wait cannot be bounded, such as a loop or a sleep.

In a sync worker a request runs in the main thread, where Python runs signal handlers. ``SIGALRM`` comes when the budget
is used up, and its handler raises ``RequestTimeout`` in the code that it interrupts, but only at a safe point: inside
the view, and not inside a library that holds locks or connections (their waits are bounded anyway) nor inside clean-up.
Otherwise it comes again a little later. Elsewhere (threads, ``flask run``) there is no alarm; every other bound holds.
"""

from __future__ import annotations

import ast
import functools
import math
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeVar

from rollcall.infra.deadline.budget import Budget

_Result = TypeVar("_Result")

# Seconds.
_AGAIN = 0.01  # until the next try, after an unsafe point or in case the first exception was swallowed
_CLEANUP_PATIENCE = 0.1  # how long a ``finally`` or ``except`` of the application is not interrupted

# Raising inside these functions could leave a lock held, a connection mid-protocol, or a module partly imported.
_CLOSED_PACKAGES = frozenset({
    "_weakrefset", "cachelib", "concurrent", "ctypes", "flask_sqlalchemy", "gc", "importlib", "limits", "logging",
    "multiprocessing", "prometheus_client", "psycopg2", "queue", "redis", "sqlalchemy", "subprocess", "tempfile",
    "threading", "weakref",
})  # fmt: skip
_CLOSED_MODULES = frozenset({
    "rollcall.infra.breaker", "rollcall.infra.causes", "rollcall.infra.load_shedding", "rollcall.infra.database",
    "rollcall.infra.deadline.alarm", "rollcall.infra.deadline.budget", "rollcall.infra.deadline.cancel",
    "rollcall.infra.deadline.client", "rollcall.infra.deadline.connecting", "rollcall.infra.deadline.sql",
    "rollcall.infra.hosts", "rollcall.infra.metrics_file", "rollcall.infra.reading", "rollcall.infra.throttled_log",
    "rollcall.infra.server_probe",
})  # fmt: skip
_CLOSED_FUNCTIONS = frozenset({"__enter__", "__exit__", "__del__"})


class _Alarm:
    """The state of this process's alarm."""

    thread: int | None = None
    """The main thread, once the alarm is installed."""
    budget: Budget | None = None
    """Whose end is announced; None between requests."""
    rings_at: float = math.inf
    """What the timer is set to, on the clock of :func:`time.monotonic`."""


def install() -> None:
    """Take over ``SIGALRM`` in this process; in the main thread."""
    signal.signal(signal.SIGALRM, _on_alarm)
    _Alarm.thread = threading.get_ident()


def interruptible(budget: Budget, function: Callable[[], _Result]) -> _Result:
    """Call a function that the alarm may end.

    :raises RequestTimeout: from within the function; never once it has returned.
    """
    if threading.get_ident() != _Alarm.thread:
        return function()
    _Alarm.budget = budget
    # A timer that an earlier request has left rings first, and is then set anew: most requests need no system call.
    if budget.ends < _Alarm.rings_at:
        _set_timer(budget.ends - time.monotonic())
    try:
        return function()
    finally:
        # An alarm that comes here finds this frame on top, and one that comes later no budget: both do nothing.
        _Alarm.budget = None


def _set_timer(seconds: float) -> None:
    # Less than a microsecond would count as 0, which disarms the timer for good; and it cannot count to infinity.
    seconds = min(max(seconds, 0.0001), 1e6)
    _Alarm.rings_at = time.monotonic() + seconds
    signal.setitimer(signal.ITIMER_REAL, seconds)


_MARK = interruptible.__code__


def _on_alarm(_signal: int, frame: FrameType | None) -> None:
    _Alarm.rings_at = math.inf
    budget = _Alarm.budget
    if budget is None:
        return  # that request is over
    late = -budget.left()
    if late < 0:  # it was set for an earlier request, or a COMMIT has begun in the meantime
        _set_timer(-late)
        return
    _set_timer(_AGAIN)
    stuck_in = _interrupted(frame, respect_cleanup=late < _CLEANUP_PATIENCE)
    if stuck_in is not None:
        raise budget.timeout(stuck_in)


def _interrupted(frame: FrameType | None, *, respect_cleanup: bool) -> str | None:
    """Return what the stack is doing if an exception may be raised in it; None if it may not."""
    stuck_in = "python"
    top = frame
    while frame is not None:
        code = frame.f_code
        if code is _MARK:
            return None if frame is top else stuck_in
        module = frame.f_globals.get("__name__", "")
        package = module.partition(".")[0]
        if package in _CLOSED_PACKAGES or module in _CLOSED_MODULES or code.co_name in _CLOSED_FUNCTIONS:
            return None
        if respect_cleanup and code.co_exceptiontable and _is_cleanup(code.co_filename, frame.f_lineno):
            return None
        if package == "gunicorn":
            stuck_in = "body"  # all that a view calls there is the reading of the body
        frame = frame.f_back
    return None  # not inside a request


def _is_cleanup(filename: str, line: int) -> bool:
    return any(first <= line <= last for first, last in _cleanup_lines(filename))


@functools.cache
def _cleanup_lines(filename: str) -> tuple[tuple[int, int], ...]:
    """First and last lines of each ``finally`` and ``except`` block of a file; bytecode does not tell them apart."""
    try:
        tree = ast.parse(Path(filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    lines: list[tuple[int, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Try | ast.TryStar):
            parts: list[ast.excepthandler | ast.stmt] = [*node.handlers, *node.finalbody]
            lines += [(part.lineno, part.end_lineno or part.lineno) for part in parts]
    return tuple(lines)
