"""Reading events, the newest first, at the same cost on the last page as on the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, cast, func, literal, select, tuple_, union_all
from sqlalchemy.orm import Session

from rollcall.models import SecurityEvent
from rollcall.services.events.kinds import CHANGES, Kind
from rollcall.services.events.origin import OPERATOR
from rollcall.services.events.shape import IDS_SHOWN, Event

RECENT: Final = 50
"""How many changes a page shows of a user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events; conditions combine with AND.

    :ivar types: any of these; empty: all.
    :ivar user_id: those about this user, bulks included.
    :ivar after, before: inclusive and exclusive.
    """

    types: tuple[Kind, ...] = ()
    user_id: int | None = None
    actor_id: int | None = None
    after: datetime | None = None
    before: datetime | None = None


class Position(NamedTuple):
    """The event after which a page continues."""

    at: datetime
    id: int


class Change(NamedTuple):
    """One change of a user. ``by_username`` is ``None`` for the operator at the command line."""

    at: datetime
    by_user_id: int | None
    by_username: str | None
    changes: dict[str, Any]


def page(session: Session, chosen: EventFilter, after: Position | None, size: int) -> tuple[list[Event], Position | None]:
    """Up to ``size`` events that come after a position, and the position of the next page, if there is one."""
    rows = session.execute(_query(chosen, after, size + 1)).all()
    events = [Event(*row) for row in rows[:size]]
    return events, Position(events[-1].at, events[-1].id) if len(rows) > size else None


def deleted_user(session: Session, username: str) -> int | None:
    """Return the id of the user of this name who was deleted last, as far as the events go back."""
    query = _branch(
        [SecurityEvent.type == str(Kind.USER_DELETED), func.lower(SecurityEvent.subject_username) == func.lower(username)], 1
    )
    found = session.execute(query).one_or_none()
    return Event(*found).subject_id if found else None


def changes_filter(user_id: int) -> EventFilter:
    """Return what was changed about a user."""
    return EventFilter(types=CHANGES, user_id=user_id)


def recent(session: Session, user_id: int, limit: int = RECENT) -> Sequence[Change]:
    """Return the latest changes of a user, the newest first."""
    events, _ = page(session, changes_filter(user_id), None, limit)
    operator = OPERATOR.actor
    return [
        Change(
            event.at,
            event.actor_id,
            None if (event.actor_id, event.actor_username) == (operator.id, operator.username) else event.actor_username,
            event.changes,
        )
        for event in events
    ]


_COLUMNS: Final = (
    SecurityEvent.at,
    SecurityEvent.id,
    SecurityEvent.type,
    SecurityEvent.actor_id,
    SecurityEvent.actor_username,
    SecurityEvent.subject_id,
    SecurityEvent.subject_username,
    SecurityEvent.subject_ids[1:IDS_SHOWN].label("subject_ids"),
    func.cardinality(SecurityEvent.subject_ids).label("subject_count"),
    SecurityEvent.address,
    SecurityEvent.user_agent,
    SecurityEvent.request_id,
    SecurityEvent.changes,
)


def _query(chosen: EventFilter, after: Position | None, limit: int) -> Select[Any]:
    """One index scan; of the events about a user two, since a bulk has its users in an array."""
    if chosen.user_id is None:
        return _branch(_conditions(chosen, after), limit)
    single = SecurityEvent.subject_id == chosen.user_id
    among = SecurityEvent.subject_ids.contains(cast([chosen.user_id], ARRAY(BigInteger)))
    branches = [select(_branch([*_conditions(chosen, after), one], limit).subquery()) for one in (single, among)]
    both = union_all(*branches).subquery()
    return select(both).order_by(both.c.at.desc(), both.c.id.desc()).limit(limit)


def _branch(conditions: list[ColumnElement[bool]], limit: int) -> Select[Any]:
    return select(*_COLUMNS).where(*conditions).order_by(SecurityEvent.at.desc(), SecurityEvent.id.desc()).limit(limit)


def _conditions(chosen: EventFilter, after: Position | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if len(chosen.types) == 1:
        found.append(SecurityEvent.type == str(chosen.types[0]))
    elif chosen.types:
        found.append(SecurityEvent.type.in_([str(kind) for kind in chosen.types]))
    if chosen.actor_id is not None:
        found.append(SecurityEvent.actor_id == chosen.actor_id)
    if chosen.after is not None:
        found.append(SecurityEvent.at >= chosen.after)
    if chosen.before is not None:
        found.append(SecurityEvent.at < chosen.before)
    if after is not None:
        found.append(tuple_(SecurityEvent.at, SecurityEvent.id) < tuple_(literal(after.at), literal(after.id)))
    return found
