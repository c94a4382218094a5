"""Remember how a file was read: for the import that follows its check, and for the next file with the same columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from rollcall.models import ImportChoice
from rollcall.services.transfer import choices, headings
from rollcall.services.transfer.reading import Reading

_KEEP: Final = text("""
    INSERT INTO import_choices (user_id, columns, reading, used_at)
    VALUES (:user_id, :columns, CAST(:reading AS jsonb), :now)
    ON CONFLICT (user_id, columns) DO UPDATE SET reading = excluded.reading, used_at = excluded.used_at
""")
_ADDED: Final = frozenset({"line", "reason"})


def to_json(reading: Reading) -> dict[str, Any]:
    """Return the choices as JSON has them."""
    return {
        "source": reading.source,
        "mapping": dict(reading.mapping),
        "ignored": sorted(reading.ignored),
        "ignore_unknown": reading.ignore_unknown,
        "encoding": reading.encoding or "",
        "timezone": str(reading.timezone or ""),
        "hash_config": dict(reading.hash_config),
    }


def from_json(kept: dict[str, Any] | None) -> Reading:
    """Return the choices that ``to_json`` was given; without any, none."""
    if kept is None:
        return Reading()
    zone = kept["timezone"]
    return Reading(
        source=kept["source"],
        mapping=kept["mapping"],
        ignored=frozenset(kept["ignored"]),
        ignore_unknown=kept["ignore_unknown"],
        encoding=kept["encoding"] or None,
        timezone=choices.timezone(zone[3:] if zone[:4] in ("UTC+", "UTC-") else zone),
        hash_config=kept["hash_config"],
    )


def keep(session: Session, user_id: int, columns: Iterable[str], reading: Reading, now: datetime) -> None:
    """Keep the choices for the next file with the same columns. A signer key is not kept. The caller commits."""
    chosen = json.dumps(to_json(replace(reading, hash_config={})))
    session.execute(_KEEP, {"user_id": user_id, "columns": _digest(columns), "reading": chosen, "now": now})


def find(session: Session, user_id: int, columns: Iterable[str]) -> Reading | None:
    """Return what this user chose for a file with the same columns, in any order."""
    kept = session.get(ImportChoice, (user_id, _digest(columns)))
    return None if kept is None else from_json(kept.reading)


def _digest(columns: Iterable[str]) -> bytes:
    names = sorted({headings.key(name) for name in columns} - _ADDED)
    return hashlib.sha256(json.dumps(names).encode()).digest()
