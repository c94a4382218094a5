"""The partitions of the trail: made ahead and dropped by whoever writes next, and never at the cost of a request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import text

import databases
from explained import noted
from rollcall.infra.database import db
from rollcall.services.events import partitions, unit
from rollcall.services.events.kinds import Kind
from rollcall.services.events.origin import OPERATOR
from rollcall.services.events.recording import record
from threads import together

SOME_DAY = datetime(2031, 5, 17, 12, 0, tzinfo=UTC)


@pytest.fixture
def app(settings: Any, clock: Any) -> Iterator[Flask]:
    """An application on a database of its own, in its context."""
    with databases.application(settings, clock) as app, app.app_context():
        flask_migrate.upgrade()
        yield app


def keep(present: datetime, days: int = 400) -> None:
    partitions._seen_to.clear()  # another process
    partitions.keep(db.engine, present, days)


def happen(at: datetime) -> None:
    """Let something happen, as a new process would record it."""
    partitions._seen_to.clear()
    with unit.transaction(OPERATOR, at, 400) as work:
        record(work, Kind.USERS_EXPORTED, at)


def fetch(query: str) -> list[Any]:
    with db.engine.connect() as connection:
        return list(connection.scalars(text(query)))


def months() -> list[str]:
    return fetch("""
        SELECT right(relname, 7) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'security_events'::regclass AND relname <> 'security_events_default' ORDER BY 1
    """)


def homes() -> list[str]:
    """Where the events are, in their order."""
    return fetch("SELECT tableoid::regclass::text FROM security_events ORDER BY at")


def test_this_month_and_the_next_are_there_before_the_first_event(app: Flask) -> None:
    happen(SOME_DAY)
    assert homes() == ["security_events_2031_05"]
    assert months() == ["2031_05", "2031_06"]


def test_a_month_begins_at_midnight_utc(app: Flask) -> None:
    keep(SOME_DAY)
    for moment in (datetime(2031, 5, 31, 23, 59, 59, 999_999, UTC), datetime(2031, 6, 1, tzinfo=UTC)):
        happen(moment)
    assert homes() == ["security_events_2031_05", "security_events_2031_06"]


def test_what_is_older_than_the_days_is_dropped_by_whole_months(app: Flask) -> None:
    happen(SOME_DAY)
    last = datetime(2031, 6, 1, tzinfo=UTC) + timedelta(days=400)
    keep(last - timedelta(seconds=1))
    assert homes() == ["security_events_2031_05"]
    keep(last)
    assert homes() == []
    assert "2031_05" not in months()


def test_nothing_is_done_twice_a_day(app: Flask) -> None:
    keep(SOME_DAY)
    with noted(db.engine) as sent:
        partitions.keep(db.engine, SOME_DAY + timedelta(hours=11), 400)
        assert sent == []
        partitions.keep(db.engine, SOME_DAY + timedelta(hours=13), 400)
        assert len(sent) == 1


def test_workers_at_once_make_them_once_and_lose_no_event(app: Flask) -> None:
    def work() -> None:
        with app.app_context():
            happen(SOME_DAY)

    together([work] * 5)
    assert len(homes()) == 5
    assert months() == ["2031_05", "2031_06"]


def test_a_lock_on_the_trail_delays_no_request_for_long_and_the_event_is_kept(app: Flask, caplog: Any) -> None:
    with db.engine.connect() as reader:
        reader.execute(text("SELECT count(*) FROM security_events"))  # in a transaction that stays open
        happen(SOME_DAY)
    assert homes() == ["security_events_default"]
    assert "could not be kept" in caplog.text
    keep(SOME_DAY + timedelta(days=1))  # the default partition has rows of this month, which stay there
    happen(SOME_DAY + timedelta(days=16))
    assert homes() == ["security_events_default", "security_events_2031_06"]
    keep(SOME_DAY + timedelta(days=500))
    assert homes() == []  # the default partition is emptied once all in it is old


def test_a_role_without_the_right_to_keep_them_still_records(app: Flask, caplog: Any) -> None:
    with db.engine.begin() as connection:
        connection.execute(text("REVOKE EXECUTE ON FUNCTION security_events_keep FROM CURRENT_USER"))
    happen(SOME_DAY)
    assert homes() == ["security_events_default"]
    assert "permission denied for function security_events_keep" in caplog.text


def test_not_everybody_may_have_events_dropped(app: Flask) -> None:
    # The entry without a grantee is that of PUBLIC.
    assert fetch("SELECT a.grantee FROM pg_proc, aclexplode(proacl) AS a WHERE proname = 'security_events_keep'") != []
    assert not fetch(
        "SELECT a.grantee FROM pg_proc, aclexplode(proacl) AS a WHERE proname = 'security_events_keep' AND a.grantee = 0"
    )


@pytest.mark.parametrize("statement", ["UPDATE {} SET type = 'x'", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["security_events", "security_events_2031_05"])
def test_events_cannot_be_changed_in_their_partition_either(app: Flask, statement: str, table: str) -> None:
    happen(SOME_DAY)
    with pytest.raises(Exception, match="never changed or deleted"), db.engine.begin() as connection:
        connection.execute(text(statement.format(table)))
    assert len(homes()) == 1


def test_a_rolled_back_request_leaves_no_event(app: Flask) -> None:
    def fail() -> None:
        with unit.transaction(OPERATOR, SOME_DAY, 400) as work:
            record(work, Kind.USERS_EXPORTED, SOME_DAY)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert homes() == []
