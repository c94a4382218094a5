"""Editing a user whom somebody else may be editing at the same time.

A form carries the version that it shows, and its values as they were. Only what was changed in it is saved, and only on
that version; otherwise the form comes back with what was typed, beside what somebody else has saved meanwhile.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request

from rollcall.api.errors import describe
from rollcall.errors import VersionChanged
from rollcall.models import User, UserRecord
from rollcall.web.forms import Form

DETAILS = ("username", "email", "full_name")
_LABELS = {"username": "Username", "email": "E-mail address", "full_name": "Full name", "is_superuser": "Superuser"}


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that somebody else has changed since the form was shown.

    :ivar typed: what this form would have saved; ``None``: its user has left the field alone.
    """

    label: str
    before: str
    now: str
    typed: str | None


def shown(person: User | UserRecord, names: Sequence[str]) -> dict[str, Any]:
    """Return the values of a form that edits these fields of a user."""
    values = {name: getattr(person, name) for name in names}
    return values | {f"was_{name}": _text(value) for name, value in values.items()} | {"version": person.version}


def changes(loaded: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the valid values that differ from what the form showed, and the current password if it was given."""
    was = {name.removeprefix("was_"): value for name, value in request.form.items() if name.startswith("was_")}
    different = {name: value for name, value in loaded.items() if name not in was or _text(value) != was[name]}
    if not different.get("current_password"):
        different.pop("current_password", None)
    return different


def versions() -> Container[str] | None:
    """Return the version that the form showed."""
    return [request.form["version"]] if "version" in request.form else None


def merge(form: Form, error: VersionChanged, person: User | UserRecord, names: Sequence[str]) -> list[Clash]:
    """Put the form on the user's current version: what was typed is kept, all else becomes what is stored.

    :return: what somebody else has changed.
    """
    answer = describe(error)
    form.status, form.message = answer.status, answer.message
    clashes = []
    for name in names:
        was, typed = str(form.values.get(f"was_{name}", "")), str(form.values.get(name, ""))
        now = _text(getattr(person, name))
        if now != was:
            clashes.append(Clash(_LABELS[name], _said(name, was), _said(name, now), _said(name, typed) if typed != was else None))
        if typed == was:
            form.values[name] = getattr(person, name)
    current = shown(person, names)
    form.values |= {name: value for name, value in current.items() if name not in names}
    return clashes


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    return value or ""


def _said(name: str, value: str) -> str:
    if name == "is_superuser":
        return "yes" if value else "no"
    return value or "nothing"
