"""How the events are looked up: each filter by an index, in the order of the list, however many events there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

import databases
from explained import noted, plan
from rollcall.infra.database import db
from rollcall.services.events import trail
from rollcall.services.events.kinds import Kind
from rollcall.services.events.trail import EventFilter, Position

# Four months; most are log-ins; some users have changed, and there are bulks of a hundred.
FILL = text("""
    INSERT INTO security_events (at, type, actor_id, actor_username, subject_id, subject_username, subject_ids, changes)
    SELECT timestamptz '2026-04-30 00:00+00' - n * interval '1 hour' / 20,
           CASE WHEN n % 1000 = 0 THEN 'users_changed' WHEN n % 50 = 0 THEN 'user_changed' ELSE 'login_succeeded' END,
           n % 500, 'user', CASE WHEN n % 1000 > 0 THEN n % 700 END, CASE WHEN n % 1000 > 0 THEN 'user' END,
           CASE WHEN n % 1000 = 0 THEN ARRAY(SELECT generate_series(n, n + 99)) END, '{}'
    FROM generate_series(1, 50000) AS n
""")


@pytest.fixture(scope="module")
def app(settings: Any, clock: Any) -> Iterator[Flask]:
    months = text("SELECT security_events_add(make_timestamptz(2026, m, 1, 0, 0, 0, 'UTC')) FROM generate_series(1, 4) AS m")
    with databases.application(settings, clock) as app, app.app_context():
        flask_migrate.upgrade()
        with db.engine.begin() as connection:
            connection.execute(months)
            connection.execute(FILL)
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        yield app


def nodes(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield root
    for below in root.get("Plans", ()):
        yield from nodes(below)


NEXT = Position(datetime(2026, 3, 1, tzinfo=UTC), 40_000)


@pytest.mark.parametrize("after", [None, NEXT], ids=["first page", "next page"])
@pytest.mark.parametrize(
    "chosen",
    [
        EventFilter(),
        EventFilter(types=(Kind.USERS_CHANGED,)),
        EventFilter(types=(Kind.LOGIN_FAILED,)),
        EventFilter(actor_id=17),
        EventFilter(user_id=17),
        EventFilter(user_id=17, types=(Kind.USER_CHANGED,)),
        EventFilter(after=datetime(2026, 2, 1, tzinfo=UTC), before=datetime(2026, 4, 2, tzinfo=UTC)),
        trail.changes_filter(50),
    ],
    ids=lambda chosen: ",".join(name for name in ("types", "actor_id", "user_id", "before") if getattr(chosen, name)) or "all",
)
def test_no_table_is_read_as_a_whole(app: Flask, chosen: EventFilter, after: Position | None) -> None:
    with noted(db.engine) as sent, Session(db.engine) as session:
        trail.page(session, chosen, after, 50)
    with db.engine.connect() as connection:
        found = list(nodes(plan(connection, sent[-1])))
    filled = [node for node in found if node.get("Relation Name", "").startswith("security_events_2026_0")]
    scans = {node["Node Type"] for node in filled if node["Actual Loops"]}
    assert scans <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
    # The events of a user come by two ways, of which bulks are few; none is looked at for nothing.
    looked_at = sum(node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0) for node in filled if node["Actual Loops"])
    assert looked_at < 1_500


def test_the_changes_of_a_user_are_not_sought_among_the_log_ins(app: Flask) -> None:
    with noted(db.engine) as sent, Session(db.engine) as session:
        found, _ = trail.page(session, trail.changes_filter(50), None, 50)
    assert found
    with db.engine.connect() as connection:
        used = {node.get("Index Name", "") for node in nodes(plan(connection, sent[-1])) if node["Actual Loops"]}
    partial = [name for name in used if "subject_id_at_id" in name]
    assert partial
    assert not [name for name in used if name.endswith("_pkey")]
