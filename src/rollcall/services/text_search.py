"""Finding any part of a name among ten million users: one statement that fits itself to how common the term is.

Two plans are good, each where the other is ruinous. A common term is found by reading the list in its order and keeping
what matches: the first page is full after a few thousand rows, while looking it up in an index would bring millions. A rare
term is looked up in an index: reading on until a page is full would read everything. Which of both it is no statistics
tell reliably, so the statement tries: it reads a bounded *window* of the list, and only when that does not fill the page does
it ask the index, where what is left to find is then known to be little.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, Subquery, Text, case, func, literal, select, true
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from rollcall.models import RECORD, User, UserRecord
from rollcall.models.user import GAPS, LETTERS, SHORT_GRAMS
from rollcall.services import list_order
from rollcall.services.list_order import Position, SortBy, SortOrder
from rollcall.services.user_fields import FieldError

# Matches are counted up to here; above, the total is "more than".
COUNT_AT_MOST = 1_000
# Rows of the list that are read before an index is asked: some 10 ms.
WINDOW = 20_000
TERM_MAX = 100

_NOT_IN_A_TERM = re.compile("[\0-\x1f\x7f\ud800-\udfff]")
_TRIGRAM = 3

_Rows = list[tuple[UserRecord, Any]]


@dataclass(frozen=True, slots=True)
class Total:
    """How many users match; ``exact`` is false where there are more."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A term, the states that are asked for by column name, and the order."""

    term: str
    states: Mapping[str, bool]
    sort_by: SortBy
    sort_order: SortOrder


def term(value: str) -> str:
    """Check a search term: 1 to 100 code points, none of them a control character or a lone surrogate.

    :return: the term in Unicode's NFC, as names and addresses are stored.
    :raises FieldError: ``too_short``, ``too_long`` or ``invalid_characters``.
    """
    if not value:
        raise FieldError("too_short", "A search has at least one character.")
    if len(value) > TERM_MAX:
        raise FieldError("too_long", f"A search has at most {TERM_MAX} characters.")
    if _NOT_IN_A_TERM.search(value):
        raise FieldError("invalid_characters", "A search has no control characters.")
    return unicodedata.normalize("NFC", value)


def matches(search_text: ColumnElement[str] | Any, term: str) -> ColumnElement[bool]:
    """The condition that a user's search text holds the term; trigrams can serve it."""
    matching: ColumnElement[bool] = search_text.like("%" + _stored_form(term) + "%")
    return matching


def page(session: Session, query: Query, position: Position | None, offset: int, size: int) -> tuple[_Rows, Total]:
    """Users that match, in order, up to one more than ``size``; and how many match in all.

    :param position: where to go on; ``None``: from the start, ``offset`` rows into it.
    :return: the users, each with its sort key, in the order in which they were met (backwards where the position is).
    """
    order = list_order.of(query.sort_by, query.sort_order, backwards=position is not None and position.backwards)
    needed = offset + size + 1
    near = _near(query, order, position, needed)
    far = _indexed(query, order, position).where(_count(near) < needed).cte("far").prefix_with("MATERIALIZED")
    # Where the list is read from its start, the first look tells of the total as well.
    head = near if position is None else _near(query, order, None, COUNT_AT_MOST + 1, name="head")
    complete = _count(near) < needed if position is None else literal(value=False)
    rest = _indexed(query, order, None).where(_count(head) <= COUNT_AT_MOST, ~complete).cte("rest").prefix_with("MATERIALIZED")
    # The limit is outside, where the planner does not see it: it would take it for a reason to read the table.
    counted = select(rest.c.id).limit(COUNT_AT_MOST + 1).subquery("counted")
    total = case(
        (_count(head) > COUNT_AT_MOST, COUNT_AT_MOST + 1),
        (complete, _count(far)),
        else_=_count(counted),
    ).label("total")

    met = select(near).where(_count(near) >= needed).union_all(select(far)).subquery("found")
    wanted = select(met).order_by(*order.clauses(met.c.key, met.c.id)).offset(offset).limit(size + 1).subquery("wanted")
    statement = (
        select(total, wanted.c.key, *RECORD)
        .select_from(select(literal(1)).subquery("one").outerjoin(wanted, true()).outerjoin(User, User.id == wanted.c.id))
        .order_by(*order.clauses(wanted.c.key, wanted.c.id))
    )
    rows = session.execute(statement).all()
    count = rows[0].total
    found_rows = [(UserRecord(*record), key) for _total, key, *record in rows if record[0] is not None]
    return found_rows, Total(min(count, COUNT_AT_MOST), count <= COUNT_AT_MOST)


def _near(query: Query, order: list_order.Order, position: Position | None, needed: int, name: str = "near") -> CTE:
    """The matches in a window of the list."""
    columns = [getattr(User, column) for column in query.states]
    window = select(User.id, order.key.label("key"), User.search_text, *columns).order_by(*order.clauses())
    if position is not None:
        window = window.where(order.beyond(position))
    # One state is a prefix of an index in the order of sign-up: there the window can hold nothing else. Any other filter
    # comes after the window, which would else be a search through the whole table for its rows.
    inside = list(query.states)[:1] if query.sort_by == "created_at" else []
    window = window.where(*(getattr(User, column) == query.states[column] for column in inside))
    rows = window.limit(WINDOW + needed).subquery("in_order")
    states = [rows.c[column] == state for column, state in query.states.items() if column not in inside]
    kept = select(rows.c.id, rows.c.key).where(matches(rows.c.search_text, query.term), *states)
    return kept.limit(max(needed, COUNT_AT_MOST + 1)).cte(name).prefix_with("MATERIALIZED")


def found(term: str) -> ColumnElement[bool]:
    """The condition that a user is found by a term; an index can serve any term.

    That is trigrams, or for a shorter term the characters and pairs of neighbours.
    """
    # The one letter that becomes two in lower case, by some databases' rules, is left to the trigrams.
    if len(term) < _TRIGRAM and "İ" not in term:
        return SHORT_GRAMS.op("@>", is_comparison=True)(array([_stored_form(term)]))
    return matches(User.search_text, term)


def _indexed(query: Query, order: list_order.Order, position: Position | None) -> Select[Any]:
    """All matches, by an index."""
    states = [getattr(User, column) == state for column, state in query.states.items()]
    rows = select(User.id, order.key.label("key")).where(found(query.term), *states)
    return rows if position is None else rows.where(order.beyond(position))


def _stored_form(term: str) -> ColumnElement[str]:
    """The term as the search text would hold it; in there LIKE has no wildcards to escape."""
    return func.translate(func.lower(literal(term)), GAPS, LETTERS, type_=Text)


def _count(rows: CTE | Subquery) -> Any:
    return select(func.count()).select_from(rows).scalar_subquery()
