"""The common parts of all readers of user files: rows, problems, bounds, and splitting into lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final, NamedTuple

from rollcall.errors import FieldProblem

CHUNK: Final = 1 << 16
MAX_ROW: Final = 1 << 20
"""Longest line, or element of a JSON array; in bytes, respectively characters."""


class Row(NamedTuple):
    """One user of a file."""

    line: int
    """Where it starts, counted from 1."""
    values: Mapping[str, Any]
    given: Mapping[str, Any] = {}  # never changed
    """As the file has it, with the file's own columns."""
    problems: tuple[FieldProblem, ...] = ()
    """What of it is not understood; these fields are not among its values."""


@dataclasses.dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with a row, or with the file from there on.

    :ivar field: the column or key; empty where it is the whole row.
    :ivar values: the cells of a CSV row, as far as it is known which is which.
    :ivar is_row: whether it is a row that is wrong, and not the file or its header.
    """

    line: int
    field: str
    type: str
    message: str
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)
    is_row: bool = True


class Unreadable(Exception):
    """The rest of the file cannot be understood."""

    def __init__(self, line: int, code: str, message: str, *, is_row: bool = True) -> None:
        self.problem = RowProblem(line, "", code, message, is_row=is_row)


def lines(source: BinaryIO) -> Iterator[bytes]:
    """Split at LF, CR LF and CR; every line keeps its end."""
    rest = b""
    number = 1
    while data := source.read(CHUNK):
        found = (rest + data).splitlines(keepends=True)
        # The last line may go on, and a CR at its end may be half of a CR LF.
        rest = b"" if found[-1].endswith(b"\n") else found.pop()
        yield from found
        number += len(found)
        if len(rest) > MAX_ROW:
            raise Unreadable(number, "too_long", f"This line is longer than {MAX_ROW:,} bytes.")
    if rest:
        yield rest
