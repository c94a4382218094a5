"""Migration 0016: log-ins that are known from before, while users come and go."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import flask_migrate
import pytest
from sqlalchemy import text

import databases
from facts import NOON
from rollcall.infra.database import db

LOGINS = "SELECT username, never_logged_in, last_login_at FROM users LEFT JOIN user_logins ON user_id = id ORDER BY username"


@pytest.fixture
def before(settings, clock):
    """An application on a database before the migration: a session, an event, both, neither; and an event of nobody."""
    with databases.application(settings, clock) as app, app.app_context():
        flask_migrate.upgrade(revision="0015")
        with db.engine.begin() as connection:
            for name in ("session", "event", "both", "neither"):
                user = "INSERT INTO users (email, username, created_at) VALUES (:name || '@example.org', :name, :at)"
                connection.execute(text(user), {"name": name, "at": NOON - timedelta(days=30)})
            put_session(connection, 1, NOON)
            put_session(connection, 3, NOON - timedelta(days=1))
            put_event(connection, 2, NOON - timedelta(days=9), "login_succeeded")
            put_event(connection, 3, NOON - timedelta(days=2), "login_succeeded")
            put_event(connection, 4, NOON, "login_failed")
            put_event(connection, 99, NOON, "login_succeeded")
        yield app


def put_session(connection, user_id, at):
    query = "INSERT INTO sessions (user_id, token_hash, created_at, expires_at) VALUES (:id, sha256(:id::text::bytea), :at, :at)"
    connection.execute(text(query.replace(":id::text", "CAST(:id AS text)")), {"id": user_id, "at": at})


def put_event(connection, user_id, at, kind):
    query = "INSERT INTO security_events (at, type, subject_id, changes) VALUES (:at, :kind, :id, '{}')"
    connection.execute(text(query), {"at": at, "kind": kind, "id": user_id})


def fetch(query):
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


EXPECTED = [
    ("both", False, NOON - timedelta(days=1)),
    ("event", False, NOON - timedelta(days=9)),
    ("neither", True, None),
    ("session", False, NOON),
]


def test_it_takes_over_what_sessions_and_events_know(before):
    flask_migrate.upgrade(revision="0016")
    assert fetch(LOGINS) == EXPECTED


def test_a_run_that_was_interrupted_is_finished_by_the_next(before):
    flask_migrate.upgrade(revision="0016")
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0015'"))
        connection.execute(text("DELETE FROM user_logins WHERE user_id = 1"))
        connection.execute(text("DROP INDEX ix_users_with_password, ix_user_logins_last_login_at"))
    flask_migrate.upgrade(revision="0016")
    assert fetch(LOGINS) == EXPECTED
    names = {name for (name,) in fetch("SELECT indexname FROM pg_indexes")}
    assert {
        "ix_users_with_password",
        "ix_users_without_password",
        "ix_users_never_logged_in",
        "ix_user_logins_last_login_at",
    } <= names


def test_it_waits_for_nobody_who_holds_a_user_and_takes_that_user_over_afterwards(before):
    with db.engine.connect() as other:
        other.execute(text("CREATE INDEX ON users (full_name)"))
        other.commit()
        other.execute(text("SELECT FROM users WHERE id = 1 FOR UPDATE"))
        failures = []

        def upgrade():
            try:
                with before.app_context():
                    flask_migrate.upgrade(revision="0016")
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        run = Thread(target=upgrade)
        run.start()
        run.join(timeout=3)
        assert run.is_alive()  # the table's lock waits for the row's
        with db.engine.begin() as third:  # and requests go on meanwhile
            third.execute(text("UPDATE users SET full_name = 'X' WHERE id = 4"))
        other.rollback()
        run.join(timeout=60)
    assert failures == []
    assert fetch(LOGINS) == EXPECTED


def test_the_previous_code_still_reads_and_writes(before):
    flask_migrate.upgrade(revision="0016")
    with db.engine.begin() as connection:
        put_session(connection, 4, NOON)
        connection.execute(text("INSERT INTO users (email, username) VALUES ('new@example.org', 'new')"))
        connection.execute(text("DELETE FROM users WHERE username = 'session'"))
    assert ("new", True, None) in fetch(LOGINS)
    assert [row[0] for row in fetch(LOGINS)] == ["both", "event", "neither", "new"]
