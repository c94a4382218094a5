"""What an import that updates users would change: old and new value by field, as a list to look at and as a CSV file."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, NamedTuple

from sqlalchemy import Connection, text

from rollcall.services.transfer.existing import FIELDS
from rollcall.services.transfer.exports import write_cells

SHOWN: Final = 10
"""Users in the list."""
_COLUMNS: Final = ("line", "username", "field", "old", "new")
_ROWS_PER_CHECK: Final = 500
_QUERY: Final = f"""
    SELECT line, user_id, old_username, password, {", ".join(f"old_{name}, new_{name}" for name in FIELDS)}
    FROM import_changes ORDER BY place
"""  # noqa: S608  (column names of our own)


class FieldChange(NamedTuple):
    """One field. Of a password only that it changes; its values are empty."""

    field: str
    old: Any
    new: Any


class UserChange(NamedTuple):
    """What a row would change of the user to whom it belongs, by the present username."""

    line: int
    user_id: int
    username: str
    fields: tuple[FieldChange, ...]


def first(connection: Connection, most: int = SHOWN) -> list[UserChange]:
    """Return the changes of the first users in the order of the file."""
    rows = connection.execute(text(f"{_QUERY} LIMIT :most"), {"most": most})
    return [_change(row) for row in rows]


def stream(connection: Connection) -> Iterator[UserChange]:
    """Yield all changes in the order of the file, in constant memory; in a transaction."""
    for row in connection.execute(text(_QUERY), execution_options={"yield_per": 1_000}):
        yield _change(row)


def write(connection: Connection, target: BinaryIO, *, check: Callable[[], None]) -> int:
    """Write all changes as CSV, a line for each field, with a byte order mark for spreadsheet programs.

    :param connection: that of an import with ``dry_run``, which has just ended.
    :param check: called often; what it raises (the deadline) ends the work.
    :return: how many users would change.
    """
    target.write(codecs.BOM_UTF8 + write_cells([_COLUMNS]).encode())
    count = 0
    with connection.begin():
        for count, change in enumerate(stream(connection), 1):
            if count % _ROWS_PER_CHECK == 0:
                check()
            cells = [(change.line, change.username, each.field, each.old, each.new) for each in change.fields]
            target.write(write_cells(cells).encode("utf-8", "replace"))
    return count


def shown(value: object) -> str:
    """Return a value as a person reads it: ``true``, a time in UTC, nothing for null."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _change(row: Any) -> UserChange:
    line, user_id, username, password, *values = row
    pairs = zip(FIELDS, values[::2], values[1::2], strict=True)
    fields = [FieldChange(name, old, new) for name, old, new in pairs if old != new]
    if password:
        fields.append(FieldChange("password", None, None))
    return UserChange(line, user_id, username, tuple(fields))
