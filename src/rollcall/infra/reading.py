"""Reading rows at the price of the driver, for the queries that nearly every request makes.

Of a query that takes 50 µs, SQLAlchemy's execution and result add 70 µs, its session 45 and its objects 50 more. Here a
query is compiled once and its rows come as the driver's tuples; the pool, its checks and the deadline are the same.
PostgreSQL, too, takes as long to parse and plan many of them as to run them, so that most are prepared (PREPARE).
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

import psycopg2
from psycopg2.errors import DuplicatePreparedStatement, FeatureNotSupported, InvalidSqlStatementName
from psycopg2.extensions import AsIs
from sqlalchemy import Engine, Select, TextClause
from sqlalchemy.dialects.postgresql.psycopg2 import dialect
from sqlalchemy.orm import Session

from rollcall.infra import deadline
from rollcall.infra.database import unavailable

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]
_PREPARED = "prepared"  # in the pool's ``info`` on a connection: the names of the statements that it knows


class Statement:
    """A query, compiled once; its parameters are named ``bindparam``\\ s.

    :param prepared: each connection plans it once, for any values: for a query whose plan does not depend on them.
    """

    __slots__ = ("_constants", "execution", "name", "preparation", "sql")

    def __init__(self, query: Select[Any] | TextClause, *, prepared: bool = False) -> None:
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
        """The parameters for the driver: those given, and the query's own constants."""
        return {**self._constants, **values}


def rows(session: Session, statement: Statement, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement, in one round trip.

    Where the session is in a transaction, they are read in it; else on a connection of the pool, without BEGIN.

    :param values: the statement's parameters by name.
    :raises RequestTimeout, DatabaseUnavailable: as any statement.
    """
    engine = session.get_bind()
    assert isinstance(engine, Engine)  # noqa: S101  (what our sessions are bound to)
    if session.in_transaction():
        in_use = session.connection().connection
        driver: Any = in_use.dbapi_connection
        # An error would end a transaction; where statements stand alone, there is none.
        known = in_use.info.setdefault(_PREPARED, set()) if driver.autocommit else None
        return _read(engine, driver, statement, values, known)
    try:
        pooled = engine.raw_connection()
    except psycopg2.Error as error:
        raise deadline.timeout_of(error, "connect") or unavailable(error, lost=True) or error from error
    connection: Any = pooled.dbapi_connection
    try:
        connection.autocommit = True
        return _read(engine, connection, statement, values, pooled.info.setdefault(_PREPARED, set()))
    finally:
        if connection.closed:
            pooled.invalidate()
        else:
            connection.autocommit = False
        pooled.close()


def _read(
    engine: Engine, connection: Any, statement: Statement, values: dict[str, Any], prepared: set[str] | None = None
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
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found
    except (psycopg2.Error, deadline.Expired) as error:
        raise deadline.timeout_of(error) or unavailable(error, lost=bool(connection.closed)) or error from error


def _execute(cursor: Any, statement: Statement, name: str, parameters: dict[str, Any], prepared: set[str]) -> None:
    """Execute it by its name; outside of a transaction, which the errors that may come of that would end."""
    if name not in prepared:
        with suppress(DuplicatePreparedStatement):
            cursor.execute(*statement.preparation)
        prepared.add(name)
    try:
        cursor.execute(statement.execution, parameters)
    except InvalidSqlStatementName:  # a pooler has handed on a connection that does not know it
        prepared.discard(name)
        cursor.execute(statement.sql, parameters)
    except FeatureNotSupported:  # "cached plan must not change result type": a migration has changed a column's type
        prepared.discard(name)
        cursor.execute(f"DEALLOCATE {name}")
        cursor.execute(statement.sql, parameters)
