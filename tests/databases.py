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
