"""The orders in which users are listed, each with an index behind it, and positions in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, tuple_

from rollcall.models import User, user_logins
from rollcall.models.user import EMAIL_KEY, USERNAME_KEY

SortBy = Literal["created_at", "username", "email", "last_login_at", "relevance"]
SortOrder = Literal["asc", "desc"]

# By relevance, users whom the term names exactly come first, and all others follow by sign-up.
_KEYS: dict[str, ColumnElement[Any]] = {
    "created_at": User.__table__.c.created_at,
    "relevance": User.__table__.c.created_at,
    "username": USERNAME_KEY,
    "email": EMAIL_KEY,
    "last_login_at": user_logins.c.last_login_at,
}


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows of a list: next to the row with this sort key and id.

    :param key: of the sort column's type: a time, or the key of a name; ``None``: the user never logged in.
    :param backwards: true: what comes before the row; false: what comes after.
    """

    key: datetime | str | None
    id: int
    backwards: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """A sort key and a direction; ties are broken by id. There is one object for each.

    :param tied: users may share a key. Names are unique: sorting by the id too would only cost time.
    """

    key: ColumnElement[Any]
    descending: bool
    tied: bool

    def clauses(self, key: ColumnElement[Any] | None = None, user_id: ColumnElement[Any] | None = None) -> tuple[Any, ...]:
        """Return what goes into ORDER BY.

        :param key: the column that holds the sort key, where it is not the table's.
        :param user_id: likewise for the id.
        """
        columns = (self.key if key is None else key, User.__table__.c.id if user_id is None else user_id)
        return tuple(column.desc() if self.descending else column.asc() for column in columns[: 1 + self.tied])

    def beyond_row(self, key: ColumnElement[Any], user_id: ColumnElement[int]) -> ColumnElement[bool]:
        """Select the rows after this sort key and id, by a row comparison that an index on the key can serve."""
        here, there = tuple_(self.key, User.__table__.c.id), tuple_(key, user_id)
        return here < there if self.descending else here > there


@cache
def of(sort_by: SortBy, sort_order: SortOrder, *, backwards: bool = False) -> Order:
    """Return the order of a list, or its reverse."""
    return Order(_KEYS[sort_by], (sort_order == "desc") != backwards, tied=sort_by not in ("username", "email"))
