"""Reading the cells of CSV (RFC 4180, and what spreadsheets make of it).

Commas, semicolons, tabs or bars delimit: whichever makes a header of one of the first rows, or a ``sep=`` line says. Empty rows
are skipped. The text is UTF-8 here; ``encodings`` sees to that.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import BinaryIO, Final, NoReturn

from rollcall.services.transfer import headings
from rollcall.services.transfer.row_stream import Unreadable, lines
from rollcall.services.transfer.tables import ROWS_BEFORE_HEADER, Cells

DELIMITERS: Final = ",;\t|"
_SEPARATOR: Final = re.compile(r'"?sep=(.|\t)"?[,;\t|]*\s*', re.IGNORECASE)


def open_cells(source: BinaryIO, chosen: Iterable[str]) -> tuple[str, Iterator[Cells]]:
    """Find the delimiter.

    :param chosen: the keys of columns that the caller has named.
    :return: the delimiter, and the rows that are not empty, with the lines on which they start.
    """
    text = _decoded(lines(source))
    begin = list(islice(text, ROWS_BEFORE_HEADER + 1))
    declared = next((found for line in begin[:1] if (found := _SEPARATOR.fullmatch(line))), None)
    delimiter = declared[1] if declared else _delimiter(begin, set(chosen))
    if declared:
        begin[0] = "\n"
    return delimiter, _Cells(chain(begin, text), delimiter)


def _delimiter(begin: list[str], chosen: set[str]) -> str:
    best, most = "", 0
    for delimiter in DELIMITERS:
        try:
            rows = list(csv.reader(begin, delimiter=delimiter))
        except csv.Error:
            continue
        width = max((len(row) for row in rows if headings.is_header(row, chosen)), default=0)
        if width > most:
            best, most = delimiter, width
    first = next((line for line in begin if line.strip()), "")
    return best or max(DELIMITERS, key=first.count)


def _decoded(raw_lines: Iterable[bytes]) -> Iterator[str]:
    for number, raw in enumerate(raw_lines, 1):
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable(number, "invalid_encoding", "This line is not valid UTF-8.") from None


class _Cells:
    """The rows of a CSV file with the lines on which they start. Remembers where an open quote was opened."""

    def __init__(self, lines: Iterable[str], delimiter: str) -> None:
        self._reader = csv.reader(self._watch(lines), delimiter=delimiter, strict=True)
        self._delimiter = delimiter
        self._inside = False
        self._opened = self._opened_before = 1

    def __iter__(self) -> Iterator[Cells]:
        return self

    def __next__(self) -> Cells:
        while True:
            start = self._opened = self._reader.line_num + 1
            self._inside = False
            try:
                row = next(self._reader)
            except csv.Error as error:
                self._refuse(str(error))
            if row and any(cell and not cell.isspace() for cell in row):
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
