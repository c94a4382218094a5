"""What to ask a part of the service to see whether it works; each probe raises when it does not, and bounds its waits."""

from __future__ import annotations

from functools import cache

from alembic.script import ScriptDirectory
from redis import Redis
from sqlalchemy import Engine, text

from rollcall import bundled
from rollcall.infra import deadline


class NotMigrated(Exception):
    """The database is not at the migrations' head."""


def database(engine: Engine, seconds: float) -> None:
    """A query on a connection of the pool, as a request would make it."""
    with deadline.bound(seconds), engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def migrated(engine: Engine, seconds: float) -> None:
    """:raises NotMigrated: ``flask db upgrade`` has not been run."""
    with deadline.bound(seconds), engine.connect() as connection:
        if connection.scalars(text("SELECT version_num FROM alembic_version")).all() != [_head()]:
            raise NotMigrated


def redis(url: str, seconds: float) -> None:
    """A PING on a connection of its own, closed afterwards."""
    # redis-py retries by default, which multiplies every timeout.
    with Redis.from_url(url, socket_timeout=seconds / 2, socket_connect_timeout=seconds / 2, retry=None) as client:
        client.ping()


@cache
def _head() -> str | None:
    return ScriptDirectory(str(bundled.folder("migrations"))).get_current_head()
