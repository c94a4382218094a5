"""Reading users from JSON: an object on each line, or one array, of any length in constant memory (RFC 8259, UTF-8)."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, NoReturn

from rollcall.services.transfer.row_stream import CHUNK, MAX_ROW, Row, RowProblem, Unreadable, lines
from rollcall.services.users.field_names import is_repeatable

_SPACE: Final = re.compile(r"[ \t\n\r]*")


class _Repeated(NamedTuple):
    """Stands for an object in which a key occurs more than once."""

    key: str


class _NotJson(ValueError):
    pass


def _object(pairs: list[tuple[str, object]]) -> dict[str, object] | _Repeated:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    counts = Counter(key for key, _ in pairs)
    return _Repeated(counts.most_common(1)[0][0])


def _constant(name: str) -> NoReturn:
    raise _NotJson(f"{name} is not JSON")


# No field of a user is a number; as a float, one of 5,000 digits costs nothing and fails nowhere.
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=float)


def _row(line: int, value: object) -> Row | RowProblem:
    if isinstance(value, dict):
        return Row(line, value)
    if isinstance(value, _Repeated):
        key = value.key if is_repeatable(value.key) else ""
        return RowProblem(line, key, "duplicate", "This key occurs more than once." if key else "A key occurs more than once.")
    return RowProblem(line, "", "invalid_type", "A user has to be a JSON object.")


def read_lines(source: BinaryIO) -> Iterator[Row | RowProblem]:
    for number, raw in enumerate(lines(source), 1):
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if not line.strip():
            continue
        try:
            yield _row(number, _DECODER.decode(line.decode("utf-8").strip()))
        except UnicodeDecodeError:
            yield RowProblem(number, "", "invalid_encoding", "This line is not valid UTF-8.")
        except RecursionError:
            yield RowProblem(number, "", "invalid_syntax", "This line is nested too deeply.")
        except ValueError as error:
            yield RowProblem(number, "", "invalid_syntax", f"This line is not valid JSON: {_reason(error)}.")


def _reason(error: ValueError) -> str:
    return f"{error.msg} at character {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)


def read_array(source: BinaryIO) -> Iterator[Row | RowProblem]:
    text = _JsonText(source)
    if not text.peek():
        raise Unreadable(1, "empty_file", "The file is empty.")
    if text.peek() != "[":
        text.refuse("The file has to be a JSON array of users; one object on each line is a file named .ndjson.")
    text.skip()
    more = text.peek() != "]"
    while more:
        text.peek()
        line = text.line
        yield _row(line, text.value())
        if text.peek() not in ("]", ","):
            text.refuse("After a user there has to be ',' or ']'.")
        more = text.peek() == ","
        if more:
            text.skip()
    text.skip()
    if text.peek():
        text.refuse("After the array there is something more.")


class _JsonText:
    """A window on the text of a JSON file that moves forwards."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._text = ""
        self._position = 0
        self._at_end = False
        self.line = 1

    def refuse(self, message: str) -> NoReturn:
        raise Unreadable(self.line, "invalid_syntax", message)

    def peek(self) -> str:
        """Move to the next character that is not white space, and return it; an empty string at the end."""
        while True:
            found = _SPACE.match(self._text, self._position)
            self._move(found.end() if found else self._position)
            if self._position < len(self._text) or self._at_end:
                return self._text[self._position : self._position + 1]
            self._fill()

    def skip(self) -> None:
        self._move(self._position + 1)

    def value(self) -> object:
        """Decode the JSON value that starts here, and move behind it."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._position)
            except RecursionError:
                self.refuse("This user is nested too deeply.")
            except json.JSONDecodeError as error:
                # Cut off in the middle, or wrong? Only the end of the file or of our patience tells.
                if self._at_end or len(self._text) - self._position > MAX_ROW:
                    self._move(error.pos)
                    self.refuse(f"This is not valid JSON: {error.msg}.")
            except _NotJson as error:
                self.refuse(f"This is not valid JSON: {error}.")
            else:
                if end < len(self._text) or self._at_end:
                    self._move(end)
                    return value
            self._fill()

    def _move(self, position: int) -> None:
        self.line += self._text.count("\n", self._position, position)
        self._position = position

    def _fill(self) -> None:
        data = self._source.read(CHUNK)
        self._at_end = not data
        try:
            more = self._decode(data, final=self._at_end)
        except UnicodeDecodeError as error:
            read = self._text.count("\n", self._position) + error.object.count(b"\n", 0, error.start)
            raise Unreadable(self.line + read, "invalid_encoding", "This line is not valid UTF-8.") from None
        self._text = self._text[self._position :] + more
        self._position = 0
