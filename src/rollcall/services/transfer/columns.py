"""Find the value of a path in a row: a column by its heading, or a key inside of a nested value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from rollcall.services.transfer import headings
from rollcall.services.transfer.values import NOTHING

Values = Mapping[str, Any]
_JSON_MAX: Final = 1 << 16


class Reader(NamedTuple):
    """How to read one path.

    :ivar column: the column, as the file names it.
    """

    column: str
    read: Callable[[Values], Any]


class Columns:
    """The columns of a file, which can be added to while it is read."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._by_key: dict[str, str] = {}
        self.names: dict[str, None] = {}
        self.add(names)

    def add(self, names: Iterable[str]) -> None:
        """Add columns; the first of several with the same meaning counts."""
        given = list(names)
        self.names.update(dict.fromkeys(given))
        for position in range(4):  # whole headings before their parts
            for name in given:
                keys = headings.keys(name)
                if position < len(keys):
                    self._by_key.setdefault(keys[position], name)

    def exact(self, text: str) -> str | None:
        """Return the column of a name that somebody has written."""
        return text if text in self.names else self._by_key.get(headings.key(text))

    def reader(self, path: str) -> Reader | None:
        """Return how to read a path; ``None``: there is no such column."""
        name = self._by_key.get(headings.key(path))
        if name is not None:
            return Reader(name, lambda row: plain(row.get(name)))
        first, dot, rest = path.partition(".")
        column = self._by_key.get(headings.key(first)) if dot else None
        if column is None:
            return None
        steps = rest.split(".")
        return Reader(column, lambda row: plain(_inside(row.get(column), steps)))


def plain(value: Any) -> Any:
    """Return a value of a cell, or ``None`` for a word that means nothing."""
    if isinstance(value, str):
        return None if value in NOTHING or value.isspace() else value
    return value


def _inside(value: Any, steps: list[str]) -> Any:
    if isinstance(value, str) and value[:1] in "{[" and len(value) <= _JSON_MAX:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and len(step) < 4:
            value = value[int(step)] if int(step) < len(value) else None
        elif isinstance(value, list):  # Amazon's attributes are a list of names and values
            value = next((each.get("Value") for each in value if isinstance(each, dict) and each.get("Name") == step), None)
        else:
            return None
    return value
