"""Read what a person chooses for an import: an encoding, a time zone, mappings, the parameters of hashes.

Every function returns the value for ``Reading``, or raises ``ValidationFailed`` with the name of the choice.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from rollcall.errors import FieldProblem, ValidationFailed
from rollcall.services.transfer import sources
from rollcall.services.transfer.recognition import AUTO
from rollcall.services.transfer.source_hashes import FIREBASE_KEYS
from rollcall.services.users.fields import IMPORT_FIELDS

_OFFSET: Final = re.compile(r"[+-]\d\d:?\d\d")
_PARAMETER: Final = re.compile(r'"?(?P<name>[a-z0-9_]+)"?\s*[:=]\s*"?(?P<value>[A-Za-z0-9+/=_-]+)"?')
_TEXT_MAX: Final = 100


def _invalid(field: str, message: str) -> ValidationFailed:
    return ValidationFailed([FieldProblem(field, "invalid_format", message)])


def encoding(name: str) -> str | None:
    """Return the name of a text encoding as Python writes it; an empty name is no choice."""
    if not name:
        return None
    try:
        found = codecs.lookup(name[:_TEXT_MAX])
        "a".encode(found.name)
    except (LookupError, UnicodeError, TypeError, ValueError):
        message = f"There is no encoding {name[:_TEXT_MAX]!r}. Examples are utf-8, cp1252, mac_roman and shift_jis."
        raise _invalid("encoding", message) from None
    return found.name


def timezone(name: str) -> tzinfo | None:
    """Return a time zone of the IANA database, or a fixed offset; an empty name is no choice."""
    if not name:
        return None
    if _OFFSET.fullmatch(name):
        return datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo
    try:
        return ZoneInfo(name[:_TEXT_MAX])
    except (LookupError, ValueError, OSError):
        message = f"There is no time zone {name[:_TEXT_MAX]!r}. Examples are Europe/Berlin, UTC and +02:00."
        raise _invalid("timezone", message) from None


def source(name: str) -> str:
    """Return the name of a source, or ``auto``."""
    if name not in (AUTO, *sources.BY_NAME):
        raise _invalid("from", f"There is no source {name[:_TEXT_MAX]!r}; there are {', '.join((AUTO, *sources.BY_NAME))}.")
    return name


def mapping(texts: Iterable[str]) -> dict[str, str]:
    """Read ``FIELD=COLUMN`` choices."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, column = (part.strip() for part in text.partition("="))
        if not equals or not column:
            raise _invalid("map", f"{text[:_TEXT_MAX]!r} is not of the form FIELD=COLUMN.")
        if name not in IMPORT_FIELDS:
            raise _invalid("map", f"Users have no field {name[:_TEXT_MAX]!r}; they have {', '.join(IMPORT_FIELDS)}.")
        found[name] = column
    return found


def hash_config(text: str) -> dict[str, str]:
    """Read the parameters of Firebase's hashes, as its console shows them or as JSON; an empty text is no choice."""
    if not text.strip():
        return {}
    found = {each["name"]: each["value"] for each in _PARAMETER.finditer(text) if each["name"] in FIREBASE_KEYS}
    if missing := [name for name in FIREBASE_KEYS if name not in found]:
        raise _invalid("hash-config", f"The hash configuration has no {', '.join(missing)}.")
    if not (found["rounds"].isdecimal() and found["mem_cost"].isdecimal()):
        raise _invalid("hash-config", "The hash configuration's rounds and mem_cost have to be numbers.")
    return found
