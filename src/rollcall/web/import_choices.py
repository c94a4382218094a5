"""The mapping step of an import: what a person chose in the form, and what its menus offer."""

from __future__ import annotations

from typing import Final, NamedTuple

from flask import request

from rollcall.errors import FieldProblem, ValidationFailed
from rollcall.services.transfer import choices, sources
from rollcall.services.transfer.existing import Existing
from rollcall.services.transfer.reading import Reading
from rollcall.services.transfer.remembered import Plan
from rollcall.services.transfer.user_files import Description
from rollcall.services.users.field_names import is_repeatable
from rollcall.services.users.fields import IMPORT_FIELDS

SENT: Final = "chosen"
_NOT_USED: Final = "-"
ENCODINGS: Final = (
    *("utf-8", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "mac_roman", "cp437", "cp850", "cp852"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
)
SOURCES: Final = {"auto": "Recognise it", **{source.name: source.label for source in sources.BY_NAME.values()}}
LABELS: Final = {
    "email": "E-mail address",
    "username": "Username",
    "full_name": "Full name",
    "password": "Password",
    "password_hash": "Password hash",
    "is_active": "Active",
    "is_superuser": "Superuser",
    "created_at": "Created at",
}

EXISTING: Final = {
    Existing.FAIL: "refuse their rows",
    Existing.SKIP: "leave them as they are",
    Existing.UPDATE: "change what the file gives",
}


class Option(NamedTuple):
    """An entry of a menu."""

    value: str
    label: str
    selected: bool


def are_sent() -> bool:
    """Return whether the form has the mapping step."""
    return SENT in request.form


def sent() -> Plan:
    """Return the choices of the form.

    :raises ValidationFailed: one of them is not valid.
    """
    return Plan(_reading(), _existing())


def _existing() -> Existing:
    try:
        return Existing(request.form.get("existing", Existing.FAIL))
    except ValueError:
        message = f"Choose one of {', '.join(Existing)}."
        raise ValidationFailed([FieldProblem("existing", "invalid_choice", message)]) from None


def _reading() -> Reading:
    form = request.form
    mapping: dict[str, str] = {}
    for name in IMPORT_FIELDS:
        chosen = form.get(f"map-{name}", "")
        if chosen == _NOT_USED:
            mapping[name] = ""
        elif chosen:
            more = form.get(f"and-{name}", "")
            mapping[name] = f"{chosen}+{more}" if more else chosen
    return Reading(
        source=choices.source(form.get("source", "auto")),
        mapping=mapping,
        ignored=frozenset(form.getlist("ignore")),
        ignore_unknown="ignore-unknown" in form,
        encoding=choices.encoding(form.get("encoding", "")),
        timezone=choices.timezone(form.get("timezone", "").strip()),
        hash_config=choices.hash_config(form.get("hash-config", "")),
    )


def options(file: Description, reading: Reading, field: str) -> list[Option]:
    """Return the menu of a field, with what was chosen or recognised."""
    chosen = reading.mapping.get(field)
    read = next((" or ".join(choice.text for choice in each.choices) for each in file.fields if each.name == field), "")
    first = Option("", f"as recognised: {read}" if chosen is None and read else "as recognised", chosen is None)
    found = [first, Option(_NOT_USED, "not used", chosen == "")]
    names = repeatable(file.columns)
    found += [Option(name, name, chosen == name) for name in names]
    if field == "is_active":
        found += [Option(f"!{name}", f"the opposite of {name}", chosen == f"!{name}") for name in names]
    if chosen and all(not option.selected for option in found):
        found.append(Option(chosen, chosen, selected=True))
    return found


def repeatable(names: list[str]) -> list[str]:
    """Return the names of columns that can be shown and do not look like data."""
    return [name for name in names if is_repeatable(name) and name.isprintable()]
