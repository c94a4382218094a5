"""The six numbers of the dashboard and the sign-up chart (R1), from the tally."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from rollcall.infra import cache
from rollcall.infra.cache import Cached
from rollcall.models import User
from rollcall.services import tally

Transaction = Callable[[], AbstractContextManager[Session]]

_KEY = "statistics"  # in the cache


@dataclass(frozen=True, slots=True)
class Statistics:
    """The state of the user base at ``timestamp`` (aware, UTC)."""

    total_users: int
    active_users: int
    inactive_users: int
    superusers: int
    new_users_today: int  # since midnight, UTC
    new_users_week: int  # in the seven days (168 hours) before the timestamp
    timestamp: datetime

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; the time as ISO 8601."""
        counts = {name: getattr(self, name) for name in self.__slots__ if name != "timestamp"}
        return {**counts, "timestamp": self.timestamp.isoformat()}


def compute(session: Session, now: datetime) -> Statistics:
    """All six numbers in one query, exact for committed data, in time that does not grow with the number of users.

    Whole days come from the tally; the part of a day with which the rolling week begins is counted on the index of
    ``created_at``.

    The tally's deltas are folded when there are many; the caller commits.

    :param now: the moment to speak of, aware.
    """
    now = now.astimezone(UTC)
    week_start = now - timedelta(days=7)
    first_whole_day = week_start.date() + timedelta(days=1)
    counts, by_day = tally.of_all_days.c, tally.by_day.c
    # The order of these, which is that of their locks, is the last query's: users before the tally; see there.
    first_part = (
        select(func.count().label("users"))
        .select_from(User)
        .where(User.created_at >= week_start, User.created_at < tally.midnight(first_whole_day))
        .cte("first_part")
    )
    whole_days = (
        select(_sum(by_day.users).label("week"), _sum(by_day.users, by_day.day >= now.date()).label("today"))
        .where(by_day.day >= first_whole_day)
        .cte("whole_days")
    )
    totals = select(
        _sum(counts.users).label("total"),
        _sum(counts.users, counts.is_active).label("active"),
        _sum(counts.users, ~counts.is_active).label("inactive"),
        _sum(counts.users, counts.is_superuser).label("superusers"),
        _sum(counts.deltas).label("deltas"),
    ).cte("totals")
    week = (first_part.c.users + whole_days.c.week).label("week")
    query = select(week, whole_days.c.today, totals)
    row = session.execute(query.select_from(first_part.join(whole_days, true()).join(totals, true()))).one()
    tally.fold_many(session, row.deltas)
    return Statistics(
        total_users=int(row.total),
        active_users=int(row.active),
        inactive_users=int(row.inactive),
        superusers=int(row.superusers),
        new_users_today=int(row.today),
        new_users_week=int(row.week),
        timestamp=now,
    )


def cached(transaction: Transaction, now: datetime, ttl: int) -> Cached:
    """The statistics as plain JSON types, at most ``ttl`` seconds old, and their age; on a hit without a query.

    :param transaction: opens a unit of work where one is needed; it commits.
    """

    def compute_now() -> dict[str, Any]:
        with transaction() as session:
            return compute(session, now).as_dict()

    return cache.fetch(_KEY, ttl, now.timestamp(), compute_now)


def refresh(transaction: Transaction, now: datetime, ttl: int) -> Cached:
    """The statistics, computed now even if those in the cache are still good; all workers then have the new ones.

    :param transaction: opens a unit of work; it commits.
    """
    cache.forget(_KEY)
    return cached(transaction, now, ttl)


def signups(session: Session, now: datetime, days: int) -> list[tuple[date, int]]:
    """Sign-ups for each of the last ``days`` UTC days up to today's, days without any included.

    :param days: 1–366.
    """
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    day = tally.by_day.c.day
    query = select(day, func.sum(tally.by_day.c.users)).where(day >= first, day <= today).group_by(day)
    counts = {when: int(count) for when, count in session.execute(query)}
    return [(when, counts.get(when, 0)) for when in (first + timedelta(days=n) for n in range(days))]


def _sum(column: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
    """Of the rows for which the conditions hold; 0 if there are none."""
    total = func.sum(column)
    return func.coalesce(total.filter(*conditions) if conditions else total, 0)
