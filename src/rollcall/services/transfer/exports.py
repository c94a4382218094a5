"""Writing users to files: the same bytes for the API's download and the command line, in constant memory.

What is written here can be imported again, exactly. Password hashes are only written where an operator asks for them.
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

from sqlalchemy import Select
from sqlalchemy.orm import Session

from rollcall.models import User
from rollcall.models.user import COLUMNS
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind

ExportFormat = Literal["csv", "ndjson"]

CONTENT_TYPES: Final[dict[ExportFormat, str]] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
}
ROWS_PER_CHUNK: Final = 500
HASH: Final = "password_hash"
BOM: Final = "\ufeff"
"""A byte order mark, once it is encoded."""

# A cell that begins like this is run as a formula by spreadsheet programs (OWASP, "CSV Injection"). Programs with another
# list separator than the file split a cell in its midst, at quotes and all, so the same holds after a separator or the end of
# a line. A formula gets an apostrophe in front, and so does one that has apostrophes already: an import takes off exactly one.
_START: Final = r"(\A|(?<=[;,\t\r\n]))([\" ]*)"
_FORMULA: Final = r"(?='*[=+\-@\t\r＝＋－＠])"
_UNGUARDED: Final = re.compile(_START + _FORMULA)
_GUARDED: Final = re.compile(_START + "'" + _FORMULA)
_HARMLESS: Final = re.compile(r"[^=+\-@＝＋－＠'\" ;,\t\r\n][^;,\t\r\n]*")
_SPLITS: Final = re.compile(r"[;\t]")


def guarded(text: str) -> str:
    """Return a text as it stands in a cell of CSV, where no spreadsheet program finds a formula in it."""
    return _UNGUARDED.sub(r"\2'", text)


def unguarded(text: str) -> str:
    """Return the text that `guarded` was given; other cells come back as they are."""
    return _GUARDED.sub(r"\2", text)


class Exact(str):
    """A cell that an import reads as it is, so that nothing is put in front of a formula. No format of a hash begins like one."""

    __slots__ = ()


def record(
    session: Session, file_format: ExportFormat, now: datetime, chosen: Mapping[str, Any], *, with_hashes: bool = False
) -> None:
    """Record an export before it begins: its rows may be gone long before its end. The caller commits.

    :param chosen: what narrows it down, by name; without a value it does not.
    """
    narrowed = {name: value for name, value in chosen.items() if value is not None}
    changes = {"format": file_format, "filter": narrowed} | ({"with_hashes": True} if with_hashes else {})
    recording.record(session, Kind.USERS_EXPORTED, now, changes=changes)


def with_hashes(query: Select[Any]) -> Select[Any]:
    """Return the query of an export with the password hash as one more column, behind the others."""
    return query.add_columns(User.password_hash)


def export_rows(
    rows: Iterable[Sequence[Any]], file_format: ExportFormat, *, for_spreadsheets: bool = False, hashes: bool = False
) -> Iterator[bytes]:
    """Write users as CSV (RFC 4180, UTF-8, with a header line) or as NDJSON.

    :param rows: users, each with the values of ``COLUMNS`` in their order; read only as far as needed.
    :param hashes: the password hash stands behind them.
    :param file_format: ``csv`` or ``ndjson``.
    :param for_spreadsheets: begin CSV with a byte order mark, without which Excel takes UTF-8 for a legacy encoding. For
        people; programs would take the mark for a part of the first column's name.
    :return: the file in pieces, each of whole lines. The header line comes with the first rows: a database that fails
        at once, fails before anything is out.
    """
    columns = (*COLUMNS, HASH) if hashes else COLUMNS
    header = ",".join(columns) + "\r\n" if file_format == "csv" else ""
    if header and for_spreadsheets:
        header = BOM + header
    remaining = iter(rows)
    while (chunk := list(islice(remaining, ROWS_PER_CHUNK))) or header:
        if file_format == "ndjson":
            text = _ndjson(columns, chunk)
        else:
            text = write_cells([(*row[:-1], row[-1] and Exact(row[-1])) for row in chunk] if hashes else chunk)
        yield (header + text).encode()
        header = ""


def write_cells(rows: Iterable[Iterable[object]], delimiter: str = ",") -> str:
    """Return rows of CSV in which a spreadsheet program finds no formula, whatever its list separator."""
    text = io.StringIO(newline="")
    plain = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    quoted = csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        splits, cells = False, []
        for value in row:
            shown = _cell(value)
            # Nearly every text is harmless, which one look tells.
            if shown is value and isinstance(shown, str) and not (_HARMLESS.fullmatch(shown) or isinstance(shown, Exact)):
                shown = guarded(shown)
                splits = splits or _SPLITS.search(shown) is not None
            cells.append(shown)
        (quoted if splits else plain).writerow(cells)
    return text.getvalue()


def _cell(value: object) -> str | int:
    match value:
        case str():
            return value
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


def _ndjson(columns: Sequence[str], rows: list[Sequence[Any]]) -> str:
    return "".join(_ENCODE(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
