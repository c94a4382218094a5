"""The request deadline: every request is answered within its limit, whatever it waits for.

Every wait is bounded where it happens, by what is left of the request's budget (``budget``, ``sql``, and the client's
socket in ``infra.worker``); an alarm ends the rest (``alarm``); ``application`` puts both around Flask's dispatch. The
thread that waits is the thread that gives up: there is no watchdog, and nothing runs on after its answer.

Wiring: ``create_app`` makes a :class:`DeadlineFlask` and sets ``config["REQUEST_TIMEOUT"]``; whoever counts appends to
:data:`on_timeout`; ``infra.database`` uses :class:`BudgetPool`, :class:`BudgetConnection`, :func:`server_options` and,
around COMMIT alone, :func:`committing`; ``gunicorn.conf.py`` calls :func:`enter_worker` in each worker.
docs/DEADLINES.md has the promises.
"""

from rollcall.infra.deadline import connecting
from rollcall.infra.deadline.application import DeadlineFlask, TimedOut, enter_worker, on_timeout, stream
from rollcall.infra.deadline.budget import bound, check, committing, largest_limit, limit, remaining, within
from rollcall.infra.deadline.sql import (
    BudgetConnection,
    BudgetPool,
    Expired,
    NoAnswer,
    connect_limit,
    server_options,
    timeout_of,
)

__all__ = [
    "BudgetConnection",
    "BudgetPool",
    "DeadlineFlask",
    "Expired",
    "NoAnswer",
    "TimedOut",
    "bound",
    "check",
    "committing",
    "connect_limit",
    "connecting",
    "enter_worker",
    "largest_limit",
    "limit",
    "on_timeout",
    "remaining",
    "server_options",
    "stream",
    "timeout_of",
    "within",
]
