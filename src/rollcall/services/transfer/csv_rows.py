"""Reading users from CSV (RFC 4180, and what spreadsheets make of it).

The first row names the columns, in any order; without ``email`` or ``username`` in it, it is taken for data, and nothing of
it is repeated. Commas, semicolons or tabs delimit; the text is UTF-8, or Windows-1252
where it is no UTF-8 from the first accented letter on; an empty cell is an absent value; empty rows are skipped; white
space around a cell, and the apostrophe that an export put before a formula, are taken off, passwords and hashes excepted.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import BinaryIO, Final, NamedTuple, NoReturn

from rollcall.services.transfer.exports import unguarded
from rollcall.services.transfer.row_stream import Row, RowProblem, Unreadable, lines
from rollcall.services.users.field_names import is_repeatable
from rollcall.services.users.fields import IGNORED_FIELDS, IMPORT_FIELDS

_REQUIRED: Final = ("email", "username")
_EXACT: Final = frozenset({"password", "password_hash"})
# How files of spreadsheet programs begin: .xlsx and .ods are ZIP archives, .xls is a compound file.
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class Head(NamedTuple):
    """The first row of a file, which names the columns.

    :ivar columns: their names; ``column 3`` in place of one that looks like data; none where the row does not name columns.
    """

    line: int
    columns: list[str]
    delimiter: str


def read(source: BinaryIO) -> Iterator[Row | RowProblem]:
    (number, columns, _), cells = _open(source)
    problems = list(_header_problems(number, columns))
    yield from problems
    if problems:
        return
    for number, row in cells:
        if len(row) != len(columns):
            message = f"This row has {len(row)} cells, the first row has {len(columns)}."
            # With a cell too many or too few, a password may stand in any column, and nothing repeats a password.
            shown = dict(zip(columns, row, strict=False)) if _EXACT.isdisjoint(columns) else {}
            yield RowProblem(number, "", "invalid_syntax", message, shown)
            continue
        values = {name: value for name, cell in zip(columns, row, strict=True) if (value := _cell(name, cell))}
        if values:
            yield Row(number, values)


def head(source: BinaryIO) -> Head:
    """Read the first row alone.

    :raises Unreadable: there is none.
    """
    return _open(source)[0]


def _open(source: BinaryIO) -> tuple[Head, _Cells]:
    text = _decoded(lines(source))
    begin: list[str] = []
    for line in text:
        begin.append(line)
        if line.strip():
            break
    else:
        raise Unreadable(1, "empty_file", "The file is empty.")
    delimiter = max(",;\t", key=begin[-1].count)
    cells = _Cells(chain(begin, text), delimiter)
    number, names = next(cells)
    return Head(number, _column_names(names), delimiter), cells


def _column_names(cells: list[str]) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    if not set(_REQUIRED) & set(names):  # then any cell may be somebody's data
        return []
    return [name if is_repeatable(name) else f"column {number}" for number, name in enumerate(names, 1)]


def _header_problems(line: int, columns: list[str]) -> Iterator[RowProblem]:
    if not columns:
        message = "The first row does not name the columns; it needs email and username. It is not repeated here: it may be data."
        yield RowProblem(line, "", "no_header", message)
        return
    for name in _REQUIRED:
        if name not in columns:
            yield RowProblem(line, name, "missing", "There is no such column; the first row names the columns.")
    for name in dict.fromkeys(columns):
        if name not in IMPORT_FIELDS + IGNORED_FIELDS:
            known = ", ".join(IMPORT_FIELDS)
            yield RowProblem(line, name, "unknown_field", f"Users have no such field; they have {known}.")
        elif columns.count(name) > 1:
            yield RowProblem(line, name, "duplicate", "There are several columns of this name.")


def _cell(name: str, cell: str) -> str:
    if name in _EXACT:
        return cell
    return unguarded(cell).strip()


def _decoded(raw_lines: Iterable[bytes]) -> Iterator[str]:
    """Decode line by line: UTF-8, unless the first line that is not ASCII says otherwise."""
    encoding = ""
    for number, raw in enumerate(raw_lines, 1):
        line = raw
        if number == 1:
            if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise Unreadable(1, "invalid_encoding", "The file is UTF-16; save it as CSV in UTF-8.")
            if raw.startswith(_WORKBOOKS):
                raise Unreadable(1, "invalid_encoding", "The file is a workbook of a spreadsheet program; save it as CSV.")
            if raw.startswith(codecs.BOM_UTF8):
                encoding, line = "utf-8", raw.removeprefix(codecs.BOM_UTF8)
        if not encoding and not line.isascii():
            encoding = "utf-8" if _is_utf8(line) else "cp1252"
        try:
            yield line.decode(encoding or "ascii")
        except UnicodeDecodeError:
            name = "UTF-8" if encoding == "utf-8" else "UTF-8 or Windows-1252"
            raise Unreadable(number, "invalid_encoding", f"This line is not valid {name}.") from None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Cells:
    """The rows of a CSV file with the lines on which they start; it knows where an open quote was opened."""

    def __init__(self, lines: Iterable[str], delimiter: str) -> None:
        self._reader = csv.reader(self._watch(lines), delimiter=delimiter, strict=True)
        self._delimiter = delimiter
        self._inside = False
        self._opened = self._opened_before = 1

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        while True:
            start = self._opened = self._reader.line_num + 1
            self._inside = False
            try:
                row = next(self._reader)
            except csv.Error as error:
                self._refuse(str(error))
            if len(row) > 1 or (row and row[0].strip()):
                return start, row

    def _watch(self, lines: Iterable[str]) -> Iterator[str]:
        for number, line in enumerate(lines, 1):
            self._opened_before = self._opened
            quotes = line.replace('""', "").count('"')
            was_inside = self._inside
            self._inside ^= quotes % 2 == 1
            if self._inside and (quotes > 1 or not was_inside):
                self._opened = number
            yield line

    def _refuse(self, error: str) -> NoReturn:
        if "field limit" in error:
            message = f"A cell has more than {csv.field_size_limit():,} characters; was a quote left open here?"
            raise Unreadable(self._opened, "too_long", message)
        if "unexpected end" in error:
            raise Unreadable(self._opened, "invalid_syntax", "A quote that is opened here is never closed.")
        message = (
            f"A quoted cell has to end with a quote and then {self._delimiter!r} or the end of the line; "
            "a quote inside of it is written twice. Was a quote left open here?"
        )
        raise Unreadable(self._opened_before, "invalid_syntax", message)
