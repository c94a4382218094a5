"""Writing users to files: the same bytes for the API's download and the command line, in constant memory.

What is written here can be imported again, exactly. Passwords and their hashes are never written.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from rollcall.models.user import COLUMNS
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind

ExportFormat = Literal["csv", "ndjson"]

CONTENT_TYPES: Final[dict[ExportFormat, str]] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
}
ROWS_PER_CHUNK: Final = 500

# A cell that begins like this is run as a formula by spreadsheet programs (OWASP, "CSV Injection"). It gets an apostrophe
# in front, and so does one that already looks like a cell with an apostrophe, so that an import can take off exactly one.
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r＝＋－＠]")


def record(session: Session, file_format: ExportFormat, now: datetime, chosen: Mapping[str, Any]) -> None:
    """Record an export before it begins: its rows may be gone long before its end. The caller commits.

    :param chosen: what narrows it down, by name; without a value it does not.
    """
    narrowed = {name: value for name, value in chosen.items() if value is not None}
    recording.record(session, Kind.USERS_EXPORTED, now, changes={"format": file_format, "filter": narrowed})


def export_rows(rows: Iterable[Sequence[Any]], file_format: ExportFormat) -> Iterator[bytes]:
    """Write users as CSV (RFC 4180, UTF-8, with a header line) or as NDJSON.

    :param rows: users, each with the values of ``COLUMNS`` in their order; read only as far as needed.
    :param file_format: ``csv`` or ``ndjson``.
    :return: the file in pieces, each of whole lines. The header line comes with the first rows: a database that fails
        at once, fails before anything is out.
    """
    write = _csv if file_format == "csv" else _ndjson
    header = ",".join(COLUMNS) + "\r\n" if file_format == "csv" else ""
    remaining = iter(rows)
    while (chunk := list(islice(remaining, ROWS_PER_CHUNK))) or header:
        yield (header + write(chunk)).encode()
        header = ""


def _csv(rows: list[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(map(cell, row) for row in rows)
    return text.getvalue()


def cell(value: object) -> str | int:
    """A value as it stands in a cell of a CSV file that a spreadsheet program may open."""
    match value:
        case str():
            return f"'{value}" if _FORMULA.match(value) else value
        case bool():
            return "true" if value else "false"
        case datetime():
            return _time(value)
        case int():
            return value
        case _:
            return ""


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_time).encode


def _ndjson(rows: list[Sequence[Any]]) -> str:
    return "".join(_ENCODE(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows)
