"""Compute the six numbers of the dashboard and the chart of created users (R1) from the tally."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache as once
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Date, DateTime, bindparam, func, select, true
from sqlalchemy.orm import Session

from rollcall.infra import cache, reading
from rollcall.infra.cache import Cached
from rollcall.models import User
from rollcall.services.statistics import tally

_KEY = "statistics"  # in the cache


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers of users at ``timestamp`` (aware, UTC)."""

    total_users: int
    active_users: int
    inactive_users: int
    superusers: int
    new_users_today: int  # since midnight, UTC
    new_users_week: int  # in the seven days (168 hours) before the timestamp
    timestamp: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON types; the time is ISO 8601."""
        counts = {name: getattr(self, name) for name in self.__slots__ if name != "timestamp"}
        return {**counts, "timestamp": self.timestamp.isoformat()}


def compute(session: Session, now: datetime) -> Statistics:
    """Compute all six numbers in one query. They are exact for committed data.

    The time does not grow with the number of users: whole days come from the tally. The rolling week begins within a day;
    the users of that part of the day are counted on the index of ``created_at``.

    :param now: the time that the numbers refer to, aware.
    """
    now = now.astimezone(UTC)
    week_start = now - timedelta(days=7)
    first_whole_day = week_start.date() + timedelta(days=1)
    moments = {"week_start": week_start, "midnight": tally.midnight(first_whole_day)}
    [row] = reading.rows(session, _six_numbers(), first_whole_day=first_whole_day, today=now.date(), **moments)
    total, active, inactive, superusers, today, week, deltas = map(int, row)
    tally.note_deltas(deltas)
    return Statistics(total, active, inactive, superusers, today, week, now)


@once
def _six_numbers() -> reading.Statement:
    """Return the query for the numbers, in the order of :class:`Statistics`, and for the number of deltas that it read."""
    counts, by_day = tally.of_all_days.c, tally.by_day.c
    moment = partial(bindparam, type_=DateTime(timezone=True))
    day = partial(bindparam, type_=Date)
    first_part = (
        select(func.count().label("users"))
        .select_from(User)
        .where(User.created_at >= moment("week_start"), User.created_at < moment("midnight"))
        .cte("first_part")
    )
    whole_days = (
        select(_sum(by_day.users).label("week"), _sum(by_day.users, by_day.day >= day("today")).label("today"))
        .where(by_day.day >= day("first_whole_day"))
        .cte("whole_days")
    )
    totals = select(
        _sum(counts.users).label("total"),
        _sum(counts.users, counts.is_active).label("active"),
        _sum(counts.users, ~counts.is_active).label("inactive"),
        _sum(counts.users, counts.is_superuser).label("superusers"),
        _sum(counts.deltas).label("deltas"),
    ).cte("totals")
    query = select(
        *(totals.c[name] for name in ("total", "active", "inactive", "superusers")),
        whole_days.c.today,
        (first_part.c.users + whole_days.c.week).label("week"),
        totals.c.deltas,
    )
    # The order of the locks: users before the tally (see ``tally``).
    query = query.add_cte(first_part, whole_days, totals)
    return reading.Statement(query.select_from(first_part.join(whole_days, true()).join(totals, true())), prepared=True)


def cached(session: Session, now: datetime, ttl: int) -> Cached:
    """Return the statistics as JSON types, at most ``ttl`` seconds old, and their age. A cache hit needs no query."""
    return cache.fetch(_KEY, ttl, now.timestamp(), lambda: compute(session, now).as_dict())


def refresh(session: Session, now: datetime, ttl: int) -> Cached:
    """Compute the statistics now and replace those in the cache, for all workers."""
    return cache.store(_KEY, ttl, now.timestamp(), compute(session, now).as_dict())


def signups(session: Session, now: datetime, days: int) -> list[tuple[date, int]]:
    """Return the number of users created on each of the last ``days`` UTC days, today included; 0 for days without any.

    :param days: 1–366.
    """
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    day = tally.by_day.c.day
    query = select(day, func.sum(tally.by_day.c.users)).where(day >= first, day <= today).group_by(day)
    counts = {when: int(count) for when, count in session.execute(query)}
    return [(when, counts.get(when, 0)) for when in (first + timedelta(days=n) for n in range(days))]


def _sum(column: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    """Sum a column over the rows that meet the conditions; 0 if there are none."""
    total = func.sum(column)
    return func.coalesce(total.filter(*conditions) if conditions else total, 0)
