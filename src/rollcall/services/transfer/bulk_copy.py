"""PostgreSQL's COPY: how many rows go in quickly.

The rows travel in pieces of bounded size, each a COPY of its own, so that an interruption is seen between them and memory
stays constant. psycopg2 cannot COPY while a wait callback is registered; the callback is put aside for that time.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import psycopg2
from psycopg2 import extensions
from sqlalchemy import Connection, text

from rollcall.errors import DatabaseUnavailable
from rollcall.infra import causes, server_probe

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy(connection: Connection, target: str, lines: str) -> None:
    """Send rows to the server. The caller commits.

    :param connection: in a transaction.
    :param target: a table and its columns, as SQL of our own: ``users (email, username)``.
    :param lines: the rows in COPY's text format, as ``line`` makes them.
    :raises DatabaseUnavailable: the server went away, or has no room.
    """
    waiting = extensions.get_wait_callback()
    extensions.set_wait_callback(None)
    try:
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, server_probe.watched(driver):
            cursor.copy_expert(f"COPY {target} FROM STDIN", io.StringIO(lines), size=1 << 16)
    except psycopg2.OperationalError as error:
        raise DatabaseUnavailable(causes.reason(error)) from error
    finally:
        extensions.set_wait_callback(waiting)


def line(values: Iterable[str | int | bool | datetime | None]) -> str:
    """Write one row in COPY's text format (PostgreSQL manual, COPY, "Text Format")."""
    return "\t".join(map(_field, values)) + "\n"


def _field(value: str | int | bool | datetime | None) -> str:
    match value:
        case None:
            return "\\N"
        case str():
            return value.translate(_ESCAPES)
        case datetime():
            return value.isoformat()
        case _:
            return str(value)


def prepare(connection: Connection) -> None:
    """Allow the current transaction what a bulk needs: time, and memory to sort."""
    for setting, value in {"statement_timeout": "0", "work_mem": "64MB"}.items():
        connection.execute(text("SELECT set_config(:setting, :value, true)"), {"setting": setting, "value": value})
