"""Build the indexes of ``users`` after a large load, where that is much faster than to keep them up to date row by row.

PostgreSQL manual, "Populating a Database": drop the indexes, COPY, create them. It is one transaction: nobody sees half of the
load, and where it fails the old indexes are there. From its begin to its end every other statement on ``users`` waits, so this is
for a table that is nearly empty, and for a command that an operator runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from psycopg2.errors import LockNotAvailable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from rollcall.services.search import search_index

ROWS_AT_LEAST: Final = 50_000
TIMES_AS_LARGE: Final = 100
"""How many times the rows of the table a load must have."""
LOCK_PATIENCE: Final = "2s"
_MEMORY: Final = "512MB"
# The time for the indexes in relation to the time for the rows, on two cores: 2.0 at a million users.
_SHARE: Final = 2.0

_INDEXES: Final = text("""
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = 'users'::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    ORDER BY indexrelid
""")


@contextmanager
def after_load(connection: Connection, rows: int, *, building: Callable[[float], None] | None) -> Iterator[None]:
    """Load rows into ``users`` within the block, with the indexes built afterwards where that pays. The caller commits.

    :param connection: in a transaction.
    :param rows: how many rows will be loaded.
    :param building: called before the indexes are built, with the seconds that this will take, about. ``None``: other statements
        must not wait, so the indexes are kept up to date.
    :raises IntegrityError: on leaving the block, if a loaded name is not unique.
    """
    if building is None or not _is_nearly_empty(connection, rows) or not _locked(connection):
        search_index.gather(connection)
        yield
        search_index.settle(connection)
        return
    indexes = connection.execute(_INDEXES).all()
    for name, _ in indexes:
        connection.exec_driver_sql(f"DROP INDEX {name}")
    started = time.monotonic()
    yield
    building(_SHARE * (time.monotonic() - started))
    connection.execute(text("SELECT set_config('maintenance_work_mem', :memory, true)"), {"memory": _MEMORY})
    for _, definition in indexes:
        connection.exec_driver_sql(definition, execution_options={"no_parameters": True})
    connection.execute(text("ANALYZE users"))


def _is_nearly_empty(connection: Connection, rows: int) -> bool:
    most = rows // TIMES_AS_LARGE
    count = text("SELECT count(*) FROM (SELECT FROM users LIMIT :enough) AS counted")
    return rows >= ROWS_AT_LEAST and connection.execute(count, {"enough": most + 1}).scalar_one() <= most


def _locked(connection: Connection) -> bool:
    """Lock the table, unless somebody is at work with it: then others would wait behind this lock."""
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}'"))
            connection.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            return False
        raise
    return True
