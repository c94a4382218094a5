"""Read a part of a list of users, in one statement, which is made once for each of its forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, DateTime, bindparam, func, literal_column, select
from sqlalchemy.orm import Session

from rollcall.infra import reading
from rollcall.models import RECORD, User, UserRecord, user_logins
from rollcall.services.search import filters
from rollcall.services.search.list_order import Order

Rows = list[tuple[UserRecord, Any]]
"""Users, each with its sort key."""

SIZE = bindparam("size", type_=BigInteger)
SKIP = bindparam("skip", type_=BigInteger)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which users a list shows.

    :ivar given: the values of the filters that are set, by name.
    :ivar found: the condition of a search; a statement with one is made for one request.
    """

    given: dict[str, Any]
    found: tuple[ColumnElement[bool], ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.given)


class Start(Enum):
    """Where a page begins, and so which parameters its statement has beside ``size`` and those of the filters."""

    FIRST = ""  # the start of the list
    SKIP = "skip"  # rows from the start of the list
    BEYOND = "key, id"  # the position of a row
    MOMENT = "moment, skip"  # rows from a moment of sign-up on


def rows(session: Session, chosen: Chosen, order: Order, start: Start, **values: Any) -> Rows:
    """Read some rows of a list by sign-up or by a name, in an order of ``list_order``."""
    make = _statement.__wrapped__ if chosen.found else _statement
    found = reading.rows(session, make(chosen.names, order, start, chosen.found), **values, **chosen.given)
    return [(UserRecord(*record), key) for *record, key in found]


def count(session: Session, chosen: Chosen, at_most: int) -> int:
    """Count the users of a list, up to a bound."""
    make = _counting.__wrapped__ if chosen.found else _counting
    [(number,)] = reading.rows(session, make(chosen.names, chosen.found), at_most=at_most, **chosen.given)
    return int(number)


@cache
def _statement(names: tuple[str, ...], order: Order, start: Start, found: tuple[ColumnElement[bool], ...]) -> reading.Statement:
    conditions = [*filters.with_names(names), *found]
    if start in (Start.FIRST, Start.BEYOND):
        if start is Start.BEYOND:
            conditions.append(order.beyond_row(bindparam("key"), bindparam("id")))
        return reading.Statement(select(*RECORD, order.key).where(*conditions).order_by(*order.clauses()).limit(SIZE))
    if start is Start.MOMENT:
        moment = bindparam("moment", type_=DateTime(timezone=True))
        conditions.append(User.created_at < moment if order.descending else User.created_at >= moment)
    # The rows to skip may lie all over the table. They are met in the index alone, where that has all columns that are asked for,
    # and only those of the page are looked up.
    met = select(User.id, order.key.label("key")).where(*conditions).order_by(*order.clauses()).limit(SIZE).offset(SKIP)
    page = met.subquery("page")
    users = select(*RECORD, page.c.key).join(page, page.c.id == User.id)
    return reading.Statement(users.order_by(*order.clauses(page.c.key, page.c.id)))


@cache
def _counting(names: tuple[str, ...], found: tuple[ColumnElement[bool], ...]) -> reading.Statement:
    at_most = bindparam("at_most", type_=BigInteger)
    # In an order that every index has: without one the planner may read the table, since it expects users who pass a filter to be
    # spread over all of it.
    query: Any = select(literal_column("1")).select_from(User).where(*filters.with_names(names), *found).order_by(User.created_at)
    if names and not found and filters.LOGIN_RANGE.issuperset(names):  # without a look at the users themselves
        query = select(literal_column("1")).select_from(user_logins).where(*filters.of_logins(names))
    return reading.Statement(select(func.count()).select_from(query.limit(at_most).subquery("counted")))
