"""What the readers of user files have in common: rows, problems, bounds, and splitting into lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, NamedTuple

CHUNK: Final = 1 << 16
MAX_ROW: Final = 1 << 20
"""Longest line, or element of a JSON array; in bytes, respectively characters."""


class Row(NamedTuple):
    """One user of a file."""

    line: int
    """Where it starts, counted from 1."""
    values: Mapping[str, object]


@dataclasses.dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with a row, or with the file from there on.

    :ivar field: the column or key; empty where it is the whole row.
    :ivar values: the cells of a CSV row, as far as it is known which is which.
    """

    line: int
    field: str
    type: str
    message: str
    values: Mapping[str, object] = dataclasses.field(default_factory=dict)


class Unreadable(Exception):
    """The rest of the file cannot be understood."""

    def __init__(self, line: int, code: str, message: str) -> None:
        self.problem = RowProblem(line, "", code, message)


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
