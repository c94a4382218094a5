"""Read a part of a list in the order of the last log-in.

The list has two parts: users who have logged in, in the order of ``user_logins``, and users who never have, in the order of their
ids. Who never logged in is older than anyone: the second part in descending order, the first in ascending order.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, DateTime, Select, bindparam, func, null, select, tuple_
from sqlalchemy.orm import Session

from rollcall.infra import reading
from rollcall.models import RECORD, User, UserRecord, user_logins
from rollcall.services.search import filters
from rollcall.services.search.list_order import Position
from rollcall.services.search.list_rows import SIZE, SKIP, Chosen, Rows

WINDOW: Final = 5_000
"""How many of the next log-ins are looked through before all users who pass the filters are fetched and sorted: those may stand
together far away, and to look through all log-ins for them takes longest."""


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


class _Form(NamedTuple):
    """What a statement depends on, apart from its parameters.

    :ivar placed: rows are read from a position on.
    :ivar near: of users who have logged in only the next ``WINDOW`` are looked through.
    """

    part: _Part
    names: tuple[str, ...]
    found: tuple[ColumnElement[bool], ...]
    descending: bool
    placed: bool
    near: bool = False

    @property
    def of_users(self) -> list[ColumnElement[bool]]:
        """Return the conditions that look at the user, not at the log-in."""
        return [*filters.with_names([name for name in self.names if name not in filters.LOGIN_RANGE]), *self.found]

    def statement(self, *, count: bool = False) -> reading.Statement:
        make = _counting if count else _reading
        # A search is a condition of one request.
        return make.__wrapped__(self) if self.found else make(self)


def _read(
    session: Session, part: _Part, chosen: Chosen, position: Position | None, *, descending: bool, skip: int, size: int
) -> Rows:
    form = _Form(part, chosen.names, chosen.found, descending, placed=position is not None)
    values = {**chosen.given, **_place(part, position), "skip": skip, "size": size}
    if part is _Part.LOGGED_IN and form.of_users and skip < WINDOW:
        near = reading.rows(session, form._replace(near=True).statement(), **values, window=WINDOW)
        if len(near) == size:
            return _rows(near)
    return _rows(reading.rows(session, form.statement(), **values))


def _rows(found: list[tuple[Any, ...]]) -> Rows:
    return [(UserRecord(*record), key) for *record, key in found]


def _skipped(session: Session, part: _Part, chosen: Chosen, position: Position | None, *, descending: bool, at_most: int) -> int:
    form = _Form(part, chosen.names, chosen.found, descending, placed=position is not None)
    values = {**chosen.given, **_place(part, position), "skip": 0, "size": at_most}
    [(number,)] = reading.rows(session, form.statement(count=True), **values)
    return int(number)


def _place(part: _Part, position: Position | None) -> dict[str, Any]:
    if position is None:
        return {}
    return {"id": position.id} if part is _Part.NEVER else {"id": position.id, "key": position.key}


@cache
def _reading(form: _Form) -> reading.Statement:
    page = _met(form).limit(SIZE).offset(SKIP).subquery("page")
    users = select(*RECORD, page.c.key).join(page, page.c.id == User.id)
    return reading.Statement(users.order_by(*_directed(form, page.c.key, page.c.id)))


@cache
def _counting(form: _Form) -> reading.Statement:
    return reading.Statement(select(func.count()).select_from(_met(form).limit(SIZE).offset(SKIP).subquery("met")))


def _met(form: _Form) -> Select[Any]:
    """The ids and sort keys of the rows of a part, in order; of ``user_logins`` alone where no filter looks at the user."""
    of_users = form.of_users
    if form.part is _Part.NEVER:
        never = null().cast(DateTime(timezone=True)).label("key")
        query: Any = select(User.id.label("id"), never).where(User.never_logged_in, *of_users)
        return _in_order(form, query, User.__table__.c.id)
    query = select(user_logins.c.user_id.label("id"), user_logins.c.last_login_at.label("key"))
    query = query.where(*filters.of_logins(form.names))
    key = (user_logins.c.last_login_at, user_logins.c.user_id)
    if form.near:
        window = _in_order(form, query, *key).limit(bindparam("window", type_=BigInteger)).subquery("window")
        near: Any = select(window.c.id, window.c.key).join(User, User.id == window.c.id).where(*of_users)
        return near.order_by(*_directed(form, window.c.key, window.c.id))  # type: ignore[no-any-return]
    if of_users:
        passing = select(User.id).where(~User.never_logged_in, *of_users).cte("passing").prefix_with("MATERIALIZED")
        query = query.join(passing, passing.c.id == user_logins.c.user_id)
    return _in_order(form, query, *key)


def _in_order(form: _Form, query: Any, *key: ColumnElement[Any]) -> Select[Any]:
    if form.placed:
        place = zip(("key", "id")[-len(key) :], key, strict=True)
        there = tuple_(*(bindparam(name, type_=column.type) for name, column in place))
        query = query.where(tuple_(*key) < there if form.descending else tuple_(*key) > there)
    return query.order_by(*_directed(form, *key))  # type: ignore[no-any-return]


def _directed(form: _Form, *key: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [column.desc() if form.descending else column.asc() for column in key]
