"""Reading users from JSON: an object on each line, one array, an object with an array, or objects one after the other.

Of an object with several arrays the one under a usual name (``users``, ``items`` …) counts; without such a name, the only one
that holds objects.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import BinaryIO, Final

from rollcall.services.transfer import headings
from rollcall.services.transfer.json_text import DECODER, JsonText, Repeated
from rollcall.services.transfer.row_stream import Row, RowProblem, Unreadable, lines
from rollcall.services.users.field_names import is_repeatable

_USUAL: Final = (
    "users",
    "identities",
    "items",
    "data",
    "results",
    "records",
    "value",
    "resources",
    "members",
    "people",
    "accounts",
)
_DEPTH: Final = 3

Path = tuple[str, ...]


def is_lines(begin: bytes) -> bool:
    """Return whether a file that begins with ``{`` has an object on each line."""
    found = [line for line in begin.removeprefix(codecs.BOM_UTF8).splitlines() if line.strip()]
    if len(found) > 1:
        return found[1].startswith(b"{") or (found[0].rstrip().endswith(b"}") and found[0].count(b"{") == found[0].count(b"}"))
    return False


def _row(line: int, value: object) -> Row | RowProblem:
    if isinstance(value, dict):
        return Row(line, value)
    if isinstance(value, Repeated):
        key = value.key if is_repeatable(value.key) else ""
        return RowProblem(line, key, "duplicate", "This key occurs more than once." if key else "A key occurs more than once.")
    return RowProblem(line, "", "invalid_type", "A user has to be a JSON object.")


def read_lines(source: BinaryIO) -> Iterator[Row | RowProblem]:
    """Read an object from each line. A bad line does not end the file."""
    for number, raw in enumerate(lines(source), 1):
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if not line.strip():
            continue
        try:
            yield _row(number, DECODER.decode(line.decode("utf-8").strip()))
        except UnicodeDecodeError:
            yield RowProblem(number, "", "invalid_encoding", "This line is not valid UTF-8.")
        except RecursionError:
            yield RowProblem(number, "", "invalid_syntax", "This line is nested too deeply.")
        except ValueError as error:
            yield RowProblem(number, "", "invalid_syntax", f"This line is not valid JSON: {_reason(error)}.")


def _reason(error: ValueError) -> str:
    return f"{error.msg} at character {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)


def read_document(source: BinaryIO) -> Iterator[Row | RowProblem]:
    """Read the users of a JSON document.

    :param source: can be read again from its beginning.
    """
    text = JsonText(source)
    match text.peek():
        case "":
            raise Unreadable(1, "empty_file", "The file is empty.", is_row=False)
        case "[":
            yield from _array(text)
        case "{":
            source.seek(0)
            path = _users_path(JsonText(source))
            source.seek(0)
            text = JsonText(source)
            text.peek()
            if path is None:
                yield from _sequence(text)
                return
            yield from _at(text, path)
        case _:
            text.refuse("The file has to be a JSON array of users.")
    if text.peek():
        text.refuse("After the array there is something more." if text.peek() != "[" else "There is a second array.")


def _array(text: JsonText) -> Iterator[Row | RowProblem]:
    for line in text.elements():
        yield _row(line, text.value())


def _sequence(text: JsonText) -> Iterator[Row | RowProblem]:
    while text.peek():
        line = text.line
        yield _row(line, text.value())


def _at(text: JsonText, path: Path) -> Iterator[Row | RowProblem]:
    """Read the users at a path; an empty path is an object whose values are the users."""
    for key in text.members():
        if not path:
            line = text.line
            yield _row(line, text.value())
        elif key != path[0]:
            text.pass_over()
        elif len(path) > 1:
            yield from _at(text, path[1:])
        else:
            yield from _array(text)


def _users_path(text: JsonText) -> Path | None:
    """Return the keys that lead to the users; empty: each value of the object is one; ``None``: the object itself is one.

    :raises Unreadable: there are several arrays, none of which has a usual name.
    """
    text.peek()
    line = text.line
    arrays: dict[Path, bool] = {}
    members: list[set[str]] = []
    own = _explore(text, (), arrays, members)
    if own & _identity():
        return None
    for name in _USUAL:
        for path in sorted(arrays, key=len):
            if path[-1].lower() == name:
                return path
    of_objects = [path for path, holds_objects in arrays.items() if holds_objects]
    if len(of_objects) == 1:
        return of_objects[0]
    if of_objects:
        message = "The object has several arrays, and none is called users. Keep the one with the users."
        raise Unreadable(line, "ambiguous", message, is_row=False)
    if members and len(members) == len(own) and all(keys & _identity() for keys in members):
        return ()
    return None


def _identity() -> frozenset[str]:
    return frozenset({"email", "mail", "username", "userprincipalname", "displayname", "userid", "login", "traits", "profile"})


def _explore(text: JsonText, path: Path, arrays: dict[Path, bool], members: list[set[str]]) -> set[str]:
    keys = set()
    for name in text.members():
        keys.add(headings.key(name))
        match text.peek():
            case "[":
                arrays[*path, name] = _holds_objects(text)
            case "{" if len(path) < _DEPTH:
                below = _explore(text, (*path, name), arrays, members)
                if not path:
                    members.append(below)
            case _:
                text.pass_over()
    return keys


def _holds_objects(text: JsonText) -> bool:
    found = False
    for _ in text.elements():
        found |= text.peek() == "{"
        text.value()
    return found
