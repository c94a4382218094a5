"""A file of users with its source recognised: rows come as our fields, and each column that nobody knows is named once.

The first rows are read ahead, since the columns of JSON are the keys of its rows. What is wrong with the whole file
(a missing column, unknown columns, a missing time zone) comes once with a count, and hides no fault of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from typing import Any, BinaryIO, Final

from rollcall.errors import FieldError, FieldProblem
from rollcall.services.transfer import headings, import_times, recognition, row_files, values
from rollcall.services.transfer.columns import Columns, Reader
from rollcall.services.transfer.mapping import SECRETS, Context, Field, compile_fields
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.row_files import Opened, Row, RowProblem, UncertainEncoding, Unreadable
from rollcall.services.transfer.sources import ROLLCALL, Source

READ_AHEAD: Final = 200
_COLUMNS_MAX: Final = 2_000
_NAMES_SHOWN: Final = 2
_AS_EXPORTED: Final = ("id", "updated_at", "last_login_at")
"""What an export of ours has beside the fields of an import; they are passed on as they are."""
_ONCE: Final = {
    "no_timezone": "{count} have a time without an offset from UTC. Say which time zone it is in (--timezone Europe/Berlin).",
    "no_hash_config": "{count} have a hash of Firebase, whose signer key is not in the file. Give it with --hash-config FILE.",
}
_YES_NO: Final = (
    "{no} of {rows} rows say No here. If the column came from one such as 'Block sign in', it means the opposite: "
    "--map 'is_active=!{column}'. If it is right, confirm it: --map is_active={column}."
)
_GARBLED: Final = (
    "This text was in UTF-8, and a program has read it as Windows-1252. Open the original file as UTF-8 and save it again. "
    "If the names are right as they stand, confirm it with --encoding utf-8."
)


@dataclass(slots=True)
class Description:
    """How a file was understood.

    :ivar fields: our fields with the columns that they are read from, in the form of ``--map``.
    :ivar ignored: columns that are not used.
    :ivar exported: what an export of ours has beside the fields of an import.
    :ivar skipped: records that are no users.
    """

    opened: Opened
    source: Source
    columns: list[str]
    fields: list[Field]
    ignored: list[str] = field(default_factory=list)
    exported: list[tuple[str, Reader]] = field(default_factory=list)
    skipped: int = 0

    @property
    def secret_columns(self) -> set[str]:
        """Return the columns that passwords and hashes are read from."""
        return {name for each in self.fields if each.name in SECRETS for name in each.columns}


class UserFile:
    """A file of users, to be read once.

    :ivar description: set as soon as the first row was read, unless the file is unreadable.
    :ivar missing: required fields that no column has; their absence is no fault of a row.
    """

    def __init__(
        self, source: BinaryIO, reading: Reading, *, now: datetime, check: Callable[[], None] = lambda: None, names: bool = True
    ) -> None:
        self._source = source
        self._reading = reading
        self._now = now
        self._check = check
        self._show_names = names
        self.description: Description | None = None
        self.missing: set[str] = set()
        self._unknown: dict[str, tuple[int, int]] = {}
        self._once: dict[tuple[str, str], tuple[int, int]] = {}
        self._answers: dict[str, int] = {}

    def rows(self) -> Iterator[Row | RowProblem]:
        """Yield the users with our fields, and what is wrong, in the order of the file; at the end what is wrong with all of it.

        :raises ValidationFailed: the reading names a source, a field or a column that there is not.
        """
        try:
            opened = row_files.open_rows(self._source, self._reading, self._check)
            yield from self._read(opened)
        except UncertainEncoding as end:
            yield self._with_names(end)
        except Unreadable as end:
            yield end.problem

    def _read(self, opened: Opened) -> Iterator[Row | RowProblem]:
        ahead: list[Row | RowProblem] = []
        end: Unreadable | None = None
        try:
            ahead.extend(islice(opened.rows, READ_AHEAD))
        except Unreadable as error:
            end = error
        given = [row.values for row in ahead if isinstance(row, Row)]
        columns = Columns(opened.columns or dict.fromkeys(key for row in given for key in row))
        source = recognition.recognise(self._reading.source, opened, columns, given)
        context = Context(self._reading, self._now, opened.is_table, has_lists=opened.file_format is FileFormat.LDIF)
        fields = compile_fields(source, columns, context)
        dates = [
            str(row.get(name))
            for each in fields
            if each.name == "created_at"
            for name in each.choices[0].columns
            for row in given
        ]
        context = replace(context, day_first=import_times.order_of(dates))
        described = self.description = Description(opened, source, list(columns.names), compile_fields(source, columns, context))
        has_rows = bool(given) or bool(opened.columns)
        yield from self._header_problems(described, columns) if has_rows else ()
        self._register(described, columns, 0)
        rows = chain(ahead, opened.rows if end is None else ())
        yield from self._mapped(rows, described, columns, context)
        if end is not None:
            yield end.problem
        yield from self._file_problems(described)

    def _mapped(
        self, rows: Iterator[Row | RowProblem], described: Description, columns: Columns, context: Context
    ) -> Iterator[Row | RowProblem]:
        is_fixed = bool(described.opened.columns)
        only = [reader for path in described.source.only if (reader := columns.reader(path))]
        watched = recognition.ambiguous_state(described.source, described.fields, self._reading)
        for row in rows:
            if isinstance(row, RowProblem):
                yield row
                continue
            if not is_fixed and not row.values.keys() <= columns.names.keys():
                columns.add(row.values)
                if len(columns.names) > _COLUMNS_MAX:
                    raise Unreadable(row.line, "too_long", f"The file has more than {_COLUMNS_MAX:,} different keys.")
                described.fields = compile_fields(described.source, columns, context)
                described.columns = list(columns.names)
                only = [reader for path in described.source.only if (reader := columns.reader(path))]
                self._register(described, columns, row.line)
            if self._unknown:
                self._count_unknown(row)
            if only and not any(reader.read(row.values) is not None for reader in only):
                described.skipped += 1
                continue
            if watched:
                self._count_answer(row.values.get(watched))
            yield self._row(row, described)

    def _row(self, row: Row, described: Description) -> Row:
        found: dict[str, Any] = {}
        problems: list[FieldProblem] = []
        for each in described.fields:
            name = each.name
            try:
                value = each.read(row.values)
            except FieldError as error:
                if error.type in _ONCE:
                    line, count = self._once.get((name, error.type), (row.line, 0))
                    self._once[name, error.type] = line, count + 1
                else:
                    problems.append(FieldProblem(name, error.type, str(error)))
                continue
            if value is None:
                if name == "full_name" and any(row.values.get(column, "") is None for column in each.columns):
                    found[name] = None  # JSON's null: an update takes the name away
                continue
            found[name] = value
            if isinstance(value, str) and not value.isascii() and name not in SECRETS and self._is_garbled(value):
                problems.append(FieldProblem(name, "garbled", _GARBLED))
        if described.source is ROLLCALL:
            found |= {name: value for name, reader in described.exported if (value := reader.read(row.values)) is not None}
        if "username" not in found and "email" in found and all(problem.field != "username" for problem in problems):
            found["username"] = found["email"]
        return Row(row.line, found, row.values, tuple(problems))

    def _is_garbled(self, value: str) -> bool:
        return not self._reading.encoding and values.is_garbled(value)

    def _header_problems(self, described: Description, columns: Columns) -> Iterator[RowProblem]:
        line = described.opened.header_line or 1
        if not described.opened.columns and described.opened.file_format is not FileFormat.HTPASSWD:
            return  # each object tells by itself what it lacks
        names = {each.name for each in described.fields}
        if "email" not in names:
            self.missing = {"email"} | ({"username"} - names)
            message = "There is no such column. Name the one that holds the addresses: --map email=COLUMN."
            yield RowProblem(line, "email", "missing", message, is_row=False)
        for name, others in recognition.ambiguous(described.source, columns, self._reading):
            listed = ", ".join(others)
            message = f"Several columns could be this: {listed}. Choose one, such as --map '{name}={others[0]}'."
            yield RowProblem(line, name, "ambiguous", message, is_row=False)

    def _register(self, described: Description, columns: Columns, line: int) -> None:
        """Sort the columns that no field uses into the ignored and the unknown."""
        used = {name for each in described.fields for name in each.columns}
        ignored = {headings.key(name) for name in self._reading.ignored}
        known = recognition.known_columns()
        described.ignored = []
        described.exported = [(name, reader) for name in _AS_EXPORTED if (reader := columns.reader(name))]
        for name in columns.names:
            if name in used:
                continue
            keys = set(headings.keys(name))
            if described.source.closed or self._reading.ignore_unknown or keys & ignored or keys & known:
                described.ignored.append(name)
            else:
                self._unknown.setdefault(name, (line or described.opened.header_line, 0))

    def _count_unknown(self, row: Row) -> None:
        for name in self._unknown.keys() & row.values.keys():
            line, count = self._unknown[name]
            self._unknown[name] = line or row.line, count + 1

    def _count_answer(self, value: object) -> None:
        text = value.strip() if isinstance(value, str) else ""
        if text:
            word = text if text in ("Yes", "No") else ""
            self._answers[word] = self._answers.get(word, 0) + 1

    def _file_problems(self, described: Description) -> Iterator[RowProblem]:
        for name, (line, count) in self._unknown.items():
            if name.startswith("column ") and not count:
                continue  # a column with neither a heading nor a cell
            yield recognition.unknown_column(name, line or 1, count)
        for (name, code), (line, count) in self._once.items():
            rows = f"{count:,} rows" if count != 1 else "1 row"
            yield RowProblem(line, name, code, _ONCE[code].format(count=rows).replace("1 row have", "1 row has"), is_row=False)
        no, yes = self._answers.get("No", 0), self._answers.get("Yes", 0)
        column = recognition.ambiguous_state(described.source, described.fields, self._reading)
        if column and no and no >= yes and len(self._answers) == (2 if yes else 1):
            message = _YES_NO.format(no=no, rows=no + yes, column=column)
            yield RowProblem(described.opened.header_line, "is_active", "ambiguous", message, is_row=False)

    def _with_names(self, end: UncertainEncoding) -> RowProblem:
        """Return the problem with some names in each of the encodings that they may be in."""
        shown: dict[str, str] = {}
        for encoding in end.proposals if self._show_names else ():
            found = self._names(encoding)
            if found:
                shown.setdefault(", ".join(found), encoding)
        if not shown:
            return replace(end.problem, message=f"{end.problem.message} Name it with --encoding.")
        listed = "; ".join(f"{encoding} ({names})" for names, encoding in shown.items())
        message = f"{end.problem.message} Which names are right? {listed}. Confirm with --encoding {next(iter(shown.values()))}."
        return replace(end.problem, message=message)

    def _names(self, encoding: str) -> list[str]:
        self._source.seek(0)
        inner = UserFile(self._source, replace(self._reading, encoding=encoding), now=self._now, check=self._check, names=False)
        found = (str(row.values.get("full_name") or "") for row in islice(inner.rows(), READ_AHEAD) if isinstance(row, Row))
        return list(islice((name[:40] for name in found if not name.isascii()), _NAMES_SHOWN))
