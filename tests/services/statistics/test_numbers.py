"""services/statistics/numbers: the six numbers against a recount of the table, at any moment of any day."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import explained
from rollcall.services.statistics import numbers, tally

NOW = datetime(2026, 3, 11, 15, 30, 0, 123456, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 11, tzinfo=UTC)
TICK = timedelta(microseconds=1)
WEEK = timedelta(days=7)

RECOUNT = text("""
    SELECT count(*), count(*) FILTER (WHERE is_active), count(*) FILTER (WHERE NOT is_active),
           count(*) FILTER (WHERE is_superuser), count(*) FILTER (WHERE created_at >= :midnight),
           count(*) FILTER (WHERE created_at >= :week)
    FROM users
""")


def recounted(session, now):
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return tuple(session.execute(RECOUNT, {"midnight": midnight, "week": now - WEEK}).one())


def computed(session, now):
    found = numbers.compute(session, now)
    return tuple(getattr(found, name) for name in found.__slots__ if name != "timestamp")


@pytest.fixture
def put(session):
    def put(*moments, **fields):
        for number, moment in enumerate(moments):
            name = f"u{number}-{abs(hash((moment, *fields.items())))}"[:50]
            row = {"name": name, "at": moment, "is_active": True, "is_superuser": False, **fields}
            session.execute(
                text(
                    "INSERT INTO users (email, username, is_active, is_superuser, created_at)"
                    " VALUES (:name || '@example.org', :name, :is_active, :is_superuser, :at)"
                ),
                row,
            )

    return put


@pytest.fixture
def spread(session):
    """Users of every state, one every 37 minutes of twelve days."""
    session.execute(
        text(
            "INSERT INTO users (email, username, is_active, is_superuser, created_at)"
            " SELECT n || '@example.org', 'user' || n, n % 3 > 0, n % 7 = 0, :now - n * interval '37 min 1 us'"
            " FROM generate_series(-100, 400) AS n"
        ),
        {"now": NOW},
    )


MOMENTS = [
    NOW,
    MIDNIGHT - TICK,
    MIDNIGHT,
    MIDNIGHT + TICK,
    MIDNIGHT + timedelta(days=1) - TICK,
    datetime(2026, 3, 1, 0, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    datetime(2027, 1, 1, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_all_six_are_a_recount_at_any_moment(session, spread, now):
    assert computed(session, now) == recounted(session, now)


def test_all_six_are_a_recount_in_every_quarter_of_an_hour_of_a_day(session, spread):
    tally.fold(session)
    for minutes in range(0, 24 * 60 + 15, 15):
        now = MIDNIGHT + timedelta(minutes=minutes)
        assert computed(session, now) == recounted(session, now)


def test_states_are_told_apart(session, put):
    put(NOW, is_active=True)
    put(NOW, is_active=False)
    put(NOW, NOW, is_active=True, is_superuser=True)
    put(NOW, is_active=False, is_superuser=True)
    assert computed(session, NOW) == (5, 3, 2, 3, 5, 5)


def test_nobody_is_counted_in_an_empty_table(session):
    assert computed(session, NOW) == (0, 0, 0, 0, 0, 0)


def test_today_begins_at_midnight_utc_to_the_microsecond(session, put):
    put(MIDNIGHT - TICK, MIDNIGHT)
    assert computed(session, NOW)[4] == 1
    assert computed(session, MIDNIGHT)[4] == 1
    assert computed(session, MIDNIGHT - TICK)[4] == 2
    assert computed(session, MIDNIGHT + timedelta(days=1))[4] == 0


def test_week_is_seven_times_24_hours_to_the_microsecond(session, put):
    put(NOW - WEEK - TICK, NOW - WEEK, NOW - WEEK + TICK)
    assert computed(session, NOW)[5] == 2
    assert computed(session, NOW + TICK)[5] == 1
    assert computed(session, NOW - TICK)[5] == 3


def test_week_that_begins_at_midnight_counts_that_whole_day(session, put):
    begins = MIDNIGHT - WEEK
    put(begins - TICK, begins, begins + timedelta(days=1) - TICK, begins + timedelta(days=1))
    assert computed(session, MIDNIGHT)[5] == 3


@pytest.mark.parametrize("hours", [-11, -3.5, 0, 5.75, 14])
def test_zone_of_the_moment_makes_no_difference(session, spread, hours):
    local = NOW.astimezone(timezone(timedelta(hours=hours)))
    assert numbers.compute(session, local) == numbers.compute(session, NOW)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "America/St_Johns"])
def test_zone_of_the_database_session_makes_no_difference(session, spread, zone):
    session.execute(text(f"SET LOCAL timezone = '{zone}'"))
    assert computed(session, NOW) == recounted(session, NOW)
    tomorrow = NOW + timedelta(days=1)
    assert numbers.signups(session, NOW, 20)[-1][1] == recounted(session, NOW)[4] - recounted(session, tomorrow)[4]


@pytest.mark.parametrize("fold", [False, True])
def test_edited_sign_up_times_are_followed(session, spread, fold):
    if fold:
        tally.fold(session)
    session.execute(text("UPDATE users SET created_at = created_at - interval '5 days 3 hours' WHERE id % 3 = 0"))
    session.execute(text("UPDATE users SET is_active = NOT is_active WHERE id % 4 = 0"))
    session.execute(text("DELETE FROM users WHERE id % 5 = 0"))
    assert computed(session, NOW) == recounted(session, NOW)


def test_timestamp_is_the_moment_in_iso_8601_and_utc(session):
    shown = numbers.compute(session, NOW.astimezone(timezone(timedelta(hours=2)))).as_dict()
    assert shown["timestamp"] == "2026-03-11T15:30:00.123456+00:00"


def test_all_six_come_in_one_query(engine, session, spread):
    session.commit()
    with Session(engine) as fresh, explained.noted(engine) as sent:
        numbers.compute(fresh, NOW)
    [query] = sent
    read = re.findall(r"FROM (\w+)", query.sql)
    assert read[0] == "users", "whoever truncates users locks them first"
    assert read.index("user_tally_deltas") < read.index("user_tally")


def test_uncommitted_users_of_others_are_not_counted(engine, session, put):
    put(NOW)
    with Session(engine) as other:
        assert computed(other, NOW)[0] == 0


def test_signups_are_a_recount_by_day(session, spread):
    by_day = text("SELECT (created_at AT TIME ZONE 'UTC')::date, count(*) FROM users GROUP BY 1")
    counted = dict(tuple(row) for row in session.execute(by_day))
    found = numbers.signups(session, NOW, 20)
    assert [day for day, _ in found] == [NOW.date() - timedelta(n) for n in range(20)][::-1]
    assert [count for _, count in found] == [counted.get(day, 0) for day, _ in found]
    assert sum(count for _, count in found) > 300
