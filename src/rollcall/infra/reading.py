"""Reading rows at the price of the driver, for the queries that nearly every request makes.

Of a query that takes 50 µs, SQLAlchemy's execution and result add 70 µs, its session 45 and its objects 50 more. Here a
query is compiled once and its rows come as the driver's tuples; the pool, its checks and the deadline are the same.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg2
from sqlalchemy import Engine, Select, TextClause
from sqlalchemy.dialects.postgresql.psycopg2 import dialect
from sqlalchemy.orm import Session

from rollcall.infra import deadline
from rollcall.infra.database import unavailable

_DIALECT: Final = dialect()  # type: ignore[no-untyped-call]


class Statement:
    """A query, compiled once; its parameters are named ``bindparam``\\ s."""

    __slots__ = ("_constants", "sql")

    def __init__(self, query: Select[Any] | TextClause) -> None:
        compiled = query.compile(dialect=_DIALECT)
        self.sql = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

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
        return _read(engine, session.connection().connection.dbapi_connection, statement, values)
    try:
        pooled = engine.raw_connection()
    except psycopg2.Error as error:
        raise deadline.timeout_of(error, "connect") or unavailable(error, lost=True) or error from error
    connection: Any = pooled.dbapi_connection
    try:
        connection.autocommit = True
        return _read(engine, connection, statement, values)
    finally:
        if connection.closed:
            pooled.invalidate()
        else:
            connection.autocommit = False
        pooled.close()


def _read(engine: Engine, connection: Any, statement: Statement, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    parameters, executemany = statement.with_values(values), False
    try:
        with connection.cursor() as cursor:
            for listener in engine.dispatch.before_cursor_execute:  # the deadline's is one of them
                listener(None, cursor, statement.sql, parameters, None, executemany)
            cursor.execute(statement.sql, parameters)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found
    except (psycopg2.Error, deadline.Expired) as error:
        raise deadline.timeout_of(error) or unavailable(error, lost=bool(connection.closed)) or error from error
