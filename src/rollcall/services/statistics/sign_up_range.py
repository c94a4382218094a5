"""How many users signed up between two moments, and on which day a row of such a list is.

The tally knows whole days; what is left of the first and the last day is counted on the index of ``created_at``.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Boolean, ColumnElement, Date, DateTime, Select, bindparam, func, select
from sqlalchemy.orm import Session

from rollcall.infra import reading
from rollcall.models import User
from rollcall.services.statistics import tally
from rollcall.services.statistics.tally import midnight

# Nobody signs up outside of these, and a day more or less is still in the calendar.
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)


class Range(NamedTuple):
    """Moments from ``after`` on and before ``before``, and the whole days among them: from ``first`` on, before ``end``."""

    after: datetime
    before: datetime
    first: date
    end: date


def between(after: datetime | None, before: datetime | None) -> Range:
    """Return the range from ``after`` (inclusive) to ``before`` (exclusive); ``None``: open."""
    start = min(max((after or _EARLIEST).astimezone(UTC), _EARLIEST), _LATEST)
    stop = max(start, min((before or _LATEST).astimezone(UTC), _LATEST))
    first = start.date() if start == midnight(start.date()) else start.date() + timedelta(days=1)
    return Range(start, stop, first, max(first, stop.date()))


def count(session: Session, found: Range, states: dict[str, bool]) -> int:
    """Return how many users in these states signed up in a range, exactly, without counting those of whole days."""
    [(users, deltas)] = reading.rows(session, _counting(tuple(states)), **_parts(found), **states)
    tally.note_deltas(int(deltas))
    return int(users)


def locate(session: Session, found: Range, offset: int, *, descending: bool, states: dict[str, bool]) -> tuple[datetime, int]:
    """Where row number ``offset`` (from 0) of a list by sign-up of a range is.

    :return: a moment and the number of rows to skip from there, in the order asked for.
    """
    parts = _parts(found)
    edge = ("tail", "tail_end") if descending else ("head", "head_end")
    [(partial,)] = reading.rows(session, _partial(tuple(states)), start=parts[edge[0]], stop=parts[edge[1]], **states)
    if offset < partial or found.first == found.end:
        return (found.before if descending else found.after), offset
    place = tally.locate(
        session,
        offset - partial,
        descending=descending,
        is_active=states.get("is_active"),
        is_superuser=states.get("is_superuser"),
        first_day=found.first,
        before_day=found.end,
    )
    if place.day is None:  # in the part of a day at the other end
        return (midnight(found.first) if descending else midnight(found.end)), offset - partial - place.total
    return midnight(place.day + timedelta(days=1)) if descending else midnight(place.day), place.skip


def _parts(found: Range) -> dict[str, Any]:
    """Return the parts of days at both ends; where the whole range lies within a day, the first is all of it."""
    head_end = min(midnight(found.first), found.before)
    return {
        "head": found.after,
        "head_end": head_end,
        "first": found.first,
        "end": found.end,
        "tail": max(midnight(found.end), head_end),
        "tail_end": found.before,
    }


def _in_states(of: Any, states: tuple[str, ...]) -> list[ColumnElement[bool]]:
    return [getattr(of, state) == bindparam(state, type_=Boolean) for state in states]


def _signed_up(states: tuple[str, ...], start: str, stop: str) -> Select[Any]:
    moments = (User.created_at >= _moment(start), User.created_at < _moment(stop))
    return select(func.count().label("users")).select_from(User).where(*moments, *_in_states(User, states))


def _moment(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=DateTime(timezone=True))


@cache
def _counting(states: tuple[str, ...]) -> reading.Statement:
    head = _signed_up(states, "head", "head_end").cte("head_part")
    tail = _signed_up(states, "tail", "tail_end").cte("tail_part")
    days = tally.by_day.c
    whole = (
        select(func.coalesce(func.sum(days.users), 0).label("users"), func.coalesce(func.sum(days.deltas), 0).label("deltas"))
        .where(days.day >= bindparam("first", type_=Date), days.day < bindparam("end", type_=Date), *_in_states(days, states))
        .cte("whole_days")
    )
    # In the order in which they take their locks: users before the tally; see there.
    query = select(head.c.users + tail.c.users + whole.c.users, whole.c.deltas).add_cte(head, tail, whole)
    return reading.Statement(query)


@cache
def _partial(states: tuple[str, ...]) -> reading.Statement:
    return reading.Statement(_signed_up(states, "start", "stop"))
