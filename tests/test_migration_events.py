"""Migration 0014: the users' changes go over into the trail, also those that the previous version writes, and come back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import text

import databases
from rollcall.infra.database import db

USERS = "INSERT INTO users (email, username) SELECT 'u' || n || '@example.org', 'user' || n FROM generate_series(1, 3) AS n"
# As the previous version writes them: of one user, of several, by the operator.
WRITE = """
    INSERT INTO user_changes (user_id, at, by_user_id, by_username, changes) VALUES
    (1, '{0}-02-03 04:05:06+00', 3, 'user3', '{{"full_name": [null, "X"]}}'),
    (1, '{0}-02-03 04:05:07+00', NULL, NULL, '{{"password": true}}'),
    (2, '{0}-02-03 04:05:08+00', 3, 'user3', '{{"is_active": [true, false], "password": true}}')
"""
TRAIL = """
    SELECT extract(year FROM at)::int, type, actor_id, actor_username, subject_id, subject_username, changes
    FROM security_events ORDER BY at
"""
CHANGES = "SELECT user_id, at, by_user_id, by_username, changes FROM user_changes ORDER BY at"


@pytest.fixture
def before(settings: Any, clock: Any) -> Iterator[Flask]:
    """A database of the previous version with three users and three changes."""
    with databases.application(settings, clock) as app, app.app_context():
        flask_migrate.upgrade(revision="0012")
        run(USERS)
        run(WRITE.format(2024))
        yield app


def run(statement: str) -> None:
    with db.engine.begin() as connection:
        connection.execute(text(statement.replace(":", "\\:")))


def fetch(query: str) -> list[tuple[Any, ...]]:
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query.replace("::", "\\:\\:")))]


def in_trail(year: int) -> list[tuple[Any, ...]]:
    return [
        (year, "user_changed", 3, "user3", 1, "user1", {"full_name": [None, "X"]}),
        (year, "password_changed", None, "operator", 1, "user1", {"password": True}),
        (year, "user_changed", 3, "user3", 2, "user2", {"is_active": [True, False], "password": True}),
    ]


def test_changes_go_over_in_their_order_and_into_their_month(before: Flask) -> None:
    flask_migrate.upgrade()
    assert fetch(TRAIL) == in_trail(2024)
    assert fetch("SELECT DISTINCT tableoid::regclass::text FROM security_events") == [("security_events_2024_02",)]
    ids = [row[0] for row in fetch("SELECT id FROM security_events ORDER BY at")]
    assert ids == sorted(ids)


def test_what_the_previous_version_still_writes_is_in_the_trail(before: Flask) -> None:
    flask_migrate.upgrade()
    run(WRITE.format(2025))
    assert fetch(TRAIL) == in_trail(2024) + in_trail(2025)
    run("DELETE FROM user_changes")  # as it trims its rows
    run("DELETE FROM users")
    assert len(fetch(TRAIL)) == 6


def test_a_downgrade_brings_back_what_only_the_trail_knows(before: Flask) -> None:
    flask_migrate.upgrade()
    old = fetch(CHANGES)
    run("""
        INSERT INTO security_events (at, type, actor_id, actor_username, subject_ids, changes)
        VALUES ('2026-01-01 00:00+00', 'users_changed', 3, 'user3', '{1,2,999}', '{"is_active": [true, false]}')
    """)
    run("""
        INSERT INTO security_events (at, type, actor_username, subject_id, changes)
        VALUES ('2026-01-01 00:01+00', 'password_changed', 'operator', 2, '{"password": true}'),
               ('2026-01-01 00:02+00', 'login_failed', NULL, 2, '{}')
    """)
    flask_migrate.downgrade(revision="0012")
    found = fetch(CHANGES)
    assert found[:3] == old
    assert {(row[0], row[2], row[3]) for row in found[3:]} == {(1, 3, "user3"), (2, None, None), (2, 3, "user3")}
    assert len(found) == 6
    flask_migrate.upgrade()
    assert len(fetch(TRAIL)) == 6
