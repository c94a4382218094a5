"""Open a file of users: unpack it, recognise its format and encoding, and read its rows as a stream with their lines.

The readers know nothing of what a valid user is; they know what a readable file is. Memory stays constant: a line, a cell and an
element of an array have a bound, and no file is held as a whole. A fault is a ``RowProblem`` in place of a row; if the
rest of the file cannot be understood, it is the last one.

Its codes beside those of ``users.fields``: ``empty_file``, ``invalid_encoding``, ``invalid_format``, ``invalid_syntax``,
``no_header``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

from rollcall.services.transfer import (
    csv_rows,
    encodings,
    headings,
    htpasswd_rows,
    json_rows,
    ldif_rows,
    tables,
    unpacking,
    xlsx_rows,
)
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.row_stream import Row, RowProblem, Unreadable
from rollcall.services.transfer.tables import Table

__all__ = ["Opened", "Row", "RowProblem", "UncertainEncoding", "Unreadable", "open_rows", "read_rows"]

_ENCODED: Final = frozenset({FileFormat.CSV, FileFormat.HTPASSWD, FileFormat.LDIF})
"""Formats whose text may be in a legacy encoding. JSON is UTF-8 or UTF-16."""


class Opened(NamedTuple):
    """A file that is open, at its first user.

    :ivar encoding: ``""`` for a workbook.
    :ivar columns: the names of the columns; empty where each row has keys of its own.
    :ivar header_line: the line of the header; 0 where there is none.
    :ivar delimiter: of CSV.
    """

    file_format: FileFormat
    encoding: str
    rows: Iterator[Row | RowProblem]
    columns: list[str] = []  # never changed
    header_line: int = 0
    delimiter: str = ","

    @property
    def is_table(self) -> bool:
        """Return whether every value is a cell of text."""
        return self.file_format in (FileFormat.CSV, FileFormat.XLSX)


class UncertainEncoding(Unreadable):
    """The text is not UTF-8, and may be in several encodings.

    :ivar proposals: the likely ones first.
    """

    def __init__(self, line: int, proposals: list[str]) -> None:
        self.proposals = proposals
        message = "This line is not UTF-8, and the encoding of the file is not certain."
        super().__init__(line, "invalid_encoding", message, is_row=False)


def open_rows(source: BinaryIO, reading: Reading, check: Callable[[], None] = lambda: None) -> Opened:
    """Open a file of users.

    :param source: a file that can be read again from its beginning.
    :param check: called often; what it raises ends the work.
    :raises Unreadable: nothing of the file can be understood.
    """
    source = unpacking.unpacked(source)
    begin = unpacking.peek(source)
    if begin.startswith(unpacking.ZIP):
        rows = xlsx_rows.open_cells(source)
        return _from_table(FileFormat.XLSX, "", tables.open_table(rows, _chosen(reading)), ",")
    encoding = reading.encoding or ""
    found = encodings.Survey(encoding) if encoding else encodings.survey(source, check)
    text = encodings.as_utf8(source, found.encoding or "utf-8")
    file_format = reading.file_format or _format(unpacking.peek(text))
    if found.line and file_format not in _ENCODED and not encoding:  # so that each line that is not UTF-8 is named
        text, found = source, encodings.Survey("utf-8")
    if not found.encoding and file_format in _ENCODED:
        if found.mixed:
            message = "This line is not UTF-8, but others are. Save the file in one encoding, or name one with --encoding."
            raise Unreadable(found.line, "invalid_encoding", message, is_row=False)
        raise UncertainEncoding(found.line, encodings.proposals(found.sample))
    encoding = found.encoding or "utf-8"
    match file_format:
        case FileFormat.NDJSON:
            return Opened(file_format, encoding, json_rows.read_lines(text))
        case FileFormat.JSON:
            return Opened(file_format, encoding, json_rows.read_document(text))
        case FileFormat.LDIF:
            return Opened(file_format, encoding, ldif_rows.read(text))
        case FileFormat.HTPASSWD:
            return Opened(file_format, encoding, htpasswd_rows.read(text), list(htpasswd_rows.COLUMNS))
        case _:
            delimiter, cells = csv_rows.open_cells(text, _chosen(reading))
            return _from_table(FileFormat.CSV, encoding, tables.open_table(cells, _chosen(reading)), delimiter)


def _from_table(file_format: FileFormat, encoding: str, table: Table, delimiter: str) -> Opened:
    def rows() -> Iterator[Row | RowProblem]:
        yield from tables.header_problems(table)
        yield from tables.read(table)

    return Opened(file_format, encoding, rows(), table.columns, table.line, delimiter)


def _chosen(reading: Reading) -> set[str]:
    """Return the keys of the columns that the caller has named, whatever they are joined or negated with."""
    named = {part for text in reading.mapping.values() for part in (text, *text.split("+"))}
    return {headings.key(part.strip().removeprefix("!")) for part in named if part.strip("!")}


def _format(begin: bytes) -> FileFormat:
    first = begin.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if first == b"[":
        return FileFormat.JSON
    if first == b"{":
        return FileFormat.NDJSON if json_rows.is_lines(begin) else FileFormat.JSON
    if ldif_rows.is_ldif(begin):
        return FileFormat.LDIF
    return FileFormat.HTPASSWD if htpasswd_rows.is_htpasswd(begin) else FileFormat.CSV


def read_rows(source: BinaryIO, reading: Reading) -> Iterator[Row | RowProblem]:
    """Read the rows of a file with its own columns.

    :return: rows and problems, in the order of the file.
    """
    try:
        yield from open_rows(source, reading).rows
    except Unreadable as end:
        yield end.problem
