"""What the statements of a search have in common: their shape, on which nothing depends but their text, and a window of a list.

They are SQL text, in which a search that goes on from piece to piece reads best. Each is made once for each shape: all that is
asked for travels in parameters, of which the term has three, ``term``, ``gaps`` and ``letters``. PostgreSQL plans it once for
each connection, without a look at the term, so that no term can lead to a plan that is bad for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollcall.models.user import SHORT_GRAMS, STATES
from rollcall.services.list_order import SortBy

NAMES = {"username": "lower(username)", "email": "lower(email)"}
# The term as the search text holds it. A query of its own, so that it is made once and not for each row.
_FORM = "translate(lower(:term), :gaps, :letters)"
_PATTERN = f"(SELECT '%' || {_FORM} || '%')"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a statement depends on, apart from its parameters.

    :param descending: the direction of the order in which the rows are met.
    :param states: the filter: columns, and which state is wanted.
    :param short: the term is too short for trigrams.
    :param placed: only rows beyond a place in the order are wanted.
    """

    sort_by: SortBy
    descending: bool
    states: tuple[tuple[str, bool], ...]
    short: bool
    placed: bool

    @property
    def key(self) -> str:
        return f'{NAMES[self.sort_by]} COLLATE "C"' if self.sort_by in NAMES else "created_at"

    @property
    def direction(self) -> str:
        return "DESC" if self.descending else "ASC"

    @property
    def beyond(self) -> str:
        """The condition that a row lies beyond the place."""
        return f"({self.key}, id) {'<' if self.descending else '>'} (:key, :id)" if self.placed else "true"

    @property
    def filtered(self) -> list[str]:
        return [state if wanted else f"NOT {state}" for state, wanted in self.states]

    @property
    def rare(self) -> str | None:
        """The state that few users are in, if the filter has one; there are indexes by name of these users alone."""
        return next((state for state in ("is_superuser", "NOT is_active") if state in self.filtered), None)

    @property
    def read(self) -> str:
        """The condition that a row matches, of rows that are read in any case."""
        return " AND ".join([f"search_text LIKE {_PATTERN}", *self.filtered])

    @property
    def indexed(self) -> str:
        """The same condition, as the index of the search serves it."""
        return self._indexed(self.states)

    @property
    def nearly(self) -> str:
        """The same without the states that most users are in: to look these up takes longer than to fetch some rows in vain."""
        return self._indexed([(state, wanted) for state, wanted in self.states if wanted == (state == "is_superuser")])

    def _indexed(self, states: Sequence[tuple[str, bool]]) -> str:
        found = f"{SHORT_GRAMS} @> (SELECT ARRAY[{_FORM}])" if self.short else f"search_text LIKE {_PATTERN}"
        return " AND ".join([found, *(f"{STATES[state]} @> ARRAY[{wanted}]" for state, wanted in states)])


def window(shape: Shape, where: str, enough: str, *, rows: str = "window", by_age: bool = False) -> str:
    """The first matches in the next rows of the list, by name, or else in the order of sign-up."""
    # What an index has together may be the window's condition. Any other filter comes after the window, which would else be a
    # search through the whole table for its rows.
    inside = shape.rare or (shape.filtered[0] if by_age and shape.filtered else "true")
    # Names are unique: to sort by the id too would only cost time.
    order = f"created_at {shape.direction}, id {shape.direction}" if by_age else f"key {shape.direction}"
    columns = ", ".join(["id", "created_at", f"{shape.key} AS key", "search_text", *STATES])
    return f"""
        SELECT id, key FROM (
            SELECT {columns} FROM users WHERE {where} AND {inside} ORDER BY {order} LIMIT :{rows}
        ) AS listed WHERE {shape.read} ORDER BY {order} LIMIT :{enough}"""  # noqa: S608
