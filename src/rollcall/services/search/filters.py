"""The filters of a list, each written once: what it is called, and its condition on a user.

A filter's condition has a parameter of the filter's name. Statements are made once for each combination of names, and so are
the conditions in them; ``with_values`` is for statements that are made for one request.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, ColumnElement, DateTime, Text, and_, bindparam, collate, exists, func, literal, select
from sqlalchemy.types import TypeEngine

from rollcall.errors import FieldError
from rollcall.models import Operation, User, user_logins
from rollcall.models.user import EMAIL_KEY, USERNAME_KEY
from rollcall.services import normalization
from rollcall.services.search.list_order import SortBy, SortOrder

_Condition = Callable[[Any], ColumnElement[bool]]
_Kind = tuple[TypeEngine[Any], _Condition]

NAME_MAX: Final = 4 * 254
"""As typed: a code point in NFC may have been four, and an address has 254."""

_MOMENT: Final = DateTime(timezone=True)


def _of_operation(value: Any) -> ColumnElement[bool]:
    ids = select(Operation.created_ids + Operation.changed_ids).where(Operation.id == value).scalar_subquery()
    # The bounds follow from the condition before them, and let the index of the ids be read in part.
    return and_(User.id.op("<@", is_comparison=True)(ids), User.id >= func.lower(ids), User.id < func.upper(ids))


_OF_USERS: Final[dict[str, _Kind]] = {
    "is_active": (Boolean(), lambda value: User.is_active == value),
    "is_superuser": (Boolean(), lambda value: User.is_superuser == value),
    "email": (Text(), lambda value: collate(func.user_name_key(value), "C") == EMAIL_KEY),
    "username": (Text(), lambda value: collate(func.user_name_key(value), "C") == USERNAME_KEY),
    "created_after": (_MOMENT, lambda value: User.created_at >= value),
    "created_before": (_MOMENT, lambda value: User.created_at < value),
    "never_logged_in": (Boolean(), lambda value: User.never_logged_in == value),
    "has_password": (Boolean(), lambda value: User.password_hash.is_not(None) == value),
    "import_id": (BigInteger(), _of_operation),
}
_OF_LOGINS: Final[dict[str, Callable[[Any, Any], ColumnElement[bool]]]] = {
    "last_login_after": operator.ge,
    "last_login_before": operator.lt,
}
LOGIN_RANGE: Final = frozenset(_OF_LOGINS)
"""The filters by the time of the last log-in, which users who never logged in do not pass."""


@dataclass(frozen=True, slots=True)
class UserFilter:
    """What a list shows and in which order. ``None`` filters nothing; ties are broken by id.

    :param search: a term that ``terms.term`` has accepted.
    :param sort_by: ``None``: relevance with a search, else the time of sign-up.
    :param email: exactly this address, as ``exact_name`` returns it; likewise ``username``.
    :param import_id: those whom this operation has created or changed.
    :param created_after: aware; the moment itself is in. ``created_before``: it is not. Likewise the other two.
    """

    is_active: bool | None = None
    is_superuser: bool | None = None
    search: str | None = None
    sort_by: SortBy | None = None
    sort_order: SortOrder = "desc"
    email: str | None = None
    username: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    last_login_after: datetime | None = None
    last_login_before: datetime | None = None
    never_logged_in: bool | None = None
    has_password: bool | None = None
    import_id: int | None = None

    @property
    def sorted_by(self) -> SortBy:
        """Return the order of the list; see ``sort_by``."""
        return self.sort_by or ("created_at" if self.search is None else "relevance")

    @property
    def states(self) -> dict[str, bool]:
        """Return the states that are asked for, by column name: what the tally knows of users."""
        asked = {"is_active": self.is_active, "is_superuser": self.is_superuser}
        return {column: state for column, state in asked.items() if state is not None}

    @property
    def given(self) -> dict[str, Any]:
        """Return the filters that are set, by name, in one order; without the search."""
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}

    @property
    def plain(self) -> dict[str, Any]:
        """Return everything that is set, by name, as JSON types."""
        values = {field.name: getattr(self, field.name) for field in fields(self)} | {"sort_by": self.sorted_by}
        return {name: _plain(value) for name, value in values.items() if value is not None}


NAMES: Final = tuple(field.name for field in fields(UserFilter) if field.name in {*_OF_USERS, *_OF_LOGINS})


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def with_names(names: Collection[str]) -> list[ColumnElement[bool]]:
    """Return the conditions of these filters, with a parameter of its name for each."""
    return _conditions(names, lambda name, kind: bindparam(name, type_=kind))


def with_values(given: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the conditions of these filters, with their values."""
    return _conditions(given, lambda name, kind: literal(given[name], kind))


def of_logins(names: Collection[str]) -> list[ColumnElement[bool]]:
    """Return the conditions of those of the filters that are about ``user_logins``, for statements that read that table."""
    column = user_logins.c.last_login_at
    return [_OF_LOGINS[name](column, bindparam(name, type_=_MOMENT)) for name in names if name in _OF_LOGINS]


def _conditions(names: Collection[str], parameter: Callable[[str, TypeEngine[Any]], Any]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    logins: list[ColumnElement[bool]] = []
    theirs = user_logins.alias("theirs")
    for name in names:
        if name in _OF_LOGINS:
            logins.append(_OF_LOGINS[name](theirs.c.last_login_at, parameter(name, _MOMENT)))
        else:
            kind, condition = _OF_USERS[name]
            found.append(condition(parameter(name, kind)))
    if logins:  # together, so that both ends of a range are one look at one index
        found.append(exists().where(theirs.c.user_id == User.id, *logins))
        # Follow from the condition before (migration 0016), and let a list by sign-up begin where its users may be.
        found.append(~User.never_logged_in)
        if "last_login_before" in names:
            found.append(User.created_at < parameter("last_login_before", _MOMENT))
    return found


def exact_name(value: str) -> str:
    """Check a username or an e-mail address to look for. One that nobody could have is fine: it finds nobody.

    :return: the name as names are stored.
    :raises FieldError: ``too_short``, ``too_long`` or ``invalid_characters``.
    """
    if not value.strip():
        raise FieldError("too_short", "A name has at least one character.")
    if len(value) > NAME_MAX:
        raise FieldError("too_long", f"A name has at most {NAME_MAX} characters.")
    if not normalization.is_storable(value):
        raise FieldError("invalid_characters", "NUL and lone surrogates are not allowed.")
    return normalization.name(value)
