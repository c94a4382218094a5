"""The engine, its pool, and the unit of work.

Connections are opened on first use, so that a command such as ``flask --help`` starts no database, and so that the pool
recovers after an outage. Only :func:`transaction` commits, and :func:`committed` for batches on a connection of their own.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from psycopg2.errorcodes import DEADLOCK_DETECTED
from psycopg2.extensions import parse_dsn
from sqlalchemy import Connection, Engine, Row, Select, Transaction, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from rollcall.errors import DatabaseUnavailable, Deadlock, UnsuitableDatabase
from rollcall.infra import breaker, causes, deadline, embedded, hosts
from rollcall.models import Base
from rollcall.settings import Settings

db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})

# Seconds. A server that cannot be reached in this time is unavailable (503).
CONNECT_TIMEOUT = 2

# Seconds that a connection may be idle without a ping before its next use: a ping for each request costs a round trip.
_TRUSTED = 1.0

# Settings of each connection. New entries wait in a short list before they go into the index of the search, which takes them
# all at once: with a shorter list more writers wait for that, with a longer one all searches take longer (bulks have one of
# their own, services/search/search_index). The bitmap of a search should fit into memory.
# A prepared statement is planned once, for any values (infra/reading). To start another process takes as long as most searches.
_OPTIONS = (
    "-c timezone=UTC -c gin_pending_list_limit=64kB -c work_mem=32MB"
    " -c plan_cache_mode=force_generic_plan -c max_parallel_workers_per_gather=0"
)

#: Functions to call with the session before each COMMIT of :func:`transaction`, after the flush.
before_commit: list[Callable[[Session], None]] = []

_READS = "reads"  # in a session's ``info``: it does not open transactions

# SQLSTATE classes and codes of temporary errors: connection failures, too many connections, a server that shuts down or
# starts up, a write to a standby, a deadlock or serialization failure. PostgreSQL manual, appendix A.
_UNAVAILABLE = ("08", "53", "57P", "25006", "40")


def init_app(app: Flask, settings: Settings) -> None:
    """Create the engine of the application. It connects later."""
    app.config["SQLALCHEMY_DATABASE_URI"] = "postgresql+psycopg2://"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "creator": _connector(settings),
        "pool_size": settings.pool_size,
        "max_overflow": settings.max_overflow,
        "pool_timeout": CONNECT_TIMEOUT,
        "poolclass": deadline.BudgetPool,
        # Parameters contain personal data and hashes, so no exception and no log may repeat them.
        "hide_parameters": True,
    }
    db.init_app(app)
    with app.app_context():
        _guard(db.engine)


def _connector(settings: Settings) -> Callable[[], Any]:
    defaults = {
        "application_name": "rollcall",
        "connect_timeout": str(CONNECT_TIMEOUT),
        # An idle connection notices a network that drops packets within about 30 s.
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "4",
    }

    known = hosts.Hosts()

    def connect() -> Any:
        options = f"{_OPTIONS} {deadline.server_options(settings.request_timeout)}"
        try:
            url = settings.database_url or embedded.ensure_running(settings.home)
        except embedded.EmbeddedError as error:
            raise DatabaseUnavailable(causes.EMBEDDED) from error
        given = parse_dsn(url)
        # The operator's options come last, so that they take precedence: a search_path, for example.
        given["options"] = f"{options} {given.get('options', '')}"
        with _watched_by_breaker():
            connection = known.connect(defaults | given, _connect_to)
        require_utf8(connection)
        return connection

    return connect


def require_utf8(connection: Any) -> None:
    """Require the encoding UTF-8: others cannot store all names. Closes the connection if the database has another one.

    :raises UnsuitableDatabase: the encoding is not UTF-8.
    """
    encoding = connection.info.parameter_status("server_encoding")  # sent by the server when it connects
    if encoding not in (None, "UTF8"):
        name = connection.info.dbname
        connection.close()
        raise UnsuitableDatabase(
            f"The database {name} has the encoding {encoding}, but Rollcall needs UTF8. An administrator can make one: "
            f"CREATE DATABASE rollcall ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;"
        )


def require_suitable(settings: Settings) -> None:
    """Check the database before the service starts. If it does not answer yet, its first connection checks it.

    :raises UnsuitableDatabase: its encoding is not UTF-8.
    """
    if settings.database_url is None:
        return
    try:
        connection = psycopg2.connect(settings.database_url, connect_timeout=CONNECT_TIMEOUT)
    except psycopg2.Error:
        return
    with closing(connection):
        require_utf8(connection)


def _connect_to(parameters: hosts.Parameters) -> Any:
    return psycopg2.connect(**parameters, connection_factory=deadline.BudgetConnection)


@contextmanager
def _watched_by_breaker() -> Iterator[None]:
    """Report the result of an operation to the breaker, for operations that a working server answers at once.

    :raises DatabaseUnavailable: the breaker is open.
    """
    breaker.check()
    try:
        yield
    except psycopg2.Error as error:
        # If the request's own limit ended the wait, the server may work.
        if deadline.remaining() != 0.0:
            (breaker.record_timeout if causes.reason(error) == causes.SILENT else breaker.record_answer)()
        raise
    breaker.record_answer()


def _guard(engine: Engine) -> None:
    @event.listens_for(engine, "checkin")
    def _note_use(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()
        if connection is not None and not connection.closed and connection.autocommit:  # it served :func:`session`
            connection.autocommit = False

    @event.listens_for(engine, "checkout")
    def _refuse_dead(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
        # If an idle connection has something to read, the server has closed it (or sent a stray message). The check
        # takes one system call and no round trip. The pool then opens another connection.
        if select.select([connection], [], [], 0)[0]:
            raise DisconnectionError("the server has ended this connection")
        if time.monotonic() - record.info.get("idle_since", time.monotonic()) > _TRUSTED:
            _ping(connection)

    @event.listens_for(engine, "handle_error", retval=True)
    def _name_unavailable(context: ExceptionContext) -> BaseException | None:
        return unavailable(context.original_exception, lost=context.is_disconnect)


def unavailable(error: BaseException, *, lost: bool) -> DatabaseUnavailable | None:
    """Return the error to raise for a temporary error of the driver; ``None`` for any other.

    :param lost: whether the connection is known to be closed.
    """
    if not isinstance(error, psycopg2.Error):
        return None
    code = error.pgcode or ""
    nameless = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) and not code
    if code == DEADLOCK_DETECTED:
        return Deadlock(code)
    if lost or nameless or code.startswith(_UNAVAILABLE):
        return DatabaseUnavailable(causes.reason(error))
    return None


def _ping(connection: Any) -> None:
    """Check that the server still answers. BEGIN needs no locks, and its wait is bounded (infra/deadline)."""
    try:
        with _watched_by_breaker():
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            connection.rollback()
    except psycopg2.Error as error:
        deadline.check("connect")  # the request's own limit may have ended the wait
        raise DatabaseUnavailable(causes.reason(error)) from error


def session() -> Session:
    """Return the session of this request or command for reading, in autocommit mode: without BEGIN and ROLLBACK.

    That saves two of four round trips of a simple read. Within :func:`transaction` it is the same session, in the transaction.
    """
    work = db.session()
    if not work.in_transaction():
        work.info[_READS] = True
    return work


@event.listens_for(Session, "after_begin")
def _without_begin(work: Session, _transaction: object, connection: Connection) -> None:
    if work.info.get(_READS):
        # Set on the driver's connection: by an isolation level, psycopg2 would send two statements.
        driver: Any = connection.connection.dbapi_connection
        driver.autocommit = True


@contextmanager
def transaction() -> Iterator[Session]:
    """The unit of work: commits at the end of the block, rolls back if it raises.

    :return: the session of this request or command, for services, which never commit.
    """
    work = db.session()
    work.commit()  # ends a previous read; the objects that were read keep their values
    work.info[_READS] = False
    work.begin()
    try:
        yield work
        work.flush()
        for finish in before_commit:
            finish(work)
        with deadline.committing():
            _commit(work)
    except BaseException:
        work.rollback()
        raise


@contextmanager
def own_connection(*, autocommit: bool = False) -> Iterator[Connection]:
    """Open a connection outside of the pool. Its temporary tables, settings and session locks end with the block.

    The session returns its own connection first, so a pool of one is enough.

    :param autocommit: every statement is a transaction of its own.
    """
    db.session().commit()
    with db.engine.connect() as connection:
        connection.detach()
        driver: Any = connection.connection.dbapi_connection
        driver.autocommit = autocommit
        yield connection


@contextmanager
def committed(connection: Connection) -> Iterator[None]:
    """The unit of work of a batch on its own connection: commits at the end of the block, rolls back if it raises."""
    with connection.begin() as work:
        yield
        with deadline.committing():
            _commit(work)


def _commit(work: Session | Transaction) -> None:
    try:
        work.commit()
    except DatabaseUnavailable as lost:
        raise DatabaseUnavailable(lost.reason, outcome_unknown=True) from lost


def stream_rows(query: Select[Any]) -> Iterator[Row[Any]]:
    """Yield all rows of a query in constant memory, over a connection of their own, which may outlive the request's session."""
    # Looked up now: the first row may be read after the end of the request's context, which has the engine.
    return _stream(db.engine, query)


def _stream(engine: Engine, query: Select[Any]) -> Iterator[Row[Any]]:
    with engine.connect() as connection:
        yield from connection.execution_options(yield_per=1000).execute(query)
