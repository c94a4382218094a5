"""The files that go with an import: a template to fill in, and the bad rows to mend.

The bad rows come as CSV, whatever the format of the file was, with the line and the reasons beside what the row says. Mended,
it can be imported as it is: an import takes no notice of the two columns. Passwords and their hashes are left out, since
nothing that was sent as one is ever sent back; they have to be added again.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import BinaryIO, Final

from sqlalchemy import Connection

from rollcall.services.identity.hash_shapes import is_password_hash
from rollcall.services.transfer import csv_rows, imports, staging
from rollcall.services.transfer.exports import BOM, write_cells
from rollcall.services.transfer.imports import Checked, ImportProblem
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.row_files import Unreadable
from rollcall.services.transfer.staging import Clash
from rollcall.services.users.fields import IMPORT_FIELDS

_SECRETS: Final = ("password", "password_hash")
_ADDED: Final = ("line", "reason")
_COLUMNS: Final = tuple(name for name in IMPORT_FIELDS if name not in _SECRETS)
_ROWS_PER_CHECK: Final = 500

# Nobody can log in as one of these, should somebody import the template as it is.
_EXAMPLES: Final[tuple[dict[str, object], ...]] = (
    {
        "email": "zoe.example@example.org",
        "username": "zoe-example",
        "full_name": "Zoë Example",
        "password": None,
        "is_active": True,
        "is_superuser": False,
        "created_at": "2024-02-29T12:00:00+00:00",
    },
    {
        "email": "sam.example@example.org",
        "username": "sam_example",
        "full_name": None,
        "password": None,
        "is_active": False,
        "is_superuser": False,
        "created_at": None,
    },
)


def template(file_format: FileFormat) -> bytes:
    """A file with two example users, to be filled in; it can be imported as it is.

    :param file_format: ``csv`` or ``ndjson``.
    """
    if file_format is FileFormat.NDJSON:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _EXAMPLES).encode()
    return (BOM + write_cells([_EXAMPLES[0], *(row.values() for row in _EXAMPLES)])).encode()


def write_bad_rows(
    connection: Connection,
    source: BinaryIO,
    reading: Reading,
    target: BinaryIO,
    *,
    now: datetime,
    check: Callable[[], None],
) -> int:
    """Write every row of a file that cannot be imported, in constant memory.

    A CSV file's columns and delimiter are kept. The text begins with a byte order mark, without which spreadsheet programs
    would take its letters for others.

    :param connection: with no transaction open; gets temporary tables.
    :param source: the open file, at its beginning; it is read twice.
    :param target: where to write.
    :param check: called often; what it raises (the deadline) ends the work.
    :return: how many rows were written.
    """
    imports.import_users(connection, source, reading, dry_run=True, now=now, progress=lambda *_: None, check=check)
    columns, delimiter = _layout(source, reading)
    source.seek(0)
    written = 0

    def write(*cells: object) -> None:
        target.write(write_cells([cells], delimiter).encode("utf-8", "replace"))

    target.write(codecs.BOM_UTF8)
    write(*_ADDED, *columns)
    with connection.begin():
        clashes = _Clashes(staging.stream_clashes(connection))
        for row in imports.checked(source, reading, now):
            if row.place % _ROWS_PER_CHECK == 0:
                check()
            reasons = row.problems or clashes.of(row)
            if not reasons:
                continue
            values: Mapping[str, object] = row.found.values
            write(row.found.line, _reason(reasons), *(_shown(values.get(name)) for name in columns))
            written += 1
    return written


def _reason(problems: Iterable[ImportProblem]) -> str:
    return " ".join(f"{problem.field}: {problem.message}" if problem.field else problem.message for problem in problems)


def _layout(source: BinaryIO, reading: Reading) -> tuple[list[str], str]:
    """The columns to write, and what delimits them."""
    if reading.file_format is not FileFormat.CSV:
        return list(_COLUMNS), ","
    source.seek(0)
    try:
        head = csv_rows.head(source)
    except Unreadable:
        return list(_COLUMNS), ","
    return [name for name in head.columns or _COLUMNS if name not in (*_SECRETS, *_ADDED)], head.delimiter


def _shown(value: object) -> object:
    """Whatever a file has for a value; JSON may have numbers, arrays and objects. A hash in a wrong column stays a secret."""
    if isinstance(value, str):
        return "" if is_password_hash(value) else value
    return value if value is None or isinstance(value, bool) else json.dumps(value)


class _Clashes:
    """The clashes of a file, to be asked for row by row, in its order."""

    def __init__(self, clashes: Iterator[Clash]) -> None:
        self._clashes = clashes
        self._next = next(clashes, None)

    def of(self, row: Checked) -> list[ImportProblem]:
        found = []
        while self._next is not None and self._next.place <= row.place:
            clash = self._next
            found.append(ImportProblem(clash.place, clash.line, clash.field, clash.type, clash.message))
            self._next = next(self._clashes, None)
        return found
