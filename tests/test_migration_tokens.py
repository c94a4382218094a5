"""Migration 0023: the table of users stays in use while ``api_tokens`` waits for it, and an interrupted run can be repeated."""

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
        flask_migrate.upgrade(revision="0022")
        with db.engine.begin() as connection:
            connection.execute(text("INSERT INTO users (email, username) VALUES ('ann@example.org', 'ann')"))
        yield app


def test_requests_go_on_while_it_waits_for_one_that_holds_the_table(before):
    with db.engine.connect() as other:
        other.execute(text("UPDATE users SET full_name = 'Ann'"))
        failures = []

        def upgrade():
            try:
                with before.app_context():
                    flask_migrate.upgrade(revision="0023")
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
    with db.engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0023"


def test_a_run_that_was_interrupted_is_finished_by_the_next(before):
    flask_migrate.upgrade(revision="0023")
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0022'"))
        connection.execute(text("DROP INDEX ix_api_tokens_user_id"))
    flask_migrate.upgrade(revision="0023")
    with db.engine.connect() as connection:
        assert "ix_api_tokens_user_id" in connection.scalars(text("SELECT indexname FROM pg_indexes")).all()
