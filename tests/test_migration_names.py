"""Migration 0013: it names users who are equal by the new rules, changes nobody, and the service goes on meanwhile."""

from __future__ import annotations

from contextlib import closing

import flask_migrate
import psycopg2
import pytest
from click import ClickException
from sqlalchemy import text

import databases
from facts import NOON
from rollcall.infra.database import db
from rollcall.models import UserSession
from rollcall.services.identity import accounts

ADD = text("INSERT INTO users (email, username) VALUES (:email, :username)")


@pytest.fixture
def before(settings, clock):
    """An application on a database before the migration, whose locale knows ASCII's capitals alone."""
    with databases.application(settings, clock, "LOCALE_PROVIDER libc LOCALE 'C'") as app, app.app_context():
        flask_migrate.upgrade(revision="0012")
        yield app


def add(*people):
    with db.engine.begin() as connection:
        for email, username in people:
            connection.execute(ADD, {"email": email, "username": username})


def fetch(query):
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


USERS = "SELECT id, email, username FROM users ORDER BY id"
SCHEMA = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"


def test_it_names_all_who_are_equal_and_changes_nobody(before):
    add(
        ("Élise@example.org", "elise1"),
        ("élise@example.org", "elise2"),
        ("info@bücher.example", "idn1"),
        ("info@xn--bcher-kva.example", "idn2"),
        ("jörg@example.org", "joerg1"),
        ("jo\u0308rg@example.org", "joerg2"),
        ("JÖRG@example.org", "joerg3"),
        ("ann@example.org", "Ann"),
        ("other@example.org", "ÖYA"),
        ("another@example.org", "öya"),
    )
    users, schema = fetch(USERS), fetch(SCHEMA)
    with pytest.raises(ClickException) as refusal:
        flask_migrate.upgrade()
    [sentence, *lines] = refusal.value.message.splitlines()
    assert sentence.startswith("Nothing was changed: ")
    assert "Change or delete all but one of each line" in sentence
    assert lines == [
        "  email: users 1 (Élise@example.org) and 2 (élise@example.org)",
        "  email: users 3 (info@bücher.example) and 4 (info@xn--bcher-kva.example)",
        "  email: users 5 (jörg@example.org) and 6 (jo\u0308rg@example.org) and 7 (JÖRG@example.org)",
        "  username: users 9 (ÖYA) and 10 (öya)",
    ]
    assert (fetch(USERS), fetch(SCHEMA)) == (users, schema)
    with db.engine.begin() as connection:
        connection.execute(text("DELETE FROM users WHERE id IN (2, 4, 6, 7, 10)"))
    flask_migrate.upgrade()
    assert fetch(USERS) == [user for user in users if user[0] in (1, 3, 5, 8, 9)]


def test_a_run_that_was_interrupted_after_the_change_is_finished_by_the_next(before):
    add(("ann@example.org", "ann"))
    flask_migrate.upgrade(revision="0013")
    schema = fetch(SCHEMA)
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0012'"))
        connection.execute(text("DROP INDEX ix_users_search, ix_users_superusers_by_username"))
    flask_migrate.upgrade(revision="0013")
    assert fetch(SCHEMA) == schema


def test_a_run_that_was_interrupted_before_the_change_is_done_again(before):
    add(("ann@example.org", "ann"))
    with db.engine.begin() as connection:  # what is left of an interrupted build
        connection.execute(text("CREATE INDEX uq_users_email_new ON users (full_name)"))
    flask_migrate.upgrade(revision="0013")
    assert "user_name_key" in dict(fetch(SCHEMA))["uq_users_email"]


def test_connections_of_the_previous_version_are_ended_while_they_are_idle(before):
    """A prepared statement does not survive another type of its result, and a worker keeps its connections."""
    with db.engine.connect() as connection:
        url = connection.connection.driver_connection.dsn
    with closing(psycopg2.connect(url)) as worker:
        worker.autocommit = True
        flask_migrate.upgrade(revision="0013")
        with pytest.raises(psycopg2.OperationalError), worker.cursor() as cursor:
            cursor.execute("SELECT 1")


def test_a_statement_that_was_prepared_before_goes_on(before):
    flask_migrate.upgrade()
    add(("ann@example.org", "ann"))
    with db.session() as session:
        session.add(UserSession(user_id=1, token_hash=accounts.digest("token"), expires_at=NOON.replace(year=2100)))
        session.commit()
    client, headers = before.test_client(), {"Authorization": "Bearer token"}
    assert client.get("/api/v1/auth/me", headers=headers).status_code == 200
    with db.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER user_search_text ON users"))
        connection.execute(text("ALTER TABLE users ALTER full_name TYPE varchar(101)"))
    for _ in range(3):
        assert client.get("/api/v1/auth/me", headers=headers).status_code == 200


def test_downgrade_keeps_everybody_and_searches_as_before(before):
    schema = fetch(SCHEMA)
    add(("Ann@example.org", "Ann"))
    users = fetch(USERS)
    flask_migrate.upgrade(revision="0013")
    add(("bob@example.org", "bob"))
    flask_migrate.downgrade(revision="0012")
    assert fetch(SCHEMA) == schema
    assert fetch(USERS)[:1] == users
    assert fetch("SELECT search_text LIKE 'bob_%' FROM users WHERE username = 'bob'") == [(True,)]
