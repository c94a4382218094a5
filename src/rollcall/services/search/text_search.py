"""Finding users by any part of their names, in any order of a list.

How a term is best looked for depends on how common it is, and that is measured, not estimated by the planner:

1. *Near.* Read the first 1,000 rows of the list in its order, and filter. A very common term has filled the page by then.
   Where these rows hold a quarter of the matches that are needed, read as many as should hold all.
2. *Sample.* Count the matches in some 1,000 to 5,000 rows of the table.
3. *Common.* Search a part of the list that should hold two and a half times the matches that are needed. In the order of sign-up
   the tally knows which days that are, and the search index is searched for the term and these days together. In the order of
   names the list is read on. A part that held too few is followed by one eight times as large.
4. *Rare*, fewer than 3,000 matches in all, or no part smaller than half is left: fetch all matches by the index, and sort them.

The same matches are counted, up to ``COUNT_AT_MOST``. docs/design/search.md has the reasons and the figures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Text, and_, any_, literal, or_
from sqlalchemy.orm import Session

from rollcall.infra import reading
from rollcall.infra.reading import Statement
from rollcall.models import User, UserRecord
from rollcall.models.user import day_status, status
from rollcall.services.search import list_order, statements, terms
from rollcall.services.search.filters import UserFilter
from rollcall.services.search.list_order import Position
from rollcall.services.search.list_rows import Rows
from rollcall.services.search.statements import INDEXED_WORDS, Shape
from rollcall.services.search.terms import Wanted, wanted
from rollcall.services.statistics import tally
from rollcall.services.statistics.tally import Days

COUNT_AT_MOST: Final = 200
NEAR: Final = 1_000
NEARLY: Final = 4
"""Where the first rows hold at least a fourth of the matches, so many rows are read that they should hold all."""
COMMON: Final = 5
"""Fewer matches in the sample tell too little."""
MARGIN: Final = 2.5
"""How many times the needed matches a part of the list should hold, since they are not spread evenly."""
FEW: Final = 3_000
"""So many matches are fetched and sorted in less time than a part of the list is searched."""
GROWTH: Final = 8
"""How much larger the next part is where one has held too few."""

_Place = tuple[Any, int]  # sort key, id
# The sort keys of exact matches in the order of relevance: after everybody's sign-up.
_EXACT: Final = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Total:
    """How many users match; ``exact`` is false where there are more."""

    count: int
    exact: bool


def found(session: Session, term: str) -> ColumnElement[bool]:
    """Return the condition that a user is found by a term, for statements about all who are."""
    asked = wanted(session, term)
    matching = and_(*(User.search_text.like(literal(terms.pattern(word), Text)) for word in asked.words))
    exactly = User.id == any_(literal(list(asked.exact_ids), ARRAY(BigInteger)))
    return or_(matching, exactly) if asked.words else exactly


def page(session: Session, query: UserFilter, position: Position | None, offset: int, size: int) -> tuple[Rows, Total]:
    """Return users that match, in order, up to one more than ``size``; and how many match in all.

    :param query: a filter with a search.
    :param position: where to go on; ``None``: from the start, ``offset`` rows into it.
    :return: the users, each with its sort key (in reverse order where the position is backwards).
    """
    search = _Search(session, query)
    places = search.first(position, max(offset + size, COUNT_AT_MOST) + 1)
    counted = len(places)
    if position is not None and counted <= COUNT_AT_MOST:
        counted = len(search.first(None, COUNT_AT_MOST + 1))
    chosen = {user_id: key for key, user_id in places[offset : offset + size + 1]}
    found = reading.rows(session, statements.users(), ids=list(chosen)) if chosen else []
    rows = [(UserRecord(*row), chosen[row[0]]) for row in found]
    return rows, Total(min(counted, COUNT_AT_MOST), exact=counted <= COUNT_AT_MOST)


class _Search:
    """One search: the term, and the parameters that all of its statements have."""

    def __init__(self, session: Session, query: UserFilter) -> None:
        self.session, self.query = session, query
        self.wanted: Wanted = wanted(session, query.search or "")
        indexed = self.wanted.indexed[:INDEXED_WORDS]
        self.words = len(indexed)
        self.states = query.states
        self.parameters = {name: value for name, value in query.given.items() if name not in self.states}
        self.parameters |= {f"word_{number}": terms.pattern(word) for number, word in enumerate(indexed)}
        self.parameters["more_words"] = [terms.pattern(word) for word in self.wanted.words if word not in indexed]

    def first(self, position: Position | None, needed: int) -> list[_Place]:
        """Return the first matches after a position in order, at most as many as are needed."""
        backwards = position is not None and position.backwards
        order = list_order.of(self.query.sorted_by, self.query.sort_order, backwards=backwards)
        filters = tuple((name, self.states.get(name)) for name in self.query.given)
        shape = Shape(order, filters, self.words, placed=position is not None)
        exact = self._exact(shape, position)
        found = self._matches(shape, position, needed + len(self.wanted.exact_ids)) if self.wanted.words else []
        places = {user_id: key for key, user_id in found}
        if self.query.sorted_by == "relevance":
            for user_id in self.wanted.exact_ids:  # they have a place of their own
                places.pop(user_id, None)
        places |= {user_id: key for key, user_id in exact}
        return sorted(((key, user_id) for user_id, key in places.items()), reverse=order.descending)[:needed]

    def _exact(self, shape: Shape, position: Position | None) -> list[_Place]:
        """Return the users whom the term names exactly, after the position; by relevance before all others."""
        if not self.wanted.exact_ids:
            return []
        by_relevance = self.query.sorted_by == "relevance"
        shape = replace(shape, words=0, placed=shape.placed and not by_relevance)
        places = self._rows(statements.places_of(shape), position if shape.placed else None, ids=list(self.wanted.exact_ids))
        if not by_relevance:
            return places
        ids = sorted(user_id for _, user_id in places)
        ranked = [(_EXACT - timedelta(seconds=rank), user_id) for rank, user_id in enumerate(ids)]
        if position is None:
            return ranked
        here = (position.key, position.id)
        return [place for place in ranked if (place < here if shape.order.descending else place > here)]

    def _matches(self, shape: Shape, position: Position | None, needed: int) -> list[_Place]:
        """Return the first matches of the words: at least as many as are needed, or all of them; in any order."""
        rows = NEAR
        near, read = self._window(shape, position, rows)
        if len(near) < needed <= NEARLY * len(near):
            rows = int(MARGIN * NEAR * needed / len(near))
            near, read = self._window(shape, position, rows)
        if len(near) >= needed or read < rows:
            return near
        [(share, listed, hits)] = self._rows(statements.sample(replace(shape, placed=False)), None)
        if hits >= COMMON:
            part, whole, matches = int(MARGIN * needed * listed / hits), int(listed / share), int(hits / share)
            while len(near) < needed and matches > FEW and 2 * part < whole:
                found = self._part(shape, position, needed, part, matches)
                if found is None:
                    break
                near, part = found, GROWTH * part
        return near if len(near) >= needed else self._look_up(shape, position, needed)

    def _part(self, shape: Shape, position: Position | None, needed: int, rows: int, matches: int) -> list[_Place] | None:
        """Return the matches in a part of the list with about so many rows; ``None`` where it costs less to fetch all matches."""
        if shape.order.tied:
            start = position.key.astimezone(UTC).date() if position and isinstance(position.key, datetime) else None
            days = tally.days_holding(self.session, rows, start, descending=shape.order.descending, **self.states)
            if days.users <= GROWTH * rows:  # else a whole crowd was imported on one day
                return self._look_up(shape, position, needed, days)
        return self._window(shape, position, rows)[0] if 2 * rows < matches else None

    def _window(self, shape: Shape, position: Position | None, rows: int) -> tuple[list[_Place], int]:
        """Return the matches among the next rows of the list, and how many rows these are."""
        found = self._rows(statements.window(shape), position, rows=rows)
        return [(key, user_id) for _, key, user_id in found if user_id is not None], found[0][0]

    def _look_up(self, shape: Shape, position: Position | None, needed: int, days: Days | None = None) -> list[_Place]:
        """Return the first matches that the search index finds, on these days."""
        keys: dict[str, Any] = {}
        if not self.words:
            keys["characters"] = sorted(set("".join(self.wanted.words)))
        both = [dict(zip(("is_active", "is_superuser"), flags, strict=True)) for flags in product((False, True), repeat=2)]
        statuses = [flags for flags in both if flags | self.states == flags]
        if days is not None:
            keys["days"] = [day_status(day, **flags) for day in days for flags in statuses]
        elif self.states.get("is_active") is False or self.states.get("is_superuser"):
            keys["statuses"] = [status(**flags) for flags in statuses]  # few users have them
        return self._rows(statements.look_up(shape, tuple(keys)), position, needed=needed, **keys)

    def _rows(self, statement: Statement, position: Position | None, **values: Any) -> list[Any]:
        place = {"key": position.key, "id": position.id} if position else {}
        return reading.rows(self.session, statement, **self.parameters, **place, **values)
