"""The query of the list of users: the parameters of the REST interface, and days as a form has them.

A form with date fields gives ``created_from`` and ``created_to``, days in UTC that are both in. They become ``created_after`` and
``created_before`` here, so that every link holds the parameters of the REST interface alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from rollcall.services.statistics.tally import midnight
from rollcall.web.wording import day, moment

_DAY: Final = timedelta(days=1)
_FIRST_DAY: Final = date.min  # has no day before it
_DAYS: Final = {"created_from": ("created_after", timedelta()), "created_to": ("created_before", _DAY)}
MOMENTS: Final = {name: parameter for name, (parameter, _) in _DAYS.items()}
"""The parameter that each date field stands for."""
_LABELS: Final = {
    ("is_active", "true"): "Active",
    ("is_active", "false"): "Inactive",
    ("is_superuser", "true"): "Superusers",
    ("is_superuser", "false"): "Not superusers",
    ("never_logged_in", "true"): "Never logged in",
    ("never_logged_in", "false"): "Has logged in",
    ("has_password", "true"): "With a password",
    ("has_password", "false"): "Without a password",
}
_NAMED: Final = {"email": "E-mail address", "username": "Username"}
_TIMES: Final = {
    "created_after": "Created from",
    "created_before": "Created before",
    "last_login_after": "Last log-in from",
    "last_login_before": "Last log-in before",
}


def canonical(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters of a list without blank ones, days as the moments that they stand for."""
    values = {name: value.strip() for name, value in given if value.strip()}
    for name, (parameter, later) in _DAYS.items():
        if name in values:
            values[parameter] = _moment(values.pop(name), later)
    return values


def _moment(value: str, later: timedelta) -> str:
    try:
        return midnight(date.fromisoformat(value) + later).isoformat()
    except (ValueError, OverflowError):
        return value  # which is no time either, so that it is refused as such


def of_days(first: date, last: date | None = None) -> dict[str, str]:
    """Return the parameters of the list of users created from a day on, up to another day or to now."""
    values = {"created_after": midnight(first).isoformat()}
    return values if last is None else values | {"created_before": midnight(last + _DAY).isoformat()}


def form_days(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of the date fields. A moment within a day has none: the form keeps it as it is."""
    found = {}
    for name, (parameter, later) in _DAYS.items():
        at = _whole_day(values.get(parameter))
        if at is not None and at > _FIRST_DAY:
            found[name] = (at - later).isoformat()
    return found


def _whole_day(value: str | None) -> date | None:
    """Return the day that begins at this moment."""
    if value is None:
        return None
    at = datetime.fromisoformat(value).astimezone(UTC)
    return at.date() if at == midnight(at.date()) else None


def labels(values: Mapping[str, str]) -> list[tuple[tuple[str, ...], str]]:
    """Return the active filters, each as its parameters and its label."""
    found: list[tuple[tuple[str, ...], str]] = []
    if "search" in values:
        found.append((("search",), f"“{values['search']}”"))
    found += [((name,), label) for (name, value), label in _LABELS.items() if values.get(name) == value]
    found += [((name,), f"{label} {values[name]}") for name, label in _NAMED.items() if name in values]
    if "import" in values:
        found.append((("import",), f"Of the operation {values['import']}"))
    days = form_days(values)
    if len(days) == len(_DAYS) and len(set(days.values())) == 1:
        found.append((("created_after", "created_before"), f"Created on {day(date.fromisoformat(days['created_from']))}"))
    elif len(days) == len(_DAYS) and days["created_from"] < days["created_to"]:
        first, last = (day(date.fromisoformat(days[name])) for name in _DAYS)
        found.append((("created_after", "created_before"), f"Created {first} to {last}"))
    else:
        found += [((name,), _since(name, values[name])) for name in _TIMES if name in values and name.startswith("created")]
    found += [((name,), _since(name, values[name])) for name in _TIMES if name in values and name.startswith("last")]
    return found


def _since(name: str, value: str) -> str:
    at = _whole_day(value)
    return f"{_TIMES[name]} {moment(datetime.fromisoformat(value)) if at is None else day(at)}"
