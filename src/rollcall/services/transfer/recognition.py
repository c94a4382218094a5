"""Recognise the source of a file by its columns, and name what is not clear about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from rollcall.errors import FieldProblem, ValidationFailed
from rollcall.services.transfer import headings, sources
from rollcall.services.transfer.columns import Columns
from rollcall.services.transfer.mapping import Field
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.row_files import Opened, RowProblem
from rollcall.services.transfer.sources import ROLLCALL, TABLE, Source
from rollcall.services.transfer.table_headings import HEADINGS, NOT_USED
from rollcall.services.users.field_names import is_repeatable
from rollcall.services.users.fields import IGNORED_FIELDS

AUTO: Final = "auto"
_BY_FORMAT: Final = {FileFormat.LDIF: "ldif", FileFormat.HTPASSWD: "htpasswd"}
_OWN: Final = frozenset(headings.key(name) for name in (*ROLLCALL.fields, *IGNORED_FIELDS))
_IDENTITY: Final = ("email", "username")


def recognise(name: str, opened: Opened, columns: Columns, rows: Sequence[Mapping[str, Any]]) -> Source:
    """Return the source of a name, or the one whose columns a file has.

    :param rows: the first rows.
    :raises ValidationFailed: there is no source of this name.
    """
    if name != AUTO:
        if name not in sources.BY_NAME:
            known = ", ".join((AUTO, *sources.BY_NAME))
            raise ValidationFailed(
                [FieldProblem("from", "unknown_source", f"There is no source {name[:40]!r}; there are {known}.")]
            )
        return sources.BY_NAME[name]
    if opened.file_format in _BY_FORMAT:
        return sources.BY_NAME[_BY_FORMAT[opened.file_format]]
    if all(headings.key(each) in _OWN for each in columns.names):
        return ROLLCALL
    for source in sources.SOURCES:
        if any(all(_is_there(path, columns, rows) for path in group) for group in source.signature):
            return source
    return TABLE


def _is_there(path: str, columns: Columns, rows: Sequence[Mapping[str, Any]]) -> bool:
    reader = columns.reader(path)
    if reader is None:
        return False
    if headings.key(path) in {each for name in (reader.column,) for each in headings.keys(name)}:
        return True
    return any(reader.read(row) is not None for row in rows)


@cache
def known_columns() -> frozenset[str]:
    """Return the keys of columns of a table that have a meaning, or none for an import."""
    meant = {headings.key(path) for alternatives in HEADINGS.values() for each in alternatives for path in headings.paths(each)}
    own = {headings.key(name) for name in IGNORED_FIELDS}
    return frozenset(meant | own | {headings.key(name) for name in NOT_USED}) - {"superuser"}


def ambiguous(source: Source, columns: Columns, reading: Reading) -> Iterator[tuple[str, list[str]]]:
    """Yield the fields for which a table has several columns, none of which has the field's own name."""
    if source is not TABLE:
        return
    for name in _IDENTITY:
        found = {reader.column for each in HEADINGS[name] if (reader := columns.reader(each))}
        used = {headings.key(text) for text in reading.mapping.values()} | {headings.key(text) for text in reading.ignored}
        found = {column for column in found if headings.key(column) not in used}
        if name not in reading.mapping and len(found) > 1 and not any(headings.key(column) == name for column in found):
            yield name, sorted(found)


def ambiguous_state(source: Source, fields: Sequence[Field], reading: Reading) -> str:
    """Return the column that ``is_active`` is read from, if nobody has confirmed that it is not the opposite."""
    if source not in (ROLLCALL, TABLE) or "is_active" in reading.mapping:
        return ""
    choices = next((each.choices for each in fields if each.name == "is_active"), ())
    return choices[0].text if len(choices) == 1 and not choices[0].text.startswith("!") else ""


def unknown_column(name: str, line: int, count: int) -> RowProblem:
    """Return the problem of a column that nobody knows, with its name only if it is fit to be repeated."""
    rows = f"{count:,} rows have" if count != 1 else "1 row has"
    if not is_repeatable(name):
        message = f"Users have no such field; its name is not repeated here, since it looks like data. {rows} it."
        return RowProblem(line, "", "unknown_field", message, is_row=False)
    message = f"Users have no such field. {rows} it. Map it to a field, or leave it out: --ignore '{name}'."
    return RowProblem(line, name, "unknown_field", message, is_row=False)
