"""Read the times of other systems: ISO 8601 and its relatives, databases, spreadsheets, LDAP, epochs, e-mail dates.

A time without an offset is read only with a time zone that a person has given, and a date in digits only if the order of day and
month is certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Final

from rollcall.errors import FieldError

NEVER: Final = frozenset({"never", "never logged in", "nie", "jamais", "nunca", "-", "n/a", "0000-00-00", "0000-00-00 00:00:00"})

_ISO: Final = re.compile(
    r"(?P<date>\d{4}[-/]\d\d?[-/]\d\d?)(?:[T ]+(?P<time>\d\d?:\d\d(?::\d\d)?)(?P<part>[.,]\d+)?)?"
    r"\s*(?P<zone>Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?"
)
_DOTTED: Final = re.compile(r"(?P<day>\d\d?)\.\s?(?P<month>\d\d?)\.\s?(?P<year>\d{4})(?:,?\s+(?P<time>\d\d?:\d\d(?::\d\d)?))?")
_SLASHED: Final = re.compile(r"(\d\d?)[/-](\d\d?)[/-](\d{4})(?:,?\s+(\d\d?:\d\d(?::\d\d)?)(?:\s*([AaPp])\.?[Mm]\.?)?)?")
_GENERALIZED: Final = re.compile(r"(\d{14})(?:[.,]\d+)?(Z|[+-]\d{2}(?:\d{2})?)?")
_EPOCH: Final = re.compile(r"\d{9,10}(?:\.\d+)?|\d{12,13}|\d{15,16}")
_SERIAL: Final = re.compile(r"[34]\d{4}(?:\.\d+)?")
_ROUNDED: Final = re.compile(r"\d[.,]\d+[eE]\+?\d+")
_EXAMPLE: Final = "2026-01-31T12:00:00+00:00"


def read(value: str, zone: tzinfo | None, *, day_first: bool | None = None) -> datetime | None:
    """Read a time.

    :param zone: the time zone of a time without an offset.
    :param day_first: the order of ``3/4/2021``, where it is known.
    :return: the time with its offset; ``None``: the text is a word for "never".
    :raises FieldError: ``invalid_format`` or ``no_timezone``.
    """
    text = value.strip()
    if text.lower() in NEVER:
        return None
    try:
        time = _known(text, day_first)
    except FieldError:
        raise
    except (ValueError, OverflowError):
        time = None
    if time is None:
        raise FieldError("invalid_format", f"This is not a known form of a time. Write it as {_EXAMPLE}.")
    if time.tzinfo is not None:
        return time
    if zone is None:
        raise FieldError(
            "no_timezone", "This time has no offset from UTC. Say which time zone it is in (--timezone Europe/Berlin)."
        )
    return time.replace(tzinfo=zone)


def _known(text: str, day_first: bool | None) -> datetime | None:  # noqa: PLR0911  # one for each form
    if found := _ISO.fullmatch(text):
        year, month, day = re.split("[-/]", found["date"])
        part = (found["part"] or "")[1:7].ljust(6, "0")
        return _at(int(year), int(month), int(day), found["time"], int(part)).replace(tzinfo=_zone(found["zone"]))
    if found := _DOTTED.fullmatch(text):
        return _at(int(found["year"]), int(found["month"]), int(found["day"]), found["time"])
    if found := _SLASHED.fullmatch(text):
        return _slashed(found, day_first)
    if found := _GENERALIZED.fullmatch(text):
        return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=_zone(found[2]))
    if _EPOCH.fullmatch(text):
        whole = text.partition(".")[0]
        return datetime.fromtimestamp(float(text) / 10 ** max(0, (len(whole) - 8) // 3 * 3), UTC)
    if _SERIAL.fullmatch(text):
        raise FieldError(
            "invalid_format", f"This is a day number of a spreadsheet. Give the column a date format, or write it as {_EXAMPLE}."
        )
    if _ROUNDED.fullmatch(text):
        raise FieldError(
            "invalid_format", "A spreadsheet has rounded this number. Give the column a number format without decimals."
        )
    if text[:1].isalpha():
        time = parsedate_to_datetime(text)
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return datetime.fromisoformat(text)


def _slashed(found: re.Match[str], day_first: bool | None) -> datetime:
    first, second, year, clock, half = found.groups()
    order = order_of([found.string]) if day_first is None else day_first
    if order is None:
        raise FieldError("ambiguous", f"Which number is the month? Write it as {_EXAMPLE}.")
    day, month = (first, second) if order else (second, first)
    time = _at(int(year), int(month), int(day), clock)
    if half:
        time = time.replace(hour=time.hour % 12 + (12 if half in "pP" else 0))
    return time


def order_of(values: Iterable[str]) -> bool | None:
    """Return whether the day comes first in dates such as ``31/1/2026``; ``None`` where the values do not tell."""
    first = second = False
    for value in values:
        if found := _SLASHED.fullmatch(value.strip()):
            first |= int(found[1]) > 12
            second |= int(found[2]) > 12
    return None if first == second else first


def _at(year: int, month: int, day: int, clock: str | None, microsecond: int = 0) -> datetime:
    hour, minute, second = (*(int(each) for each in (clock or "0:0").split(":")), 0)[:3]
    return datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001


def _zone(text: str | None) -> tzinfo | None:
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
