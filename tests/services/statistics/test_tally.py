"""services/statistics/tally: whoever writes users, and however many at once, the tally tells what a count would."""

from __future__ import annotations

import random
import re
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from threading import Event

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

import explained
from rollcall.models import User, user_tally, user_tally_deltas, user_tally_totals
from rollcall.services.statistics import numbers, tally
from rollcall.services.statistics.tally import Difference
from rollcall.services.transfer import bulk_copy
from threads import together, wait_until_blocked

DAY = date(2026, 3, 11)
MANY = text(
    "INSERT INTO users (email, username, is_active, is_superuser, created_at)"
    " SELECT :prefix || n || '@example.org', :prefix || n, n % 3 > 0, n % 5 = 0,"
    "        timestamptz '2026-03-11 12:00+00' - n * interval '1 h'"
    " FROM generate_series(1, :count) AS n"
)


def put(session, prefix, count):
    session.execute(MANY, {"prefix": prefix, "count": count})


def rows(session, table):
    return session.execute(select(func.count()).select_from(table)).scalar_one()


def test_every_kind_of_write_is_tallied(session, make_user):
    make_user()
    put(session, "many", 200)
    writes = [
        "UPDATE users SET is_active = NOT is_active WHERE id % 2 = 0",
        "UPDATE users SET is_superuser = true, created_at = created_at - interval '40 days' WHERE id % 7 = 0",
        "UPDATE users SET created_at = created_at + interval '1 hour'",
        "UPDATE users SET full_name = 'X'",
        "DELETE FROM users WHERE id % 3 = 0",
        "INSERT INTO users (email, username) VALUES ('many2@example.org', 'many2') ON CONFLICT DO NOTHING",
        "INSERT INTO users (email, username) VALUES ('new@example.org', 'new')",
        """MERGE INTO users USING (VALUES (1), (2)) AS given (id) ON users.id = given.id
           WHEN MATCHED THEN UPDATE SET is_active = false""",
        """WITH gone AS (DELETE FROM users WHERE id % 5 = 0 RETURNING email, username)
           INSERT INTO users (email, username) SELECT 'again-' || email, 'again-' || username FROM gone""",
    ]
    for statement in writes:
        session.execute(text(statement))
        assert tally.verify(session) == [], statement


def test_copy_is_tallied(engine, session):
    lines = "".join(bulk_copy.line([f"c{n}@example.org", f"c{n}", n % 2 == 0]) for n in range(100))
    with engine.begin() as connection:
        bulk_copy.copy(connection, "users (email, username, is_active)", lines)
    assert tally.count(session) == 100
    assert tally.count(session, is_active=True) == 50
    assert tally.verify(session) == []


def test_truncation_is_tallied(session):
    put(session, "many", 100)
    session.commit()
    tally.fold(session)
    session.execute(text("TRUNCATE users CASCADE"))
    assert tally.count(session) == 0
    assert tally.verify(session) == []


def test_what_is_rolled_back_is_not_tallied(session, make_user):
    make_user()
    with session.begin_nested() as savepoint:
        put(session, "many", 100)
        assert tally.count(session) == 101
        savepoint.rollback()
    assert tally.count(session) == 1
    session.rollback()
    assert tally.verify(session) == []


def test_update_that_changes_no_count_writes_nothing(session, make_user):
    make_user()
    before = rows(session, user_tally_deltas)
    session.execute(text("UPDATE users SET full_name = 'X', created_at = created_at + interval '1 s', is_active = is_active"))
    session.execute(text("DELETE FROM users WHERE false"))
    assert rows(session, user_tally_deltas) == before


def test_bulk_of_any_size_appends_a_delta_for_each_group_only(session):
    put(session, "many", 24 * 3)  # three days and a bit, up to four states
    assert rows(session, user_tally_deltas) <= 16


def test_day_is_that_of_utc_whatever_the_writers_time_zone(engine, session):
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"):
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL timezone = '{zone}'"))
            connection.execute(
                text("INSERT INTO users (email, username, created_at) VALUES (:n || '@example.org', :n, :at)"),
                [
                    {"n": zone[-5:] + "0", "at": "2026-03-11 00:00+00"},
                    {"n": zone[-5:] + "1", "at": "2026-03-12 23:59:59.999999+00"},
                ],
            )
    assert {tuple(row) for row in session.execute(select(user_tally_deltas.c.day).distinct())} == {(DAY,), (DAY + timedelta(1),)}
    assert tally.verify(session) == []


def test_writer_with_another_search_path_is_tallied(engine, session):
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA elsewhere"))
        connection.execute(text("CREATE TABLE elsewhere.user_tally_deltas (LIKE public.user_tally_deltas)"))
    try:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL search_path = elsewhere"))
            connection.execute(text("CREATE TEMP TABLE user_tally_deltas (LIKE public.user_tally_deltas) ON COMMIT DROP"))
            connection.execute(text("INSERT INTO public.users (email, username) VALUES ('a@example.org', 'aaa')"))
            connection.execute(text("UPDATE public.users SET is_active = false"))
        assert tally.count(session, is_active=False) == 1
        assert tally.verify(session) == []
    finally:
        session.rollback()
        with engine.begin() as connection:
            connection.execute(text("DROP SCHEMA elsewhere CASCADE"))


@pytest.mark.parametrize("active", [None, True, False])
@pytest.mark.parametrize("superuser", [None, True, False])
def test_counts_by_state_are_those_of_the_table(session, active, superuser):
    put(session, "many", 60)
    tally.fold(session)
    put(session, "more", 31)
    query = select(func.count()).select_from(User)
    for column, value in ((User.is_active, active), (User.is_superuser, superuser)):
        query = query.where(column == value) if value is not None else query
    assert tally.count(session, is_active=active, is_superuser=superuser) == session.scalar(query)


def test_fold_moves_the_deltas_and_changes_no_count(session):
    put(session, "many", 100)
    session.execute(text("DELETE FROM users WHERE id % 2 = 0"))
    before = tally.count(session)
    tally.fold(session)
    assert rows(session, user_tally_deltas) == 0
    assert rows(session, user_tally) > 0
    assert tally.count(session) == before
    assert tally.verify(session) == []


def test_whoever_writes_to_the_tally_keeps_the_totals(session):
    """Also the workers of before, until all are replaced."""
    put(session, "many", 60)
    tally.fold(session)
    writes = [
        "UPDATE user_tally SET users = users + 2",
        "DELETE FROM user_tally WHERE is_superuser",
        "INSERT INTO user_tally VALUES ('2020-02-29', true, true, 7), ('2020-03-01', true, true, -3)",
        """INSERT INTO user_tally VALUES ('2020-02-29', true, true, 1)
           ON CONFLICT (day, is_active, is_superuser) DO UPDATE SET users = user_tally.users + excluded.users""",
        "TRUNCATE user_tally",
    ]
    for statement in writes:
        session.execute(text(statement))
        assert totals(session, user_tally_totals) == totals(session, user_tally), statement


def totals(session, table):
    query = select(table.c.is_active, table.c.is_superuser, func.sum(table.c.users)).group_by(*table.c[-3:-1])
    return {tuple(row) for row in session.execute(query) if row[-1]}


def test_a_count_reads_no_day(engine, session):
    put(session, "many", 60)
    tally.fold(session)
    with explained.noted(engine) as sent:
        assert tally.count(session) == 60
    [statement] = sent
    assert set(re.findall(r"FROM (\w+)", statement.sql)) == {"user_tally_deltas", "user_tally_totals"}


def test_fold_takes_a_bounded_number(session, monkeypatch):
    monkeypatch.setattr(tally, "FOLD_AT_MOST", 10)
    for n in range(15):
        put(session, f"user{n}-", 1)
    tally.fold(session)
    assert rows(session, user_tally_deltas) == 5
    assert tally.verify(session) == []


def test_reader_that_finds_many_deltas_leaves_them_to_the_next_writer(session, monkeypatch, clock):
    monkeypatch.setattr(tally, "FOLD_ABOVE", 5)
    readers = [
        tally.count,
        partial(tally.count, is_active=True),
        partial(tally.locate, offset=0, descending=True),
        lambda work: numbers.compute(work, clock.now),
    ]
    for number, read in enumerate(readers):
        for n in range(5):
            put(session, f"r{number}-{n}-", 1)
        read(session)
        tally.fold_noted(session)
        assert rows(session, user_tally_deltas) == 5  # not many
        put(session, f"r{number}-6-", 1)
        read(session)
        assert rows(session, user_tally_deltas) == 6
        tally.fold_noted(session)
        assert rows(session, user_tally_deltas) == 0


def test_fold_passes_over_what_another_fold_has_in_hand(engine, session):
    put(session, "many", 10)
    session.commit()
    tally.fold(session)
    with Session(engine) as other:
        put(other, "more", 1)
        other.commit()
        other.execute(text("SET LOCAL lock_timeout = '2s'"))
        session.execute(select(user_tally_deltas).with_for_update())
        tally.fold(other)
        assert rows(other, user_tally_deltas) > 0
    session.commit()
    assert tally.verify(session) == []


def test_verify_names_each_group_that_differs(session, make_user):
    make_user()
    make_user(is_active=False)
    session.execute(user_tally_deltas.delete().where(~user_tally_deltas.c.is_active))
    extra = {"day": DAY - timedelta(3), "is_active": True, "is_superuser": True, "users": 2}
    session.execute(user_tally.insert().values(**extra))
    assert tally.verify(session) == [
        Difference(DAY - timedelta(3), is_active=True, is_superuser=True, tallied=2, counted=0),
        Difference(DAY, is_active=False, is_superuser=False, tallied=0, counted=1),
        Difference(None, is_active=False, is_superuser=False, tallied=0, counted=1),
        Difference(None, is_active=True, is_superuser=True, tallied=2, counted=0),
    ]


def test_verify_finds_wrong_totals_and_repair_rebuilds_them(session):
    put(session, "many", 10)
    tally.fold(session)
    session.execute(user_tally_totals.update().values(users=user_tally_totals.c.users + 1))
    assert {difference.day for difference in tally.verify(session)} == {None}
    tally.repair(session)
    assert tally.verify(session) == []
    assert tally.count(session) == 10


def test_repair_rebuilds_the_tally_from_the_table(session):
    put(session, "many", 100)
    tally.fold(session)
    session.execute(user_tally.update().values(users=user_tally.c.users + 1))
    session.execute(user_tally_deltas.insert().values(day=DAY, is_active=True, is_superuser=True, users=-7))
    assert tally.verify(session) != []
    tally.repair(session)
    assert tally.verify(session) == []
    assert tally.count(session) == 100


def test_repair_waits_for_a_writer_and_misses_nobody(engine, session):
    put(session, "many", 10)

    def repair():
        with Session(engine) as other:
            tally.repair(other)
            other.commit()

    def commit():
        wait_until_blocked(engine)
        session.commit()

    together([repair, commit])
    assert tally.count(session) == 10
    assert tally.verify(session) == []


WRITES = {
    "insert": "INSERT INTO users (email, username) VALUES (:name || '@example.org', :name)",
    "bulk": "INSERT INTO users (email, username) SELECT :name || n || '@example.org', :name || n FROM generate_series(1, 50) n",
    "edit": "UPDATE users SET is_active = NOT is_active WHERE id % 5 = :some",
    "move": "UPDATE users SET created_at = created_at - interval '1 day' WHERE id % 7 = :some",
    "delete": "DELETE FROM users WHERE id % 11 = :some",
    "truncate": "TRUNCATE users CASCADE",
    "copy": None,
}


def write_for_a_while(engine, seed):
    choice = random.Random(seed)
    for step in range(100):
        [kind] = choice.choices(list(WRITES), weights=[6, 3, 3, 3, 3, 1, 3])
        name = f"w{seed}-{step}-"
        # Two updates that meet crosswise are a deadlock, which the database ends; then it is as if one had not been.
        with Session(engine) as work, suppress_deadlock():
            if kind == "copy":
                lines = "".join(bulk_copy.line([f"{name}{n}@example.org", f"{name}{n}"]) for n in range(20))
                bulk_copy.copy(work.connection(), "users (email, username)", lines)
            else:
                work.execute(text(WRITES[kind]), {"name": name, "some": choice.randrange(5)})
            if choice.random() < 0.85:
                work.commit()


@contextmanager
def suppress_deadlock():
    try:
        yield
    except DBAPIError as error:
        if error.orig.pgcode != "40P01":
            raise


def read_until(engine, done, now):
    while not done.is_set():
        with Session(engine) as work:
            tally.fold(work)
            work.commit()
            numbers.compute(work, now)
            assert tally.verify(work) == []
            work.commit()


def test_tally_is_right_during_and_after_many_writers_and_folds_at_once(engine, session, clock):
    done = Event()

    def write_all():
        try:
            together([partial(write_for_a_while, engine, seed) for seed in range(4)])
        finally:
            done.set()

    together([write_all, *2 * [partial(read_until, engine, done, clock.now)]])
    assert tally.verify(session) == []
    tally.fold(session)
    assert tally.verify(session) == []
