"""Writing events: one statement in the transaction of what they tell, and one line of the log once that has committed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg2.extras import Json
from sqlalchemy import Connection, Table, bindparam, insert, text
from sqlalchemy.orm import Session

from rollcall.infra import reading
from rollcall.models import SecurityEvent
from rollcall.services.events import origin as origins
from rollcall.services.events.kinds import OWN, Kind
from rollcall.services.events.origin import Actor, Origin, Person
from rollcall.services.events.shape import IDS_SHOWN, Event, represented

log = logging.getLogger("rollcall.events")

_TABLE: Final[Table] = SecurityEvent.__table__  # type: ignore[assignment]
_COLUMNS: Final = [column.name for column in _TABLE.columns if column.name != "id"]
_INSERT: Final = reading.Statement(insert(_TABLE).values({name: bindparam(name) for name in _COLUMNS}).returning(_TABLE.c.id))
_INSERT_CHANGES: Final = """
    INSERT INTO security_events (
        at, type, actor_id, actor_username, subject_id, subject_username, address, user_agent, request_id, changes
    )
    SELECT :at, :type, CAST(:actor_id AS bigint), :actor_username, id, username, CAST(:address AS inet),
           :user_agent, :request_id, changes
    FROM ({query}) AS found (id, username, changes)
"""
_UNLOGGED: Final = "events"  # in a session's ``info``: those of the transaction under way


def described(stored: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recorded of a change.

    :param stored: the user's values by column before the change.
    :param changed: the new values by column; each differs from the old one.
    :return: ``[old, new]`` by field; of a password only that there is a new one.
    """
    changes: dict[str, Any] = {field: [stored[field], value] for field, value in changed.items()}
    if changes.pop("password_hash", None):
        changes["password"] = True
    return changes


_OF_A_PASSWORD: Final = ("password", "must_change_password")
_SHOWN_OF_A_USER: Final = ("email", "username", "full_name", "is_active", "is_superuser")


def created(user: object) -> dict[str, Any]:
    """Return what a new user is recorded as."""
    return {field: [None, value] for field in _SHOWN_OF_A_USER if (value := getattr(user, field)) is not None}


def deleted(user: object) -> dict[str, Any]:
    """Return what a user who is going to be deleted is recorded as."""
    return {field: [value, None] for field in _SHOWN_OF_A_USER if (value := getattr(user, field)) is not None}


def record(
    session: Session,
    kind: Kind,
    at: datetime,
    subject: Person | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    by: Person | None = None,
    subject_ids: Sequence[int] | None = None,
) -> None:
    """Record an event. The caller commits.

    :param subject: the user whom it is about, as that user is called now.
    :param changes: what was changed; never a secret.
    :param by: who did it; by default the actor of the session's origin.
    :param subject_ids: the users of a bulk, instead of ``subject``.
    """
    write(session, [(kind, changes or {})], at, subject, by=by, subject_ids=subject_ids)


def record_change(session: Session, at: datetime, user: Person, changes: Mapping[str, Any], *, by: Person | None = None) -> None:
    """Record what one request changed about a user. The caller commits.

    A new password is an event of its own, beside that of other fields: whoever watches for one type misses neither.

    :param changes: as ``described`` returns it.
    """
    secret = {name: changes[name] for name in _OF_A_PASSWORD if name in changes}
    fields = {name: value for name, value in changes.items() if name not in secret}
    events: list[tuple[Kind, Mapping[str, Any]]] = [(Kind.USER_CHANGED, fields)] if fields else []
    if secret:
        events.append((Kind.PASSWORD_CHANGED, secret))
    write(session, events, at, user, by=by)


def write(
    session: Session,
    events: Sequence[tuple[Kind, Mapping[str, Any]]],
    at: datetime,
    subject: Person | None,
    *,
    by: Person | None = None,
    subject_ids: Sequence[int] | None = None,
) -> None:
    """Record several events about the same users. The caller commits."""
    found = origins.of(session)
    unlogged = session.info.setdefault(_UNLOGGED, [])
    for kind, changes in events:
        unlogged.append(_insert(session, _row(kind, at, found, subject, changes, by=by, subject_ids=subject_ids)))


def write_on(connection: Connection, kind: Kind, at: datetime, origin: Origin, changes: Mapping[str, Any]) -> Event:
    """Record an event on a connection of a bulk's own. The caller commits, and then hands the result to ``log_event``."""
    return _insert(connection, _row(kind, at, origin, None, changes))


def write_changes_on(connection: Connection, at: datetime, origin: Origin, fields: str, passwords: str) -> None:
    """Record an event for each user of a batch whom it changed, on a connection of its own. The caller commits.

    They are not logged one by one: the event of the batch itself is.

    :param fields, passwords: our own queries for id, username and changes of users with changed fields, and with a new password.
    """
    row = _row(Kind.USER_CHANGED, at, origin, None, {})
    for kind, query in ((Kind.USER_CHANGED, fields), (Kind.PASSWORD_CHANGED, passwords)):
        connection.execute(text(_INSERT_CHANGES.format(query=query)), {**row, "type": str(kind)})


def forget_unlogged(session: Session) -> None:
    """Drop what a transaction that did not commit had recorded."""
    session.info.pop(_UNLOGGED, None)


def log_committed(session: Session) -> None:
    """Log what the transaction that has just committed had recorded."""
    for event in session.info.pop(_UNLOGGED, ()):
        log_event(event)


def log_event(event: Event) -> None:
    """Log a committed event; where the log is text, the logger is silent (infra/logs)."""
    if log.isEnabledFor(logging.INFO):
        log.info(event.type, extra={"event": represented(event)})


def _insert(work: Session | Connection, row: Mapping[str, Any]) -> Event:
    [(event_id,)] = reading.in_transaction(work, _INSERT, **{**row, "changes": Json(row["changes"])})
    ids = row["subject_ids"]
    shown = {"subject_ids": ids and ids[:IDS_SHOWN], "subject_count": ids and len(ids)}
    return Event(**{**row, **shown, "id": event_id})


def _row(
    kind: Kind,
    at: datetime,
    found: Origin,
    subject: Person | None,
    changes: Mapping[str, Any],
    *,
    by: Person | None = None,
    subject_ids: Sequence[int] | None = None,
) -> dict[str, Any]:
    actor = Actor.of(by) if by else found.actor
    if actor == Actor() and kind in OWN:
        actor = Actor.of(subject)
    about = Actor.of(subject)
    return {
        "at": at,
        "type": str(kind),
        "actor_id": actor.id,
        "actor_username": actor.username,
        "subject_id": about.id,
        "subject_username": about.username,
        "subject_ids": list(subject_ids) if subject_ids is not None else None,
        "address": found.address,
        "user_agent": found.user_agent,
        "request_id": found.request_id,
        "changes": dict(changes),
    }
