"""How an event is shown: the same in the REST interface, at the command line and in the log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

IDS_SHOWN: Final = 100
"""Of a bulk the ids of so many users are shown; the trail keeps all, so that each of them is found."""


class Event(NamedTuple):
    """An event. Of a bulk it has the ids of the first users, and how many users there are."""

    at: datetime
    id: int
    type: str
    actor_id: int | None
    actor_username: str | None
    subject_id: int | None
    subject_username: str | None
    subject_ids: list[int] | None
    subject_count: int | None
    address: str | None
    user_agent: str | None
    request_id: str | None
    changes: dict[str, Any]


def represented(event: Event) -> dict[str, Any]:
    """Return the event as JSON has it."""
    return {
        "id": event.id,
        "time": event.at.isoformat(),
        "type": event.type,
        "actor": _person(event.actor_id, event.actor_username),
        "subject": _person(event.subject_id, event.subject_username),
        "subject_ids": event.subject_ids,
        "subject_count": event.subject_count,
        "address": event.address,
        "user_agent": event.user_agent,
        "request_id": event.request_id,
        "changes": event.changes,
    }


def _person(user_id: int | None, username: str | None) -> dict[str, Any] | None:
    return None if username is None else {"id": user_id, "username": username}
