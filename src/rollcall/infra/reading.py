"""Execute the statements that nearly every request sends, at the cost of the driver alone.

For a query that takes 50 µs, SQLAlchemy's execution and result add 70 µs, its session 45 and its objects 50 more. Here a
statement is compiled once and its rows are the driver's tuples. Pool, checks and deadline are the same as elsewhere.
PostgreSQL takes as long to parse and plan many of these statements as to execute them, so most are prepared (PREPARE).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import psycopg2
from psycopg2.errors import DuplicatePreparedStatement, FeatureNotSupported, InvalidSqlStatementName
from psycopg2.extensions import STATUS_READY, AsIs
from sqlalchemy import Connection, Engine, Insert, Select, TextClause, Update
from sqlalchemy.dialects.postgresql.psycopg2 import dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from rollcall.infra import deadline
from rollcall.infra.database import unavailable

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]
_PREPARED = "prepared"  # in the pool's ``info`` on a connection: the names of the statements that it knows


class Statement:
    """A statement, compiled once; its parameters are named ``bindparam``\\ s.

    :param prepared: each connection plans it once, for any values. For a statement whose plan does not depend on them. In a
        transaction this applies to the first statement alone.
    """

    __slots__ = ("_constants", "execution", "name", "preparation", "sql")

    def __init__(self, query: Select[Any] | Insert | Update | TextClause, *, prepared: bool = False) -> None:
        compiled = query.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        # The same name is the same query, in whichever process: a pooler may hand on a connection that knows it already.
        self.name = f"rollcall_{sha256(self.sql.encode()).hexdigest()[:16]}" if prepared else None
        parameters = sorted(compiled.params.keys() - self._constants.keys())
        numbered = {parameter: AsIs(f"${number}") for number, parameter in enumerate(parameters, 1)}
        self.preparation = f"PREPARE {self.name} AS {self.sql}", self.with_values(numbered)
        values = ", ".join(f"%({parameter})s" for parameter in parameters)
        self.execution = f"EXECUTE {self.name}" + (f" ({values})" if values else "")

    def with_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters for the driver: those given, and the statement's own constants."""
        return {**self._constants, **values}


def rows(session: Session, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, in one round trip.

    A session in a transaction reads in it; any other one on a connection of the pool, without BEGIN.

    :param values: the statement's parameters by name.
    :raises RequestTimeout, DatabaseUnavailable: as any statement.
    """
    if session.in_transaction():
        return in_transaction(session, statement, **values)
    engine = session.get_bind()
    assert isinstance(engine, Engine)  # noqa: S101  (what our sessions are bound to)
    try:
        pooled = engine.raw_connection()
    except psycopg2.Error as error:
        raise deadline.timeout_of(error, "connect") or unavailable(error, lost=True) or error from error
    connection: Any = pooled.dbapi_connection
    try:
        connection.autocommit = True
        return _run(engine, connection, statement, values, pooled.info.setdefault(_PREPARED, set()))
    finally:
        if connection.closed:
            pooled.invalidate()
        else:
            connection.autocommit = False
        pooled.close()


def in_transaction(work: Session | Connection, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that may also write, in the transaction of ``work``, which it begins if there is none.

    :raises IntegrityError, RequestTimeout, DatabaseUnavailable: as any statement.
    """
    connection = work.connection() if isinstance(work, Session) else work
    pooled = connection.connection
    driver: Any = pooled.dbapi_connection
    # A name that the server does not know is an error, and an error ends a transaction: nothing may have been done in it before.
    may_be_prepared = driver.autocommit or driver.status == STATUS_READY
    known = pooled.info.setdefault(_PREPARED, set()) if may_be_prepared else None
    try:
        return _run(connection.engine, driver, statement, values, known)
    finally:
        if driver.closed:
            connection.invalidate()


def _run(
    engine: Engine, connection: Any, statement: Statement, values: dict[str, Any], prepared: set[str] | None
) -> list[tuple[Any, ...]]:
    parameters, executemany = statement.with_values(values), False
    try:
        with connection.cursor() as cursor:
            for listener in engine.dispatch.before_cursor_execute:  # the deadline's is one of them
                listener(None, cursor, statement.sql, parameters, statement, executemany)
            if statement.name is not None and prepared is not None:
                _execute(cursor, statement, statement.name, parameters, prepared)
            else:
                cursor.execute(statement.sql, parameters)
            found: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            return found
    except (psycopg2.Error, deadline.Expired) as error:
        named = deadline.timeout_of(error) or unavailable(error, lost=bool(connection.closed))
        raise named or _as_sqlalchemy(error, statement.sql) from error


def _as_sqlalchemy(error: BaseException, sql: str) -> BaseException:
    """Return the exception that SQLAlchemy raises for one of the driver's. It repeats no parameters, which are people's data."""
    return DBAPIError.instance(sql, None, error, psycopg2.Error, hide_parameters=True, dialect=_DIALECT)


def _execute(cursor: Any, statement: Statement, name: str, parameters: dict[str, Any], prepared: set[str]) -> None:
    """Execute a statement by its name. In a transaction it is the first, so after an error the transaction can begin again."""
    connection = cursor.connection
    if name not in prepared:
        try:
            cursor.execute(*statement.preparation)
        except DuplicatePreparedStatement:
            _start_anew(connection)
        prepared.add(name)
    try:
        cursor.execute(statement.execution, parameters)
    except InvalidSqlStatementName:  # a pooler has handed on a connection that does not know it
        prepared.discard(name)
        _start_anew(connection)
        cursor.execute(statement.sql, parameters)
    except FeatureNotSupported:  # "cached plan must not change result type": a migration has changed a column's type
        prepared.discard(name)
        _start_anew(connection)
        cursor.execute(f"DEALLOCATE {name}")
        cursor.execute(statement.sql, parameters)


def _start_anew(connection: Any) -> None:
    if not connection.autocommit:
        connection.rollback()
