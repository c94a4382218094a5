"""Read a part of a list in the order of the last log-in.

The list has two parts: users who have logged in, in the order of ``user_logins``, and users who never have, in the order of their
ids. Who never logged in is older than anyone: the second part in descending order, the first in ascending order.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Select, bindparam, func, null, select, tuple_
from sqlalchemy.orm import Session

from rollcall.infra import reading
from rollcall.models import RECORD, User, UserRecord, user_logins
from rollcall.services.search import filters
from rollcall.services.search.list_order import Position
from rollcall.services.search.list_rows import SIZE, SKIP, Chosen, Rows


class _Part(Enum):
    LOGGED_IN = "logged in"
    NEVER = "never"


def rows(session: Session, chosen: Chosen, position: Position | None, *, descending: bool, skip: int, size: int) -> Rows:
    """Read ``size`` users of the list, or fewer at its end.

    :param position: where to go on; ``None``: from the start.
    :param descending: the direction in which rows are read.
    :param skip: rows to pass over before the first.
    """
    parts = [_Part.LOGGED_IN, _Part.NEVER] if descending else [_Part.NEVER, _Part.LOGGED_IN]
    if position is not None:
        parts = parts[parts.index(_Part.NEVER if position.key is None else _Part.LOGGED_IN) :]
    found: Rows = []
    for part in parts:
        if not _may_have_any(part, chosen) or len(found) == size:
            continue
        read = _read(session, part, chosen, position, descending=descending, skip=skip, size=size - len(found))
        if read or not skip:
            skip = 0
        else:
            skip -= _skipped(session, part, chosen, position, descending=descending, at_most=skip)
        found += read
        position = None  # the next part is read from its start
    return found


def _may_have_any(part: _Part, chosen: Chosen) -> bool:
    if part is _Part.LOGGED_IN:
        return chosen.given.get("never_logged_in") is not True
    return chosen.given.get("never_logged_in") is not False and filters.LOGIN_RANGE.isdisjoint(chosen.given)


def _read(
    session: Session, part: _Part, chosen: Chosen, position: Position | None, *, descending: bool, skip: int, size: int
) -> Rows:
    make = _statement.__wrapped__ if chosen.found else _statement
    statement = make(part, chosen.names, descending, position is not None, chosen.found)
    found = reading.rows(session, statement, **chosen.given, **_place(part, position), skip=skip, size=size)
    return [(UserRecord(*record), key) for *record, key in found]


def _skipped(session: Session, part: _Part, chosen: Chosen, position: Position | None, *, descending: bool, at_most: int) -> int:
    make = _counting.__wrapped__ if chosen.found else _counting
    statement = make(part, chosen.names, descending, position is not None, chosen.found)
    [(number,)] = reading.rows(session, statement, **chosen.given, **_place(part, position), skip=0, size=at_most)
    return int(number)


def _place(part: _Part, position: Position | None) -> dict[str, Any]:
    if position is None:
        return {}
    return {"id": position.id} if part is _Part.NEVER else {"id": position.id, "key": position.key}


_Found = tuple[ColumnElement[bool], ...]


@cache
def _statement(part: _Part, names: tuple[str, ...], descending: bool, placed: bool, found: _Found) -> reading.Statement:
    page = _met(part, names, descending, placed, found).subquery("page")
    users = select(*RECORD, page.c.key).join(page, page.c.id == User.id)
    return reading.Statement(users.order_by(*_directed(descending, page.c.key, page.c.id)))


@cache
def _counting(part: _Part, names: tuple[str, ...], descending: bool, placed: bool, found: _Found) -> reading.Statement:
    return reading.Statement(select(func.count()).select_from(_met(part, names, descending, placed, found).subquery("met")))


def _met(part: _Part, names: tuple[str, ...], descending: bool, placed: bool, found: _Found) -> Select[Any]:
    """The ids and sort keys of the rows of a part; of ``user_logins`` alone where no filter looks at the user."""
    of_users = [*filters.with_names([name for name in names if name not in filters.LOGIN_RANGE]), *found]
    columns: list[ColumnElement[Any]] = [user_logins.c.last_login_at, user_logins.c.user_id]
    if part is _Part.NEVER:
        columns = [User.__table__.c.id]
        never = null().cast(DateTime(timezone=True)).label("key")
        query: Any = select(User.id.label("id"), never).where(User.never_logged_in, *of_users)
    else:
        query = select(user_logins.c.user_id.label("id"), user_logins.c.last_login_at.label("key"))
        query = query.where(*filters.of_logins(names))
        if of_users:
            query = query.join(User, User.id == user_logins.c.user_id).where(*of_users)
    if placed:
        place = zip(("key", "id")[-len(columns) :], columns, strict=True)
        there = tuple_(*(bindparam(name, type_=column.type) for name, column in place))
        query = query.where(tuple_(*columns) < there if descending else tuple_(*columns) > there)
    met: Select[Any] = query.order_by(*_directed(descending, *columns)).limit(SIZE).offset(SKIP)
    return met


def _directed(descending: bool, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [column.desc() if descending else column.asc() for column in columns]
