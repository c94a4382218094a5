"""All sources by name: the known systems, our own files, and any table."""

from __future__ import annotations

from typing import Final

from rollcall.services.transfer.known_sources import SOURCES, Source
from rollcall.services.transfer.table_headings import HEADINGS
from rollcall.services.users.fields import IMPORT_FIELDS

__all__ = ["BY_NAME", "FIREBASE_COLUMNS", "ROLLCALL", "SOURCES", "TABLE", "Source"]

ROLLCALL: Final = Source(
    "rollcall",
    "Rollcall",
    (),
    {name: (name,) for name in IMPORT_FIELDS},
    closed=False,
)

TABLE: Final = Source("table", "a table", (), HEADINGS, closed=False)

BY_NAME: Final = {source.name: source for source in (ROLLCALL, *SOURCES, TABLE)}

FIREBASE_COLUMNS: Final = (
    *("localId", "email", "emailVerified", "passwordHash", "salt", "displayName", "photoUrl"),
    *(
        f"{provider} {part}"
        for provider in ("google", "facebook", "twitter", "github")
        for part in ("id", "email", "name", "photo")
    ),
    *("createdAt", "lastSignedInAt", "phoneNumber"),
    *("disabled", "reserved", "customAttributes"),
)
"""The columns of Firebase's CSV, which has no header."""
