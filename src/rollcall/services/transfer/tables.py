"""Tables of cells, from CSV and workbooks alike: find the row that names the columns, and hold every other row to it.

Rows before the header may be a title or a version. An empty heading at the end is no column. Without a header nothing of the
first row is repeated in an answer: it may be somebody's data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

from rollcall.services.transfer import headings
from rollcall.services.transfer.row_stream import Row, RowProblem, Unreadable
from rollcall.services.transfer.sources import FIREBASE_COLUMNS
from rollcall.services.transfer.table_headings import HEADINGS

ROWS_BEFORE_HEADER: Final = 10
COLUMNS_MAX: Final = 1_000
INDEX: Final = "#"
"""The name of a first column without a heading, which numbers the rows."""

_NO_HEADER: Final = (
    "The first row does not name the columns; it needs email or username. It is not repeated here: it may be data. "
    "To read the columns by their position, map them: --map 'email=column 2'."
)
_SECRET: Final = frozenset(headings.key(each) for name in ("password", "password_hash") for each in HEADINGS[name])

Cells = tuple[int, list[str]]


class Table(NamedTuple):
    """A table with its columns.

    :ivar line: the line of the header; 0 where there is none.
    :ivar rows: the rows below it.
    """

    line: int
    columns: list[str]
    rows: Iterator[Cells]


def open_table(rows: Iterator[Cells], chosen: Iterable[str]) -> Table:
    """Find the header of a table.

    :param rows: all rows that are not blank.
    :param chosen: the keys of columns that the caller has named.
    :raises Unreadable: ``empty_file`` or ``no_header``.
    """
    chosen = set(chosen)
    before: list[Cells] = []
    for line, cells in rows:
        if headings.is_header(cells, chosen):
            return Table(line, _columns(cells), rows)
        before.append((line, cells))
        if len(before) == ROWS_BEFORE_HEADER or any("@" in cell for cell in cells):
            break
    if not before:
        raise Unreadable(1, "empty_file", "The file is empty.", is_row=False)
    columns = _by_position(before[-1][1], chosen)
    return Table(0, columns, chain(before, rows))


def _by_position(cells: Sequence[str], chosen: set[str]) -> list[str]:
    by_number = [f"column {number}" for number in range(1, len(cells) + 1)]
    if any(headings.key(name) in chosen for name in by_number):
        return by_number
    width = len(FIREBASE_COLUMNS)
    if width - 3 <= len(cells) <= width + 1 and "@" in cells[1] and cells[2] in ("true", "false", ""):
        return list(FIREBASE_COLUMNS)
    raise Unreadable(1, "no_header", _NO_HEADER, is_row=False)


def _columns(cells: Sequence[str]) -> list[str]:
    given = list(cells)
    while given and not given[-1].strip():
        given.pop()
    found = headings.names(given)
    if not given[0].strip():
        found[0] = INDEX
    return found


def read(table: Table) -> Iterator[Row | RowProblem]:
    """Yield the rows as columns and cells, without the empty cells."""
    columns = table.columns
    width = len(columns)
    # With a cell too many or too few, a password may stand in any column, and nothing repeats a password.
    secret = any(each in _SECRET for name in columns for each in headings.keys(name))
    for line, cells in table.rows:
        if len(cells) != width:
            beyond = any(cell.strip() for cell in cells[width:])
            # Spreadsheet programs leave out delimiters at the end of a row.
            if beyond or (len(cells) < width and secret):
                message = f"This row has {len(cells)} cells, the first row has {width}."
                shown = {} if secret else dict(zip(columns, cells, strict=False))
                yield RowProblem(line, "", "invalid_syntax", message, shown)
                continue
        values = {name: cell for name, cell in zip(columns, cells, strict=False) if cell and not cell.isspace()}
        if values:
            yield Row(line, values)


def header_problems(table: Table) -> Iterator[RowProblem]:
    """Yield what is wrong with the header itself."""
    seen: set[str] = set()
    for name in table.columns:
        if name in seen and name != INDEX:
            yield RowProblem(table.line, name, "duplicate", "There are several columns of this name.", is_row=False)
        seen.add(name)
