"""A JSON file of any length, read value by value in constant memory (RFC 8259, UTF-8)."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, NoReturn

from rollcall.services.transfer.row_stream import CHUNK, MAX_ROW, Unreadable

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DIGITS_MAX: Final = 19
_DEPTH_MAX: Final = 20


class Repeated(NamedTuple):
    """Stands for an object in which a key occurs more than once."""

    key: str


class NotJson(ValueError):
    """Python's reader accepts more than JSON, such as NaN."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object] | Repeated:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    counts = Counter(key for key, _ in pairs)
    return Repeated(counts.most_common(1)[0][0])


def _constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON")


def _integer(digits: str) -> int | float:
    # No field of a user is a longer number; as a float, one of 5,000 digits costs nothing and fails nowhere.
    return int(digits) if len(digits) <= _DIGITS_MAX else float(digits)


DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer)


class JsonText:
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
                value, end = DECODER.raw_decode(self._text, self._position)
            except RecursionError:
                self.refuse("This user is nested too deeply.")
            except json.JSONDecodeError as error:
                # Cut off in the middle, or wrong? Only the end of the file or of our patience tells.
                if self._at_end or len(self._text) - self._position > MAX_ROW:
                    self._move(error.pos)
                    self.refuse(f"This is not valid JSON: {error.msg}.")
            except NotJson as error:
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

    def members(self) -> Iterator[str]:
        """Yield the keys of the object that starts here. The caller moves behind each value."""
        self.skip()
        more = self.peek() != "}"
        while more:
            key = self.value() if self.peek() == '"' else self.refuse("A key has to be a string.")
            if self.peek() != ":":
                self.refuse("After a key there has to be ':'.")
            self.skip()
            self.peek()
            yield str(key)
            more = self._continues("}")
        self.skip()

    def elements(self) -> Iterator[int]:
        """Yield the line of each element of the array that starts here. The caller moves behind each."""
        self.skip()
        more = self.peek() != "]"
        while more:
            self.peek()
            yield self.line
            more = self._continues("]")
        self.skip()

    def pass_over(self, depth: int = 0) -> None:
        """Move behind the value that starts here, however long it is."""
        match self.peek():
            case "[":
                for _ in self.elements():
                    self.value()
            case "{" if depth < _DEPTH_MAX:
                for _ in self.members():
                    self.pass_over(depth + 1)
            case _:
                self.value()

    def _continues(self, end: str) -> bool:
        if self.peek() not in (end, ","):
            self.refuse(f"After a value there has to be ',' or '{end}'.")
        if self.peek() == end:
            return False
        self.skip()
        return True
