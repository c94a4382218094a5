"""Migrations 0018 to 0020: the table of users stays in use meanwhile, and the previous code runs on what they make."""

from __future__ import annotations

from threading import Thread

import flask_migrate
import pytest
from sqlalchemy import text

import databases
from rollcall.infra.database import db


@pytest.fixture
def before(settings, clock):
    """An application at the version before, with a user, in its context."""
    with databases.application(settings, clock) as app, app.app_context():
        flask_migrate.upgrade(revision="0017")
        with db.engine.begin() as connection:
            connection.execute(text("INSERT INTO users (email, username) VALUES ('ann@example.org', 'ann')"))
        yield app


def version():
    with db.engine.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()


def test_requests_go_on_while_it_waits_for_one_that_holds_the_table(before):
    with db.engine.connect() as other:
        other.execute(text("UPDATE users SET full_name = 'Ann'"))
        failures = []

        def upgrade():
            try:
                with before.app_context():
                    flask_migrate.upgrade(revision="0020")
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        run = Thread(target=upgrade)
        run.start()
        run.join(timeout=3)
        assert run.is_alive()
        with db.engine.begin() as third:
            third.execute(text("INSERT INTO users (email, username) VALUES ('bob@example.org', 'bob')"))
        other.rollback()
        run.join(timeout=60)
    assert failures == []
    assert version() == "0020"


def test_a_run_that_was_interrupted_is_finished_by_the_next(before):
    flask_migrate.upgrade(revision="0020")
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0017'"))
        connection.execute(text("DROP INDEX ix_mails_waiting, ix_one_time_links_expires_at"))
    flask_migrate.upgrade(revision="0020")
    with db.engine.connect() as connection:
        names = set(connection.scalars(text("SELECT indexname FROM pg_indexes")))
    assert {"ix_mails_waiting", "ix_mails_user_id", "ix_mails_created_at", "ix_one_time_links_expires_at"} <= names


def test_the_previous_code_still_reads_and_writes(before):
    flask_migrate.upgrade(revision="0020")
    with db.engine.begin() as connection:
        connection.execute(text("INSERT INTO users (email, username, password_hash) VALUES ('bob@example.org', 'bob', 'x')"))
        connection.execute(text("UPDATE users SET password_hash = 'y' WHERE username = 'ann'"))
        connection.execute(text("DELETE FROM users WHERE username = 'bob'"))
        assert connection.scalars(text("SELECT must_change_password FROM users")).all() == [False]
