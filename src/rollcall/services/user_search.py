"""Lists of users: filters, search, sort, and both ways of paging."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.orm import Session

from rollcall.models import User
from rollcall.models.user import EMAIL_KEY, SEARCH_TEXT, USERNAME_KEY
from rollcall.services import exports, tally
from rollcall.services.user_fields import FieldError

SortBy = Literal["created_at", "username", "email"]
SortOrder = Literal["asc", "desc"]

# The matches of a search are counted up to here; above, the total is "more than".
COUNT_AT_MOST = 1_000
TERM_MAX = 100
_NOT_IN_A_TERM = re.compile("[\0-\x1f\x7f\ud800-\udfff]")

_SORT_KEYS: dict[str, ColumnElement[Any]] = {
    "created_at": User.__table__.c.created_at,
    "username": USERNAME_KEY,
    "email": EMAIL_KEY,
}


@dataclass(frozen=True, slots=True)
class UserFilter:
    """What a list shows and in which order. ``None`` filters nothing; ties are broken by id."""

    is_active: bool | None = None
    is_superuser: bool | None = None
    search: str | None = None
    sort_by: SortBy = "created_at"
    sort_order: SortOrder = "desc"


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows of a sorted list: the sort key and id of a row that it is next to.

    :param key: of the sort column's type: a moment, or a lower-case name.
    :param backwards: true: what comes before the row; false: what comes after.
    """

    key: datetime | str
    id: int
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Total:
    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some users in order, and where to go from here (``None``: nothing there)."""

    items: Sequence[User]
    before: Position | None
    after: Position | None


def term(value: str) -> str:
    """Check a search term: 1 to 100 code points, none of them a control character or a lone surrogate.

    :raises FieldError: ``too_short``, ``too_long`` or ``invalid_characters``.
    """
    if not value:
        raise FieldError("too_short", "A search has at least one character.")
    if len(value) > TERM_MAX:
        raise FieldError("too_long", f"A search has at most {TERM_MAX} characters.")
    if _NOT_IN_A_TERM.search(value):
        raise FieldError("invalid_characters", "A search has no control characters.")
    return unicodedata.normalize("NFC", value)  # as names and addresses are stored


def matching(user_filter: UserFilter) -> Select[User]:
    """All users that the filter lets through, in no order."""
    query = select(User)
    if user_filter.is_active is not None:
        query = query.where(User.is_active == user_filter.is_active)
    if user_filter.is_superuser is not None:
        query = query.where(User.is_superuser == user_filter.is_superuser)
    if user_filter.search is not None:
        query = query.where(SEARCH_TEXT.like("%" + func.lower(literal(_escaped(user_filter.search))) + "%", escape="\\"))
    return query


def ordered(user_filter: UserFilter, *, backwards: bool = False) -> Select[User]:
    """All users that the filter lets through, in its order or from its end."""
    descending = (user_filter.sort_order == "desc") != backwards
    keys = (_SORT_KEYS[user_filter.sort_by], User.id)
    return matching(user_filter).order_by(*(key.desc() if descending else key.asc() for key in keys))


def exported(user_filter: UserFilter) -> Select[Any]:
    """The columns of an export of all users that the filter lets through, in its order; never a password's hash."""
    return ordered(user_filter).with_only_columns(*(getattr(User, column) for column in exports.COLUMNS))


def total(session: Session, user_filter: UserFilter) -> Total:
    """How many users the filter lets through: from the tally, or, for a search, counted up to ``COUNT_AT_MOST``."""
    if user_filter.search is None:
        states = {"is_active": user_filter.is_active, "is_superuser": user_filter.is_superuser}
        return Total(tally.count(session, **states), exact=True)
    some = matching(user_filter).with_only_columns(User.id).limit(COUNT_AT_MOST + 1).subquery()
    count = session.scalars(select(func.count()).select_from(some)).one()
    return Total(min(count, COUNT_AT_MOST), exact=count <= COUNT_AT_MOST)


def numbered_page(session: Session, user_filter: UserFilter, page: int, size: int) -> UserPage:
    """The ``page``-th page (from 1) of ``size`` users; empty past the end."""
    rows = _fetch(session, user_filter, ordered(user_filter).offset((page - 1) * size).limit(size + 1))
    return _page(rows[:size], has_before=page > 1, has_after=len(rows) > size)


def page_at(session: Session, user_filter: UserFilter, position: Position, size: int) -> UserPage:
    """``size`` users next to a position, at the same cost anywhere in the list."""
    descending = (user_filter.sort_order == "desc") != position.backwards
    here = tuple_(_SORT_KEYS[user_filter.sort_by], User.__table__.c.id)
    there = tuple_(literal(position.key), literal(position.id))
    query = ordered(user_filter, backwards=position.backwards).where(here < there if descending else here > there)
    rows = _fetch(session, user_filter, query.limit(size + 1))
    more, rows = len(rows) > size, rows[:size]
    if position.backwards:
        return _page(rows[::-1], has_before=more, has_after=True)
    return _page(rows, has_before=True, has_after=more)


_KeyedRows = Sequence[tuple[User, Any]]


def _fetch(session: Session, user_filter: UserFilter, query: Select[User]) -> _KeyedRows:
    keyed = query.add_columns(_SORT_KEYS[user_filter.sort_by].label("sort_key"))
    return [(row[0], row[1]) for row in session.execute(keyed)]


def _page(rows: _KeyedRows, *, has_before: bool, has_after: bool) -> UserPage:
    if not rows:
        return UserPage([], None, None)
    (first, first_key), (last, last_key) = rows[0], rows[-1]
    return UserPage(
        [user for user, _ in rows],
        Position(first_key, first.id, backwards=True) if has_before else None,
        Position(last_key, last.id) if has_after else None,
    )


def _escaped(term: str) -> str:
    return term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
