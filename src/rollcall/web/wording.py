"""Format numbers and times for the pages."""

from __future__ import annotations

from datetime import UTC, date, datetime

from rollcall.infra import runtime

_UNITS = ((86_400 * 365, "year"), (86_400 * 30, "month"), (86_400, "day"), (3600, "hour"), (60, "minute"))


def number(value: int) -> str:
    """``1320`` as ``1,320``."""
    return f"{value:,}"


def compact(value: int) -> str:
    """``2000`` as ``2k``, for the scale of a chart."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 1000 else str(value)


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 session``, ``2 sessions``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def estimate(seconds: float) -> str:
    """``8 s``, ``25 min``, ``2 h``: how long something takes, never nothing."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def moment(value: datetime) -> str:
    """Return the exact time, in UTC."""
    return f"{value.astimezone(UTC):%d %b %Y, %H:%M} UTC".lstrip("0")


def day(value: date) -> str:
    """``3 Mar 2026``."""
    return f"{value:%d %b %Y}".lstrip("0")


def ago(value: datetime) -> str:
    """``3 days ago``, or ``in 11 hours``, or ``just now``."""
    seconds = (runtime.now() - value).total_seconds()
    for length, name in _UNITS:
        if abs(seconds) >= length:
            return f"{plural(int(seconds / length), name)} ago" if seconds > 0 else f"in {plural(round(-seconds / length), name)}"
    return "just now" if seconds >= 0 else "in a moment"


def plain(text: str, most: int) -> str:
    """Text of unknown origin on one line: nothing that cannot be printed, and not too much."""
    cut = text if len(text) <= most else text[:most] + "…"
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in cut)


FILTERS = {
    "number": number,
    "compact": compact,
    "plural": plural,
    "estimate": estimate,
    "moment": moment,
    "ago": ago,
    "plain": plain,
}
