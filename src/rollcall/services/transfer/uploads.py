"""The files that go with an import: a template to fill in, and the bad rows to mend.

The bad rows come as CSV, whatever the format of the file was, with the line and the reasons beside what the row says. Mended,
it can be imported as it is: an import takes no notice of the two columns. Passwords and their hashes are left out, since
nothing that was sent as one is ever sent back; they have to be added again.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

from sqlalchemy import Connection

from rollcall.services.identity.hash_shapes import is_password_hash
from rollcall.services.transfer import headings, imports, staging
from rollcall.services.transfer.existing import Existing
from rollcall.services.transfer.exports import BOM, unguarded, write_cells
from rollcall.services.transfer.imports import Checked, ImportProblem
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.row_files import Row, RowProblem
from rollcall.services.transfer.staging import Clash
from rollcall.services.transfer.table_headings import HEADINGS
from rollcall.services.transfer.user_files import Description, UserFile
from rollcall.services.users.fields import IMPORT_FIELDS

SECRETS: Final = ("password", "password_hash")
"""The fields that a file of bad rows leaves out."""
_ADDED: Final = ("line", "reason")
_COLUMNS: Final = tuple(name for name in IMPORT_FIELDS if name not in SECRETS)
_ROWS_PER_CHECK: Final = 500
PREVIEWED: Final = 5

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


class Preview(NamedTuple):
    """The first rows of a file, and how it was understood; ``None``: it is not readable."""

    file: Description | None
    rows: list[Checked]


def template(file_format: FileFormat) -> bytes:
    """Return a file with two example users, to be filled in; it can be imported as it is.

    :param file_format: ``csv`` or ``ndjson``.
    """
    if file_format is FileFormat.NDJSON:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _EXAMPLES).encode()
    return (BOM + write_cells([_EXAMPLES[0], *(row.values() for row in _EXAMPLES)])).encode()


def preview(source: BinaryIO, reading: Reading, *, now: datetime, check: Callable[[], None]) -> Preview:
    """Read the first rows of a file as they would be stored. The file is left at its beginning.

    :raises ValidationFailed: the reading names what there is not.
    """
    source.seek(0)
    file = UserFile(source, reading, now=now, check=check)
    rows = list(islice((row for row in imports.checked(file, now) if isinstance(row.found, Row)), PREVIEWED))
    source.seek(0)
    return Preview(file.description, rows)


def write_bad_rows(
    connection: Connection,
    source: BinaryIO,
    reading: Reading,
    target: BinaryIO,
    *,
    now: datetime,
    check: Callable[[], None],
    existing: Existing = Existing.FAIL,
) -> int:
    """Write every row of a file that cannot be imported, in constant memory.

    A CSV file's columns and delimiter are kept. The text begins with a byte order mark, without which spreadsheet programs
    would take its letters for others.

    :param connection: with no transaction open; gets temporary tables.
    :param source: the open file, at its beginning; it is read twice.
    :param target: where to write.
    :param check: called often; what it raises (the deadline) ends the work.
    :param existing: as in the import; rows that it would leave alone or change are not bad.
    :return: how many rows were written.
    """
    report = imports.import_users(
        connection, source, reading, dry_run=True, now=now, progress=lambda *_: None, check=check, existing=existing
    )
    layout = Layout.of(report.file)
    source.seek(0)
    file = UserFile(source, reading, now=now, check=check)
    written = 0

    def write(*cells: object) -> None:
        target.write(write_cells([cells], layout.delimiter).encode("utf-8", "replace"))

    target.write(codecs.BOM_UTF8)
    write(*_ADDED, *layout.columns)
    with connection.begin():
        clashes = _Clashes(staging.stream_clashes(connection))
        for row in imports.checked(file, now):
            if row.place % _ROWS_PER_CHECK == 0:
                check()
            reasons = row.problems or clashes.of(row)
            if not reasons or (row.place == 0 and report.rows):  # what is wrong with the whole file is no row
                continue
            write(row.found.line, _reason(reasons), *layout.cells(row.found))
            written += 1
    return written


def _reason(problems: Iterable[ImportProblem]) -> str:
    return " ".join(f"{problem.field}: {problem.message}" if problem.field else problem.message for problem in problems)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a file of bad rows.

    :ivar is_own: whether they are the file's own, or else our fields.
    :ivar blank: columns that may hold a secret, and stay empty.
    """

    columns: list[str]
    delimiter: str = ","
    is_own: bool = False
    blank: frozenset[str] = frozenset()

    @classmethod
    def of(cls, file: Description | None) -> Layout:
        """Keep the columns of a table, so that what recognised and mapped it does so again."""
        if file is None or not file.opened.is_table:
            return cls(list(_COLUMNS))
        secret = frozenset(
            name for name in file.columns if name in file.secret_columns or _SECRET_KEYS & set(headings.keys(name))
        )
        dropped = frozenset() if file.source.closed else secret
        columns = [name for name in file.columns if name not in dropped and name.lower() not in _ADDED]
        return cls(columns, file.opened.delimiter, is_own=True, blank=secret)

    def cells(self, row: Row | RowProblem) -> list[object]:
        """Return what a bad row says, without secrets."""
        if isinstance(row, RowProblem) or self.is_own:
            values = row.values if isinstance(row, RowProblem) else row.given
            return ["" if name in self.blank else _shown(_as_typed(values.get(name))) for name in self.columns]
        return [_shown(row.values.get(name, _raw(row, name))) for name in self.columns]


_SECRET_KEYS: Final = frozenset(headings.key(each) for name in SECRETS for each in HEADINGS[name])


def _as_typed(cell: object) -> object:
    return unguarded(cell) if isinstance(cell, str) else cell


def _raw(row: Row, name: str) -> object:
    """Return a value that is not understood, where its key is our field's name; else a mark that is refused, too."""
    if all(problem.field != name for problem in row.problems):
        return None
    given = row.given.get(name)
    return given if isinstance(given, str | int | float) else "?"


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
