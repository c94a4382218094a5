"""From the columns of a file to our fields: compile what a source or a person says into functions that read a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from rollcall.errors import FieldError, FieldProblem, ValidationFailed
from rollcall.services.transfer import headings, import_times, source_hashes, values
from rollcall.services.transfer.columns import Columns, Reader, Values, plain
from rollcall.services.transfer.exports import unguarded
from rollcall.services.transfer.reading import Reading
from rollcall.services.transfer.sources import Source
from rollcall.services.users.fields import IMPORT_FIELDS

SECRETS: Final = frozenset({"password", "password_hash"})
_DISABLED: Final = 2  # of Active Directory's userAccountControl
_FAILURES: Final = (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError)

Read = Callable[[Values], Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to read a field.

    :ivar text: as a person would write it for ``--map``.
    :ivar columns: the columns that it uses.
    """

    text: str
    columns: tuple[str, ...]
    read: Read


@dataclass(frozen=True, slots=True)
class Field:
    """How one of our fields is read: the first choice with a value; for ``is_active``, all of them."""

    name: str
    choices: tuple[Choice, ...]

    @property
    def columns(self) -> set[str]:
        """Return the columns that it is read from."""
        return {name for choice in self.choices for name in choice.columns}

    def read(self, row: Values) -> Any:
        """Return the value, or ``None``.

        :raises FieldError: the value is not understood.
        """
        found = None
        for choice in self.choices:
            try:
                found = choice.read(row)
            except FieldError:
                raise
            except _FAILURES:
                raise FieldError("invalid_format", "This value is not understood.") from None
            if found is False or (found is not None and self.name != "is_active"):
                return found
        return found


@dataclass(frozen=True, slots=True)
class Context:
    """What the values of a row are read with.

    :ivar is_table: values are cells, with the apostrophes that an export puts before formulas.
    :ivar day_first: the order in dates such as ``3/4/2021``.
    :ivar has_lists: an attribute may have several values, of which the first counts (LDAP).
    """

    reading: Reading
    now: datetime
    is_table: bool
    day_first: bool | None = None
    has_lists: bool = False


def compile_fields(source: Source, columns: Columns, context: Context) -> list[Field]:
    """Compile all fields.

    :raises ValidationFailed: a mapping names a column that there is not, or a field that users do not have.
    """
    chosen = context.reading.mapping
    if unknown := [name for name in chosen if name not in IMPORT_FIELDS]:
        known = ", ".join(IMPORT_FIELDS)
        raise ValidationFailed([FieldProblem("map", "unknown_field", f"Users have no field {unknown[0]!r}; they have {known}.")])
    found = []
    for name in IMPORT_FIELDS:
        if name in chosen:
            choices = [_chosen(name, chosen[name], columns, context)] if chosen[name] else []
        else:
            choices = [each for text in source.fields.get(name, ()) if (each := _choice(name, text, source, columns, context))]
            choices = _of_different_columns(choices) if source.closed or name == "is_active" else choices[:1]
        if choices:
            found.append(Field(name, tuple(choices)))
    return found


def _of_different_columns(choices: list[Choice]) -> list[Choice]:
    """Keep the first choice for each column: it means one thing."""
    found: dict[tuple[str, ...], Choice] = {}
    for choice in choices:
        found.setdefault(choice.columns, choice)
    return list(found.values())


def _chosen(field: str, text: str, columns: Columns, context: Context) -> Choice:
    """Return what a person has written: a column, its opposite, or several joined."""
    bare = text.strip()
    inverted = bare.startswith("!") and columns.exact(bare) is None
    bare = bare[1:].strip() if inverted else bare
    readers: list[Reader] = []
    for part in _parts(bare, columns):
        if len(part) > 1 and part[0] == part[-1] and part[0] in "\"'":
            literal = part[1:-1]
            readers.append(Reader("", lambda _, literal=literal: literal))  # type: ignore[misc]
            continue
        name = columns.exact(part)
        reader = columns.reader(part) if name is None else Reader(name, lambda row, name=name: plain(row.get(name)))  # type: ignore[misc]
        if reader is None:
            raise ValidationFailed(
                [FieldProblem("map", "unknown_column", f"The file has no column {part[:60]!r}, which {field} is mapped to.")]
            )
        readers.append(reader)
    prefix = "!" if inverted else ""
    literals = any(not reader.column for reader in readers)
    return _built(field, prefix, readers, context, glue="" if literals else " ", text=text)


def _parts(text: str, columns: Columns) -> list[str]:
    """Split at ``+``, but not within a name that has one."""
    if columns.exact(text) is not None:
        return [text]
    parts: list[str] = []
    pieces = text.split("+")
    while pieces:
        for length in range(len(pieces), 0, -1):
            part = "+".join(pieces[:length]).strip()
            if length == 1 or columns.exact(part) is not None:
                parts.append(part)
                pieces = pieces[length:]
                break
    return parts


def _choice(field: str, text: str, source: Source, columns: Columns, context: Context) -> Choice | None:
    bare = text.removeprefix("!")
    prefix, colon, rest = bare.partition(":")
    if colon and prefix in headings.PREFIXES:
        bare = rest
    else:
        prefix = ""
    paths = bare.split("+")
    ignored = {headings.key(name) for name in context.reading.ignored}
    found = [columns.reader(path) for path in paths]
    readers = [reader for reader in found if reader is not None and headings.key(reader.column) not in ignored]
    if prefix in source_hashes.ASSEMBLERS and found[0] not in readers:
        return None
    if not readers or (not source.closed and len(readers) < len(paths)):
        return None
    return _built(field, "!" if text.startswith("!") else prefix, readers, context)


def _built(field: str, prefix: str, readers: list[Reader], context: Context, *, glue: str = " ", text: str = "") -> Choice:
    names = tuple(reader.column for reader in readers if reader.column)
    shown = text or ("!" if prefix == "!" else "") + "+".join(names)
    return Choice(shown, names, _reader(field, prefix, [reader.read for reader in readers], context, glue))


def _reader(field: str, prefix: str, reads: Sequence[Read], context: Context, glue: str) -> Read:
    match field:
        case "is_active":
            return _active(prefix, reads[0], context)
        case "is_superuser":
            return _read_as(reads[0], lambda value: values.flag(value) is (prefix != "!"))
        case "created_at":
            zone = UTC if prefix == "utc" else context.reading.timezone
            return _read_as(reads[0], lambda value: _time(value, zone, context))
        case "password" | "password_hash":
            return _secret(field, prefix, reads, context)
        case _:
            return _text(field, prefix, reads, context, glue)


def _read_as(read: Read, convert: Callable[[Any], Any]) -> Read:
    return lambda row: None if (value := read(row)) is None else convert(value)


def _secret(field: str, prefix: str, reads: Sequence[Read], context: Context) -> Read:
    first = reads[0]
    if prefix in source_hashes.ASSEMBLERS:
        assemble, config = source_hashes.ASSEMBLERS[prefix], context.reading.hash_config

        def assembled(row: Values) -> str | None:
            given = [read(row) for read in reads]
            return None if all(value is None for value in given) else assemble(given, config)

        return assembled
    if prefix in ("hash", "plain"):
        return _read_as(first, lambda value: value if values.is_hash(value := str(_first(value))) is (prefix == "hash") else None)
    is_nothing = values.has_no_password if field == "password_hash" else values.is_mask
    return _read_as(first, lambda value: None if isinstance(value, str) and is_nothing(value) else value)


def _unguarded(text: str) -> str:
    return unguarded(text) if "'" in text else text


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _text(field: str, prefix: str, reads: Sequence[Read], context: Context, glue: str) -> Read:
    clean = {"email": values.address, "username": values.name}.get(field, str.strip)
    take_off = _unguarded if context.is_table else str

    is_table, has_lists, first = context.is_table, context.has_lists, reads[0]

    def one(row: Values) -> Any:
        value = first(row)
        if isinstance(value, list) and (has_lists or len(value) == 1):
            value = _first(value)
        if isinstance(value, str):
            return (clean(take_off(value)) if is_table else clean(value)) or None
        if field == "username" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return None if isinstance(value, dict) and not value else value

    def joined(row: Values) -> Any:
        found = [str(value) for read in reads if (value := read(row)) is not None]
        return clean(glue.join(take_off(each).strip() for each in found)) or None

    def only_address(row: Values) -> Any:
        value = one(row)
        return value if isinstance(value, str) and "@" in value else None

    if prefix == "address":
        return only_address
    return one if len(reads) == 1 else joined


def _active(prefix: str, read: Read, context: Context) -> Read:
    def flag(row: Values) -> bool | None:
        value = read(row)
        if value is None:
            return None
        match prefix:
            case "set":
                return None if _is_no(value) else False
            case "until" if _is_no(value):
                return None
            case "until":
                time = _moment(value, context.reading.timezone or UTC)
                return None if time is None or time <= context.now else False
            case "ad":
                return not int(str(value)) & _DISABLED
            case _:
                return values.flag(value, state=True) is (prefix != "!")

    return flag


def _is_no(value: Any) -> bool:
    return value is False or (isinstance(value, str) and values.FLAGS.get(value.strip().lower()) is False)


def _time(value: Any, zone: tzinfo | None, context: Context) -> str | None:
    if isinstance(value, str) and value[4:5] == "-":  # our own form, and most others'
        try:
            if datetime.fromisoformat(value).tzinfo is not None:
                return value
        except ValueError:
            pass
    if isinstance(value, bool):
        raise FieldError("invalid_type", "This has to be a time.")
    time = _moment(value, zone, context.day_first)
    return None if time is None else time.isoformat()


def _moment(value: Any, zone: tzinfo | None, day_first: bool | None = None) -> datetime | None:
    for key in ("$date", "$numberLong", "_seconds", "seconds"):  # as MongoDB and Firestore write a time
        if isinstance(value, dict) and key in value:
            value = value[key]
    if isinstance(value, str) and value.strip().lower() in ("infinity", "∞"):
        return datetime.max.replace(tzinfo=UTC)
    if isinstance(value, str | int | float):
        try:
            return import_times.read(str(int(value)) if isinstance(value, float) else str(value), zone, day_first=day_first)
        except FieldError:
            if isinstance(value, str) and value.startswith("9999"):
                return datetime.max.replace(tzinfo=UTC)
            raise
    raise FieldError("invalid_type", "This has to be a time.")
