"""Remember how a file was read: for the import that follows its check, and for the next file with the same columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from rollcall.models import ImportChoice
from rollcall.services.transfer import choices, headings
from rollcall.services.transfer.existing import Existing
from rollcall.services.transfer.reading import Reading

_KEEP: Final = text("""
    INSERT INTO import_choices (user_id, columns, reading, used_at)
    VALUES (:user_id, :columns, CAST(:reading AS jsonb), :now)
    ON CONFLICT (user_id, columns) DO UPDATE SET reading = excluded.reading, used_at = excluded.used_at
""")
_ADDED: Final = frozenset({"line", "reason"})


class Plan(NamedTuple):
    """What a person chose for an import: how to read the file, and what to do with users who are there already."""

    reading: Reading = Reading()
    existing: Existing = Existing.FAIL


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


def keep(session: Session, user_id: int, columns: Iterable[str], plan: Plan, now: datetime) -> None:
    """Keep the choices for the next file with the same columns. A signer key is not kept. The caller commits."""
    chosen = json.dumps({**to_json(replace(plan.reading, hash_config={})), "existing": plan.existing})
    session.execute(_KEEP, {"user_id": user_id, "columns": _digest(columns), "reading": chosen, "now": now})


def find(session: Session, user_id: int, columns: Iterable[str]) -> Plan | None:
    """Return what this user chose for a file with the same columns, in any order."""
    kept = session.get(ImportChoice, (user_id, _digest(columns)))
    return None if kept is None else Plan(from_json(kept.reading), Existing(kept.reading.get("existing", Existing.FAIL)))


def _digest(columns: Iterable[str]) -> bytes:
    names = sorted({headings.key(name) for name in columns} - _ADDED)
    return hashlib.sha256(json.dumps(names).encode()).digest()
