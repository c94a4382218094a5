"""Reading the cells of a workbook (.xlsx) in constant memory, with bounds on what its parts unpack to.

openpyxl reads the sheet as a stream. It keeps the shared strings in memory, so these have a bound of their own. A part
cannot unpack to more than it declares: Python's zipfile stops there.
"""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, BinaryIO, Final

from rollcall.services.transfer.row_stream import Unreadable
from rollcall.services.transfer.tables import COLUMNS_MAX, Cells

MAX_UNPACKED: Final = 1 << 28
_MAX_STRINGS: Final = 1 << 26
_MAX_PART: Final = 1 << 24
_PARTS_MAX: Final = 2_000
# What openpyxl raises for a workbook that is damaged on purpose.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,  # the XML parser's error is one
    *(KeyError, ValueError, TypeError, IndexError, AttributeError, OSError, EOFError, RuntimeError, OverflowError),
    AssertionError,
)
_NO_WORKBOOK: Final = "The file is a ZIP archive and no workbook (.xlsx). Unpack it, or save the table as .xlsx or CSV."


def open_cells(source: BinaryIO) -> Iterator[Cells]:
    """Return the rows of the first sheet that has any, with their numbers.

    :raises Unreadable: it is no workbook, damaged, or too large.
    """
    # Here, since it takes 12 MB and 0.2 s of the start of each process, and few ever read a workbook.
    import openpyxl  # noqa: PLC0415

    try:
        _require_workbook(source)
        source.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles that openpyxl leaves out
            book = openpyxl.load_workbook(source, read_only=True, data_only=True, keep_links=False)
    except _DAMAGED:
        raise _damaged() from None
    return _cells(book)


def _damaged() -> Unreadable:
    return Unreadable(1, "invalid_format", "The workbook is damaged. Save it again, or as CSV.", is_row=False)


def _require_workbook(source: BinaryIO) -> None:
    with zipfile.ZipFile(source) as archive:
        parts = archive.infolist()
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        raise Unreadable(1, "invalid_format", _NO_WORKBOOK, is_row=False)
    total = sum(part.file_size for part in parts)
    for part in parts:
        strings, sheet = "sharedStrings" in part.filename, part.filename.startswith("xl/worksheets/")
        most = MAX_UNPACKED if sheet else _MAX_STRINGS if strings else _MAX_PART
        if part.file_size > most or total > MAX_UNPACKED or len(parts) > _PARTS_MAX:
            message = "The workbook unpacks to more than is read here. Save the table as CSV."
            raise Unreadable(1, "too_long", message, is_row=False)


def _cells(book: Any) -> Iterator[Cells]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for sheet in book.worksheets:
                if sheet.sheet_state != "visible":
                    continue
                found = False
                sheet.reset_dimensions()  # they may be wrong
                for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
                    if len(row) > COLUMNS_MAX:
                        raise Unreadable(number, "too_long", f"This row has more than {COLUMNS_MAX:,} cells.")
                    cells = [_text(value) for value in row]
                    if any(cell.strip() for cell in cells):
                        found = True
                        yield number, cells
                if found:
                    return
    except _DAMAGED:
        raise _damaged() from None
    finally:
        book.close()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
