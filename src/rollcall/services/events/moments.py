"""Points in time by which events are chosen, as people and programs write them."""

from __future__ import annotations

from datetime import UTC, datetime

from rollcall.errors import FieldError


def with_offset(value: str) -> datetime:
    """Return a time in ISO 8601 with an offset.

    :raises FieldError: ``invalid_format``.
    """
    found = _parsed(value)
    if found is None or found.tzinfo is None:
        raise FieldError("invalid_format", "This has to be an ISO 8601 time with offset: 2026-01-31T12:00:00+00:00.")
    return _utc(found)


def at_a_terminal(value: str) -> datetime:
    """Return a date or time in ISO 8601; without an offset it is UTC.

    :raises FieldError: ``invalid_format``.
    """
    found = _parsed(value)
    if found is None:
        raise FieldError("invalid_format", "This has to be a date or time in ISO 8601: 2026-01-31 or 2026-01-31T12:00:00Z.")
    return _utc(found if found.tzinfo else found.replace(tzinfo=UTC))


def _parsed(value: str) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:  # 0001-01-01T00:00+14:00
        raise FieldError("invalid_format", "This time lies outside of the calendar.") from None
