"""Lists of users: filters, search, sort, and both ways of paging, at the same cost anywhere in ten million users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Select,
    any_,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.orm import Session

from rollcall.infra import reading
from rollcall.models import RECORD, User, UserRecord
from rollcall.models.user import COLUMNS
from rollcall.services.search import list_order, text_search
from rollcall.services.search.list_order import Position, SortBy, SortOrder
from rollcall.services.search.text_search import Total
from rollcall.services.statistics import tally
from rollcall.services.statistics.tally import midnight

__all__ = ["Position", "SortBy", "SortOrder", "Total", "UserFilter", "UserPage"]
__all__ += ["conditions", "exported", "exported_by_id", "numbered_page", "page_at"]


@dataclass(frozen=True, slots=True)
class UserFilter:
    """What a list shows and in which order. ``None`` filters nothing; ties are broken by id.

    :param search: a term that ``text_search.term`` has accepted.
    """

    is_active: bool | None = None
    is_superuser: bool | None = None
    search: str | None = None
    sort_by: SortBy | None = None
    sort_order: SortOrder = "desc"

    @property
    def given(self) -> dict[str, Any]:
        return dict(self.states)

    @property
    def sorted_by(self) -> SortBy:
        """The order, by default of a search relevance, and otherwise the time of sign-up."""
        return self.sort_by or ("created_at" if self.search is None else "relevance")

    @property
    def states(self) -> dict[str, bool]:
        """The states that are asked for, by column name."""
        asked = {"is_active": self.is_active, "is_superuser": self.is_superuser}
        return {column: state for column, state in asked.items() if state is not None}


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users in order, where to go from here (``None``: nothing there), and how many users the whole list has."""

    items: Sequence[UserRecord]
    before: Position | None
    after: Position | None
    total: Total


def conditions(session: Session, user_filter: UserFilter) -> list[ColumnElement[bool]]:
    """What the filter asks of a user, for statements about all whom it lets through at once."""
    asked = _in_state(user_filter)
    return asked if user_filter.search is None else [*asked, text_search.found(session, user_filter.search)]


def exported(session: Session, user_filter: UserFilter) -> Select[Any]:
    """The columns of an export of all users that the filter lets through, in its order; never a password's hash."""
    order = list_order.of(user_filter.sorted_by, user_filter.sort_order)
    return _exported_columns().where(*conditions(session, user_filter)).order_by(*order.clauses())


def exported_by_id(ids: Sequence[int]) -> Select[Any]:
    """The same of the users with these ids, as far as they are there, in the order given."""
    given = literal(list(ids), ARRAY(BigInteger))
    return _exported_columns().where(User.id == any_(given)).order_by(func.array_position(given, User.id))


def numbered_page(session: Session, user_filter: UserFilter, page: int, size: int) -> UserPage:
    """The ``page``-th page (from 1) of ``size`` users; empty past the end. The caller commits, since the tally may fold."""
    offset = (page - 1) * size
    if user_filter.search is not None:
        query = text_search.Query(user_filter.search, user_filter.given, user_filter.sorted_by, user_filter.sort_order)
        rows, total = text_search.page(session, query, None, offset, size)
        return _page(rows[:size], total, has_before=offset > 0, has_after=len(rows) > size)
    if user_filter.sorted_by == "created_at":
        rows, total = _rows_by_day(session, user_filter, offset, size)
    else:
        rows, total = _rows_by_name(session, user_filter, offset, size)
    return _page(rows, total, has_before=offset > 0, has_after=offset + len(rows) < total.count)


def page_at(session: Session, user_filter: UserFilter, position: Position, size: int) -> UserPage:
    """``size`` users next to a position. The caller commits, since the tally may fold."""
    if user_filter.search is not None:
        query = text_search.Query(user_filter.search, user_filter.given, user_filter.sorted_by, user_filter.sort_order)
        rows, total = text_search.page(session, query, position, 0, size)
    else:
        total = Total(tally.count(session, **user_filter.states), exact=True)
        order = list_order.of(user_filter.sorted_by, user_filter.sort_order, backwards=position.backwards)
        rows = _rows(session, user_filter, order, _Start.BEYOND, size=size + 1, key=position.key, id=position.id)
    more, rows = len(rows) > size, rows[:size]
    if position.backwards:
        return _page(rows[::-1], total, has_before=more, has_after=True)
    return _page(rows, total, has_before=True, has_after=more)


_Rows = list[tuple[UserRecord, Any]]  # each with its sort key

# So many rows are skipped in less time than it takes to find the day of a page.
_COUNTED_THROUGH = 500


def _exported_columns() -> Select[Any]:
    return select(*(getattr(User, column) for column in COLUMNS))


def _in_state(user_filter: UserFilter) -> list[ColumnElement[bool]]:
    return [getattr(User, column) == state for column, state in user_filter.states.items()]


class _Start(Enum):
    """Where a page begins, and so which parameters its statement has beside ``size`` and the states."""

    SKIP = "skip"  # rows from the start of the list
    BEYOND = "key, id"  # the position of a row
    MOMENT = "moment, skip"  # rows from a moment of sign-up on


def _rows(session: Session, user_filter: UserFilter, order: list_order.Order, start: _Start, **values: Any) -> _Rows:
    statement = _statement(tuple(user_filter.states), order, start)
    found = reading.rows(session, statement, **values, **user_filter.states)
    return [(UserRecord(*record), key) for *record, key in found]


@cache
def _statement(states: tuple[str, ...], order: list_order.Order, start: _Start) -> reading.Statement:
    """A part of the list in some order; made once for each of its few forms."""
    in_state = [getattr(User, column) == bindparam(column, type_=Boolean) for column in states]
    if start is _Start.SKIP and not order.tied:
        # The rows to skip lie all over the table. An index-only scan skips them, and only those of the page are looked up.
        met = select(User.id).where(*in_state).order_by(*order.clauses())
        page = met.limit(bindparam("size", type_=BigInteger)).offset(bindparam("skip", type_=BigInteger)).subquery("page")
        found = select(*RECORD, order.key).join(page, page.c.id == User.id)
        return reading.Statement(found.order_by(*order.clauses()))
    query = select(*RECORD, order.key).where(*in_state).order_by(*order.clauses()).limit(bindparam("size", type_=BigInteger))
    if start is _Start.BEYOND:
        return reading.Statement(query.where(order.beyond_row(bindparam("key"), bindparam("id"))))
    if start is _Start.MOMENT:
        moment = bindparam("moment", type_=DateTime(timezone=True))
        query = query.where(User.created_at < moment if order.descending else User.created_at >= moment)
    return reading.Statement(query.offset(bindparam("skip", type_=BigInteger)))


def _rows_by_day(session: Session, user_filter: UserFilter, offset: int, size: int) -> tuple[_Rows, Total]:
    """A page in the order of sign-up: the tally knows on which day it begins, and only that day is counted through."""
    order = list_order.of(user_filter.sorted_by, user_filter.sort_order)
    if offset <= _COUNTED_THROUGH:
        total = Total(tally.count(session, **user_filter.states), exact=True)
        return _rows(session, user_filter, order, _Start.SKIP, size=size, skip=offset), total
    place = tally.locate(session, offset, descending=order.descending, **user_filter.states)
    total = Total(place.total, exact=True)
    if place.day is None:
        return [], total
    first_moment = midnight(place.day + timedelta(days=1)) if order.descending else midnight(place.day)
    return _rows(session, user_filter, order, _Start.MOMENT, size=size, moment=first_moment, skip=place.skip), total


def _rows_by_name(session: Session, user_filter: UserFilter, offset: int, size: int) -> tuple[_Rows, Total]:
    """A page in the order of names, counted from the nearer end of the list."""
    total = Total(tally.count(session, **user_filter.states), exact=True)
    wanted = min(size, total.count - offset)
    if wanted <= 0:
        return [], total
    from_end = total.count - offset - wanted
    backwards = from_end < offset
    order = list_order.of(user_filter.sorted_by, user_filter.sort_order, backwards=backwards)
    rows = _rows(session, user_filter, order, _Start.SKIP, size=wanted, skip=min(offset, from_end))
    return rows[::-1] if backwards else rows, total


def _page(rows: _Rows, total: Total, *, has_before: bool, has_after: bool) -> UserPage:
    if not rows:
        return UserPage([], None, None, total)
    (first, first_key), (last, last_key) = rows[0], rows[-1]
    return UserPage(
        [user for user, _ in rows],
        Position(first_key, first.id, backwards=True) if has_before else None,
        Position(last_key, last.id) if has_after else None,
        total,
    )
