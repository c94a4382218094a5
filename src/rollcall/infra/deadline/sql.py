"""End every wait for PostgreSQL when the request's budget ends.

psycopg2 hands its waits to a callback (``set_wait_callback``). Ours polls the socket with what is left; then it asks the
server to cancel, waits a moment for that to be confirmed, and else closes the connection. The thread that waits is the
one that gives up, so a cancel cannot hit a later statement. COPY does not work while a callback is registered: it is
registered in web workers alone (:func:`bound_waits`), the commands do without.
"""

from __future__ import annotations

import logging
import select
import time
from typing import Any
from weakref import WeakSet

import psycopg2
from psycopg2 import extensions
from psycopg2.errorcodes import QUERY_CANCELED
from sqlalchemy import Connection, Engine, QueuePool, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.queue import Queue

from rollcall.errors import DatabaseUnavailable
from rollcall.infra import breaker, causes, load_shedding, server_probe
from rollcall.infra.deadline import budget as deadline
from rollcall.infra.deadline import connecting
from rollcall.infra.deadline.budget import Budget, Cut, Stage
from rollcall.infra.deadline.cancel import Cancel

log = logging.getLogger(__name__)

# Seconds.
CONNECT_LIMIT = 1.5  # a server that does not accept the connection in this time is unavailable: 503, not 504
BEGIN_LIMIT = 1.5  # the same for a server that does not answer BEGIN, which needs no locks
ANSWER_LIMIT = 1.0  # for a server to show that it answers, while a statement runs for longer than load_shedding.PATIENCE
CANCEL_GRACE = 0.12  # for the server to confirm a cancel
CLEANUP_LIMIT = 0.08  # for ROLLBACK when the budget is used up already

# Connections to which a cancel was sent that they have not confirmed: not to be used again.
_suspects: WeakSet[Any] = WeakSet()


class NoAnswer(psycopg2.OperationalError):
    """The server did not answer in time. psycopg2 closes the connection when the wait callback raises."""


class Expired(Exception):
    """No time is left for another statement. SQLAlchemy keeps the connection after an ``Exception``, unlike others."""


def wait(connection: Any) -> None:
    """The wait callback: returns when the operation on the connection is done.

    :raises NoAnswer: the time is up; the connection is closed.
    """
    budget = deadline.current()
    seconds, may_cancel = _allowance(connection, budget)
    started = time.monotonic()
    until = None if seconds is None else started + seconds
    is_new = _is_connecting(connection)
    if is_new:
        causes.ask_for_codes(connection, codes=True)
    while (state := connection.poll()) != extensions.POLL_OK:
        if not _ready_at_last(connection, state, started, until):
            break
    else:
        if is_new:
            causes.ask_for_codes(connection, codes=False)
        return
    if budget is not None:
        budget.cut = Cut(connection, cancelled=False)
        if may_cancel and _cancelled(connection, budget):
            return
    raise NoAnswer("PostgreSQL did not answer in time")


def _allowance(connection: Any, budget: Budget | None) -> tuple[float | None, bool]:
    """Return how long to wait for the connection's operation, in seconds, and whether to cancel it afterwards."""
    left = None if budget is None else budget.left()
    if _is_connecting(connection):
        limit = min(CONNECT_LIMIT, connecting.allowance())
        return (limit if left is None else min(limit, max(left, 0.0))), False
    if left is None:
        return None, False
    if left <= 0 or connection.rolls_back:
        # A statement does not begin past the deadline (_before_statement): this is the clean-up. A cancel that came upon a
        # ROLLBACK would be an error of its own, and take the place of the timeout that it cleans up after.
        return max(left, CLEANUP_LIMIT), False
    if connection.status == extensions.STATUS_READY and not connection.autocommit:
        return min(BEGIN_LIMIT, left), False
    return left, budget is not None and budget.stage is not Stage.COMMITTING


def _is_connecting(connection: Any) -> bool:
    return connection.status not in (extensions.STATUS_READY, extensions.STATUS_BEGIN)


def connect_limit(attempts: int) -> float:
    """Seconds for all attempts to connect together: to each address in a list of hosts.

    A command has more time than a request, whose client waits.
    """
    if extensions.get_wait_callback() is wait:
        return deadline.within(CONNECT_LIMIT)
    return connecting.COMMAND_LIMIT * attempts


def _interest(connection: Any, state: int) -> tuple[int, int]:
    return connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT


def _ready(interests: list[tuple[int, int]], until: float | None) -> bool:
    """Return whether one of the descriptors was ready before ``until`` (None: no limit)."""
    # A new object each time: while it connects, libpq may change its socket.
    poller = select.poll()
    for descriptor, events in interests:
        poller.register(descriptor, events)
    return bool(poller.poll(None if until is None else max(0.0, until - time.monotonic()) * 1000))


def _ready_at_last(connection: Any, state: int, started: float, until: float | None) -> bool:
    """As :func:`_ready`; during a long wait, also check that the server still answers, and shed load.

    :raises NoAnswer: the server does not answer.
    """
    interests = [_interest(connection, state)]
    look = pause = started + load_shedding.PATIENCE
    while until is None or pause < until:
        if _ready(interests, pause):
            return True
        now = time.monotonic()
        if now >= look and (until is None or now + ANSWER_LIMIT < until):
            if not server_probe.answers(connection, ANSWER_LIMIT):
                breaker.record_timeout()
                raise NoAnswer("PostgreSQL did not answer in time")
            look = now + server_probe.LOOK_EVERY
        load_shedding.shed()
        pause = now + load_shedding.TICK
    return _ready(interests, until)


def _cancelled(connection: Any, budget: Budget) -> bool:
    """Ask the server to cancel. Return whether the operation has ended, cancelled or complete."""
    _suspects.add(connection)
    until = time.monotonic() + CANCEL_GRACE
    cancel = Cancel(connection)
    try:
        while True:
            cancel.step()
            state = connection.poll()
            interests = cancel.interest()
            if state != extensions.POLL_OK:
                interests.append(_interest(connection, state))
            if not interests or not _ready(interests, until):
                budget.cut = Cut(connection, cancelled=cancel.sent)
                return bool(state == extensions.POLL_OK)
    finally:
        cancel.close()


def _before_statement(_connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    budget = deadline.current()
    if budget is not None:
        budget.statement = statement
        if budget.left() <= 0:
            raise Expired


def _name_timeout(context: ExceptionContext) -> BaseException | None:
    """Replace the errors that our own timeout has caused, and no others, by the request's timeout."""
    budget = deadline.current()
    if budget is None:
        return None
    error = context.original_exception
    if isinstance(error, NoAnswer):
        context.is_disconnect = True
        # What hung was this statement; the other connections may be fine.
        context.invalidate_pool_on_disconnect = False
    if not _gave_up(error, budget):
        return None
    if isinstance(error, Expired):
        return budget.timeout("sql")
    if context.connection is None:
        return budget.timeout("connect")
    if context.statement is not None or context.execution_context is not None:  # of a fetch there is only the latter
        return budget.timeout("sql")
    # COMMIT; or a rollback, while another exception is on its way.
    return budget.timeout("commit", outcome_unknown=True) if budget.stage is Stage.COMMITTING else None


def timeout_of(error: BaseException, stuck_in: str = "sql") -> BaseException | None:
    """Return the request's timeout if it caused an error of the driver; ``None`` if the error has another cause.

    For statements that do not go through SQLAlchemy.
    """
    budget = deadline.current()
    return budget.timeout(stuck_in) if budget is not None and _gave_up(error, budget) else None


def _gave_up(error: BaseException, budget: Budget) -> bool:
    """Return whether our timeout caused the error. With time left, the server is unavailable (CONNECT_LIMIT)."""
    if isinstance(error, Expired):
        return True
    cut, budget.cut = budget.cut, None
    return cut is not None and _is_ours(error, cut) and budget.left() <= 0


def _is_ours(error: BaseException, cut: Cut) -> bool:
    """Return whether the error comes from the wait that was ended. A confirmed cancel makes its connection usable again."""
    if isinstance(error, NoAnswer):
        return True
    if not isinstance(error, psycopg2.Error) or error.pgcode != QUERY_CANCELED:
        return False  # the statement failed for another reason at the same moment
    if cut.cancelled:
        _suspects.discard(cut.connection)
    return True


def _refuse_unclean(connection: Any, record: ConnectionPoolEntry) -> None:
    """Return only idle connections without a pending cancel to the pool. Others would affect their next user."""
    if connection is None:
        return
    idle = not connection.closed and connection.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE
    if not idle or connection in _suspects:
        log.info("a database connection that may still be busy is replaced")
        record.invalidate()


class BudgetConnection(extensions.connection):
    """psycopg2's connection (``connection_factory``), whose ``rollback`` also succeeds when the connection is closed.

    The server rolls back by itself then. Were it an error, the session that cleans up would stay half closed, and
    Flask-SQLAlchemy would hand it to a later request.
    """

    rolls_back = False
    """Whether the connection waits for its ROLLBACK."""

    def rollback(self) -> None:
        self.rolls_back = True
        try:
            super().rollback()
        except psycopg2.Error:
            if not self.closed:
                raise
        finally:
            self.rolls_back = False


class _BudgetQueue(Queue[ConnectionPoolEntry]):
    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        return super().get(block, deadline.within(timeout) if block and timeout is not None else timeout)


class BudgetPool(QueuePool):
    """SQLAlchemy's pool, whose checkout waits no longer than the budget.

    A checkout that fails raises ``RequestTimeout`` past the deadline, ``DatabaseUnavailable`` past ``pool_timeout``.
    """

    _queue_class = _BudgetQueue

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return super()._do_get()
        except PoolTimeout:
            deadline.check("pool")
            raise DatabaseUnavailable("no free connection") from None


def bound_waits(engine: Engine) -> None:
    """Bound every wait for the database in this process from now on. Call it once, after the fork."""
    extensions.set_wait_callback(wait)
    event.listen(engine, "before_cursor_execute", _before_statement)
    # Where several listeners return an exception, the last one's counts: this one has to come after the others.
    event.listen(engine, "handle_error", _name_timeout, retval=True)
    event.listen(engine, "checkin", _refuse_unclean)


def server_options(general: float) -> str:
    """Settings for a new connection (libpq's ``options``), so that the server ends the work of a worker that died.

    Empty outside web workers: a command may take its time.

    :param general: ROLLCALL_REQUEST_TIMEOUT, in seconds.
    """
    if extensions.get_wait_callback() is not wait:
        return ""
    milliseconds = round((deadline.largest_limit(general) + 1) * 1000)
    return f"-c statement_timeout={milliseconds} -c client_connection_check_interval=1s"
