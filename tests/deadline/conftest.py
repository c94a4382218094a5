"""A real gunicorn with a limit of one second, on a real PostgreSQL and Redis behind gates that can fall silent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

import servers
from deadline.harness import Gate, Observer, Server, connector, serve

SCHEMA = """
CREATE TABLE stuck_rows (key text PRIMARY KEY, delay float NOT NULL DEFAULT 0, slow_insert float NOT NULL DEFAULT 0);
INSERT INTO stuck_rows VALUES ('locked');
CREATE FUNCTION stuck_in_commit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.delay > 0 THEN PERFORM pg_sleep(NEW.delay); END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER commit AFTER INSERT ON stuck_rows DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION stuck_in_commit();
CREATE FUNCTION stuck_in_insert() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(NEW.slow_insert); RETURN NEW; END $$;
CREATE TRIGGER insert BEFORE INSERT ON stuck_rows FOR EACH ROW WHEN (NEW.slow_insert > 0)
    EXECUTE FUNCTION stuck_in_insert();
"""


@pytest.fixture(scope="session")
def database() -> Iterator[Any]:
    """An autocommit connection of the test's own, past the gate, to a database with the table of ``stuck``."""
    # Not the database of the other tests, whose tables are compared with the models.
    with servers.postgres() as url:
        connection = psycopg2.connect(url, application_name="observer")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(SCHEMA)
        yield connection
        connection.close()


@pytest.fixture(scope="session")
def gates(database: Any, redis_url: str) -> Iterator[dict[str, Gate]]:
    redis = urlsplit(redis_url)
    info = database.info
    gates = {
        "postgres": Gate(connector(info.host or "127.0.0.1", info.port)),
        "redis": Gate(connector(redis.hostname or "127.0.0.1", redis.port or 6379)),
    }
    yield gates
    for gate in gates.values():
        gate.close()


@pytest.fixture(scope="session")
def server(gates: dict[str, Gate], database: Any) -> Iterator[Server]:
    """One worker, a limit of one second."""
    with serve(gates, database.info.dbname) as running:
        yield running


@pytest.fixture
def observer(database: Any) -> Observer:
    return Observer(database)
