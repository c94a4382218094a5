"""A database of a test's own, beside the one of the run, and an application on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import flask_migrate
from flask import Flask
from sqlalchemy import TextClause, text

import servers
from rollcall.app import create_app
from rollcall.infra.database import db
from rollcall.settings import Settings

# Only the partitions that have rows: to truncate all of them would take longer than most tests.
FORGET_EVENTS = text("""
    DO $$
    DECLARE
        part regclass;
        filled boolean;
    BEGIN
        FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'security_events'::regclass LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %s)', part) INTO filled;
            IF filled THEN
                EXECUTE format('TRUNCATE %s', part);
            END IF;
        END LOOP;
    END $$
""")


# Every table but the events. TRUNCATE makes new files for users, their 17 indexes and nine more tables: 26 ms, where a few rows
# are deleted in 2. The tally comes after the users, whose deletion writes to it.
EMPTY_TABLES = text("""
    DO $$
    DECLARE
        name text;
    BEGIN
        IF (SELECT count(*) FROM (SELECT FROM users LIMIT 200) AS counted) = 200 THEN
            TRUNCATE users, login_failures, operations RESTART IDENTITY CASCADE;
        END IF;
        FOR name IN
            SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
            AND NOT relispartition AND relname <> 'alembic_version' ORDER BY relname <> 'users', relname
        LOOP
            EXECUTE format('DELETE FROM %I', name);
        END LOOP;
        PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) FROM pg_sequences
        WHERE schemaname = current_schema() AND last_value IS NOT NULL AND sequencename <> 'security_events_id_seq';
    END $$
""")


@contextmanager
def application(settings: Settings, clock: Callable[[], datetime], options: str = "") -> Iterator[Flask]:
    """An application on a new, empty database, without tables yet; the database is gone afterwards.

    :param options: further ones of CREATE DATABASE: its encoding, its locale.
    """
    with contextmanager(servers._database_on)(str(settings.database_url), options) as url:
        app = create_app(replace(settings, database_url=url), clock)
        yield app
        with app.app_context():
            app.extensions["sqlalchemy"].engine.dispose()


@contextmanager
def filled(settings: Settings, clock: Callable[[], datetime], users: TextClause, **values: Any) -> Iterator[Flask]:
    """An application on a database of its own with the users that a statement inserts, of whom the planner knows."""
    with application(settings, clock) as app:
        with app.app_context():
            flask_migrate.upgrade()
            with db.engine.begin() as connection:
                connection.execute(users, values)
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM ANALYZE"))
        yield app
