"""Lists of users: filters, search, sort, and both ways of paging, at the same cost anywhere in ten million users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, any_, func, literal, select
from sqlalchemy.orm import Session

from rollcall.models import User, UserRecord, user_logins
from rollcall.models.user import COLUMNS
from rollcall.services.search import filters, list_order, list_rows, login_list, text_search
from rollcall.services.search.filters import UserFilter
from rollcall.services.search.list_order import Position, SortBy, SortOrder
from rollcall.services.search.list_rows import Chosen, Rows, Start
from rollcall.services.search.text_search import Total
from rollcall.services.statistics import sign_up_range, tally
from rollcall.services.statistics.tally import midnight

__all__ = ["Position", "SortBy", "SortOrder", "Total", "UserFilter", "UserPage"]
__all__ += ["conditions", "exported", "exported_by_id", "numbered_page", "page_at"]

COUNT_AT_MOST: Final = 10_000
"""How far users are counted who pass a filter that the tally knows nothing of."""
# To skip this many rows takes less time than to find the day of a page.
_SKIPPED_AT_MOST: Final = 500
_TALLIED: Final = frozenset({"is_active", "is_superuser", "created_after", "created_before"})


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users in order, where to go from here (``None``: nothing there), and how many users the whole list has."""

    items: Sequence[UserRecord]
    before: Position | None
    after: Position | None
    total: Total


def conditions(session: Session, user_filter: UserFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter and its search, for statements about all users who match at once."""
    given = filters.with_values(user_filter.given)
    return given if user_filter.search is None else [*given, text_search.found(session, user_filter.search)]


def exported(session: Session, user_filter: UserFilter) -> Select[Any]:
    """Return the columns of an export of all users who match, in the order of the list; never a password's hash."""
    query = _exported_columns().where(*conditions(session, user_filter))
    order = list_order.of(user_filter.sorted_by, user_filter.sort_order)
    if user_filter.sorted_by != "last_login_at":
        return query.order_by(*order.clauses())
    key, user_id = order.clauses()
    query = query.outerjoin(user_logins, user_logins.c.user_id == User.id)
    return query.order_by(key.nulls_last() if order.descending else key.nulls_first(), user_id)


def exported_by_id(ids: Sequence[int]) -> Select[Any]:
    """Return the same of the users with these ids, in the order given; ids of nobody are left out."""
    given = literal(list(ids), ARRAY(BigInteger))
    return _exported_columns().where(User.id == any_(given)).order_by(func.array_position(given, User.id))


def numbered_page(session: Session, user_filter: UserFilter, page: int, size: int) -> UserPage:
    """The ``page``-th page (from 1) of ``size`` users; empty past the end. The caller commits, since the tally may fold."""
    offset = (page - 1) * size
    if _by_text(user_filter):
        rows, total = text_search.page(session, user_filter, None, offset, size)
        return _page(rows[:size], total, has_before=offset > 0, has_after=len(rows) > size)
    chosen = _chosen(session, user_filter)
    by_day = user_filter.sorted_by == "created_at" and _TALLIED.issuperset(chosen.names) and not chosen.found
    if by_day and offset > _SKIPPED_AT_MOST and user_filter.given == user_filter.states:
        rows, total = _far_page(session, chosen, user_filter, offset, size)
        return _page(rows, total, has_before=True, has_after=offset + len(rows) < total.count)
    total = _total(session, chosen, user_filter.states)
    wanted = min(size, total.count - offset) if total.exact else size
    if wanted <= 0:
        return UserPage([], None, None, total)
    from_end = total.count - offset - wanted
    if by_day:
        rows = _by_day(session, chosen, user_filter, offset, size + 1)
    elif total.exact and from_end < offset:  # counted from the nearer end
        rows = _part(session, chosen, user_filter, skip=from_end, size=wanted, backwards=True)[::-1]
    else:
        rows = _part(session, chosen, user_filter, skip=offset, size=size + 1)
    has_after = len(rows) > size or (total.exact and offset + len(rows) < total.count)
    return _page(rows[:size], total, has_before=offset > 0, has_after=has_after)


def page_at(session: Session, user_filter: UserFilter, position: Position, size: int) -> UserPage:
    """``size`` users next to a position. The caller commits, since the tally may fold."""
    if _by_text(user_filter):
        rows, total = text_search.page(session, user_filter, position, 0, size)
    else:
        chosen = _chosen(session, user_filter)
        total = _total(session, chosen, user_filter.states)
        if user_filter.sorted_by == "last_login_at":
            descending = (user_filter.sort_order == "desc") != position.backwards
            rows = login_list.rows(session, chosen, position, descending=descending, skip=0, size=size + 1)
        else:
            order = list_order.of(user_filter.sorted_by, user_filter.sort_order, backwards=position.backwards)
            values = {"size": size + 1, "key": position.key, "id": position.id}
            rows = list_rows.rows(session, chosen, order, Start.BEYOND, **values)
    more, rows = len(rows) > size, rows[:size]
    if position.backwards:
        return _page(rows[::-1], total, has_before=more, has_after=True)
    return _page(rows, total, has_before=True, has_after=more)


def _exported_columns() -> Select[Any]:
    return select(*(getattr(User, column) for column in COLUMNS))


def _by_text(user_filter: UserFilter) -> bool:
    """Return whether the search engine finds the page. In the order of log-ins the term is one more condition of a list."""
    return user_filter.search is not None and user_filter.sorted_by != "last_login_at"


def _chosen(session: Session, user_filter: UserFilter) -> Chosen:
    found = () if user_filter.search is None else (text_search.found(session, user_filter.search),)
    return Chosen(user_filter.given, found)


def _total(session: Session, chosen: Chosen, states: dict[str, bool]) -> Total:
    """Return how many users the list has: by the tally where it knows, else counted up to a bound."""
    if not _TALLIED.issuperset(chosen.names) or chosen.found:
        count = list_rows.count(session, chosen, COUNT_AT_MOST + 1)
        return Total(min(count, COUNT_AT_MOST), count <= COUNT_AT_MOST)
    if len(states) == len(chosen.names):
        return Total(tally.count(session, **states), exact=True)
    return Total(sign_up_range.count(session, _range(chosen), states), exact=True)


def _range(chosen: Chosen) -> sign_up_range.Range:
    return sign_up_range.between(chosen.given.get("created_after"), chosen.given.get("created_before"))


def _part(session: Session, chosen: Chosen, user_filter: UserFilter, *, skip: int, size: int, backwards: bool = False) -> Rows:
    """Return rows from an end of the list on."""
    order = list_order.of(user_filter.sorted_by, user_filter.sort_order, backwards=backwards)
    if user_filter.sorted_by == "last_login_at":
        return login_list.rows(session, chosen, None, descending=order.descending, skip=skip, size=size)
    if not skip:
        return list_rows.rows(session, chosen, order, Start.FIRST, size=size)
    return list_rows.rows(session, chosen, order, Start.SKIP, size=size, skip=skip)


def _far_page(session: Session, chosen: Chosen, user_filter: UserFilter, offset: int, size: int) -> tuple[Rows, Total]:
    """Return a page far into a list of all days: one look at the tally tells the day on which it begins, and the total."""
    order = list_order.of(user_filter.sorted_by, user_filter.sort_order)
    active, superuser = user_filter.is_active, user_filter.is_superuser
    place = tally.locate(session, offset, descending=order.descending, is_active=active, is_superuser=superuser)
    total = Total(place.total, exact=True)
    if place.day is None:
        return [], total
    first_moment = midnight(place.day + timedelta(days=1)) if order.descending else midnight(place.day)
    return list_rows.rows(session, chosen, order, Start.MOMENT, size=size, moment=first_moment, skip=place.skip), total


def _by_day(session: Session, chosen: Chosen, user_filter: UserFilter, offset: int, size: int) -> Rows:
    """Return rows in the order of sign-up: the tally knows on which day they begin, and only that day is counted through."""
    if offset <= _SKIPPED_AT_MOST:
        return _part(session, chosen, user_filter, skip=offset, size=size)
    order = list_order.of(user_filter.sorted_by, user_filter.sort_order)
    place = sign_up_range.locate(session, _range(chosen), offset, descending=order.descending, states=user_filter.states)
    return list_rows.rows(session, chosen, order, Start.MOMENT, size=size, moment=place[0], skip=place[1])


def _page(rows: Rows, total: Total, *, has_before: bool, has_after: bool) -> UserPage:
    if not rows:
        return UserPage([], None, None, total)
    (first, first_key), (last, last_key) = rows[0], rows[-1]
    return UserPage(
        [user for user, _ in rows],
        Position(first_key, first.id, backwards=True) if has_before else None,
        Position(last_key, last.id) if has_after else None,
        total,
    )
