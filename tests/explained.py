"""The plans of what an application sends to PostgreSQL: as it sends it, prepared or not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, event

from rollcall.infra.reading import Statement


class Sent(NamedTuple):
    """A statement that was sent, and its parameters; where it was read past the session, what it was made of."""

    sql: str
    parameters: Any
    statement: Statement | None


@contextmanager
def noted(engine: Engine) -> Iterator[list[Sent]]:
    """What is sent in the block."""
    sent: list[Sent] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, context: Any, _many: bool) -> None:
        sent.append(Sent(sql, parameters, context if isinstance(context, Statement) else None))

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def plan(connection: Connection, sent: Sent) -> dict[str, Any]:
    """The plan of a statement. It is run, where that changes nothing, to know which of its branches are taken."""
    reads = sent.sql.lstrip().startswith(("SELECT", "WITH")) and not re.search("INSERT INTO|DELETE FROM", sent.sql)
    run = "ANALYZE, " if reads else ""
    sql = sent.sql
    prepared = sent.statement if sent.statement and sent.statement.name else None
    if prepared:
        sql = prepared.execution
        connection.exec_driver_sql("DEALLOCATE ALL")
        connection.exec_driver_sql(*prepared.preparation)
    [[[explained]]] = connection.exec_driver_sql(f"EXPLAIN ({run}FORMAT JSON) {sql}", sent.parameters)
    if prepared:
        connection.exec_driver_sql("DEALLOCATE ALL")
        connection.info.pop("prepared", None)
    root: dict[str, Any] = explained["Plan"]
    return root
