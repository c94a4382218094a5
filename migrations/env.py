"""Runs the migrations, one transaction each, one process at a time."""

import time

from alembic import context
from click import ClickException
from flask import current_app
from sqlalchemy import Connection, text

from rollcall.cli.console import plain_failures


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out the partitions of the security events, which come and go by themselves."""
    return not (kind == "table" and name is not None and name.startswith("security_events_"))


db = current_app.extensions["migrate"].db

# Any number that no other user of advisory locks in this database takes.
_LOCK = 7_205_759_403_792_793


def _lock(connection: Connection) -> None:
    # A session that waits inside pg_advisory_lock() holds a snapshot, and CREATE INDEX CONCURRENTLY in the session
    # that has the lock waits for that snapshot to go: they would wait for each other. So ask, and sleep outside.
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
        connection.rollback()
        time.sleep(0.1)
    connection.rollback()


def run() -> None:
    with db.engine.connect() as connection:
        # The deadline's backstop is for requests; an index on a large table may take its time.
        connection.execute(text("SET statement_timeout = 0"))
        connection.commit()
        _lock(connection)
        try:
            context.configure(
                connection=connection,
                target_metadata=db.metadata,
                transaction_per_migration=True,
                compare_server_default=True,
                include_name=_is_ours,
                **current_app.extensions["migrate"].configure_args,
            )
            with context.begin_transaction():
                context.run_migrations()
        finally:
            connection.invalidate()  # a session's lock and settings end with the session


if context.is_offline_mode():
    raise ClickException("Rollcall's migrations read the database; run them online.")
with plain_failures():
    run()
