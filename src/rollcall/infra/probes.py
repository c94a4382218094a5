"""Probes of the dependencies. Each raises if its dependency does not work, and bounds its waits."""

from __future__ import annotations

from functools import cache

from alembic.script import ScriptDirectory
from redis import Redis
from redis.exceptions import ResponseError
from sqlalchemy import Engine, text

from rollcall import bundled
from rollcall.infra import deadline

_PROBE_KEY = "rollcall:health"


class Unwritable(Exception):
    """The dependency answers, but cannot be written."""


class NotMigrated(Exception):
    """The database's schema is older than this code."""


def database(engine: Engine, seconds: float) -> None:
    """Execute a query on a connection of the pool, as a request does.

    :raises Unwritable: the server is a standby, or read-only.
    """
    with deadline.bound(seconds), engine.connect() as connection:
        if connection.scalar(text("SELECT current_setting('transaction_read_only')")) == "on":
            raise Unwritable


def migrated(engine: Engine, seconds: float) -> None:
    """:raises NotMigrated: ``flask db upgrade`` of this version has not been run."""
    with deadline.bound(seconds), engine.connect() as connection:
        versions = connection.scalars(text("SELECT version_num FROM alembic_version")).all()
    if not versions or not all(_is_head_or_later(version) for version in versions):
        raise NotMigrated


def redis(url: str, seconds: float) -> None:
    """Write a value over a new connection, and close it.

    :raises Unwritable: Redis refuses the write: it is a replica, or out of memory or disk space.
    """
    # redis-py retries by default, which multiplies every timeout.
    with Redis.from_url(url, socket_timeout=seconds / 2, socket_connect_timeout=seconds / 2, retry=None) as client:
        try:
            client.set(_PROBE_KEY, 1, ex=60)
        except ResponseError as error:
            raise Unwritable from error


def _is_head_or_later(version: str) -> bool:
    # Revisions are numbered. A later one is of a newer version of this code, whose schema this one still runs on: during a
    # rolling upgrade the old processes stay ready.
    head = _head()
    return version == head or (version.isdecimal() and head.isdecimal() and int(version) > int(head))


@cache
def _head() -> str:
    return ScriptDirectory(str(bundled.folder("migrations"))).get_current_head() or ""
