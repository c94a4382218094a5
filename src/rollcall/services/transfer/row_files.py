"""Reading files of users as a stream of rows with their line numbers: the door to the readers of each format.

The readers know nothing of what a valid user is; they know what a readable file is. Memory stays constant: a line, a
cell and an element of an array have a bound, and no file is held as a whole, or read twice. What is wrong comes as a
``RowProblem`` in place of a row; where the rest of the file cannot be understood any more, it is the last one.

Its codes beside those of ``users.fields``: ``empty_file``, ``invalid_encoding``, ``invalid_syntax``, ``no_header``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from rollcall.services.transfer import csv_rows, json_rows
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.row_stream import Row, RowProblem, Unreadable

__all__ = ["Row", "RowProblem", "Unreadable", "format_of", "read_rows"]


_READERS: Final[dict[FileFormat, Callable[[BinaryIO], Iterator[Row | RowProblem]]]] = {
    FileFormat.CSV: csv_rows.read,
    FileFormat.NDJSON: json_rows.read_lines,
    FileFormat.JSON: json_rows.read_array,
}


def format_of(begin: bytes) -> FileFormat:
    """The format of a file whose name says nothing, by how it begins."""
    first = begin.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return {b"[": FileFormat.JSON, b"{": FileFormat.NDJSON}.get(first, FileFormat.CSV)


def read_rows(source: BinaryIO, reading: Reading) -> Iterator[Row | RowProblem]:
    """Read the users of a file.

    :param source: the open file; it is read once, forwards.
    :param reading: how to read it; ``csv_rows`` and ``json_rows`` say what is understood.
    :return: rows and problems, in the order of the file.
    """
    try:
        yield from _READERS.get(reading.file_format or FileFormat.CSV, csv_rows.read)(source)
    except Unreadable as end:
        yield end.problem
