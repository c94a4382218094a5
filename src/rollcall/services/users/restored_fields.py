"""The fields that only an export of Rollcall's own has: a user's id, the time of the last change, that of the last log-in.

An import into an empty installation restores them, so that moving out and back changes nothing. They are no fields that a person
fills in. An id or a time of change that is not understood is another system's, and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Earlier times are the zero of some other system's calendar."""
ID_MAX: Final = 2**53
"""Far from the end of the sequence: the users who are created afterwards have ids as well."""


NAMES: Final = ("id", "updated_at", "last_login_at")


@dataclass(frozen=True, slots=True)
class Restored:
    """What an export has of a user beside the fields. ``None``: nothing to restore."""

    id: int | None = None
    updated_at: datetime | None = None
    last_login_at: datetime | None = None


NOTHING: Final = Restored()


def of(row: Mapping[str, object], *, now: datetime) -> Restored:
    """Read these fields of a row.

    :param row: the fields by name, of a text file or of JSON.
    :param now: the present, with an offset; no time is later.
    """
    if row.keys().isdisjoint(NAMES):
        return NOTHING
    return Restored(_id(row.get("id")), _time(row.get("updated_at"), now), _time(row.get("last_login_at"), now))


def _id(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(ID_MAX)):
        value = float(value)
    if isinstance(value, int | float) and value == value // 1 and 1 <= value < ID_MAX:
        return int(value)
    return None


def _time(value: object, now: datetime) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo is not None and EARLIEST <= time <= now else None
