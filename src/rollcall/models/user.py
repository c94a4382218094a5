"""A person who may sign in."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    FetchedValue,
    Identity,
    Index,
    Integer,
    String,
    Table,
    Text,
    collate,
    false,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, column_property, mapped_column

from .base import Base
from .login import user_logins


class User(Base):
    """One row for each user. ``username`` and ``email`` keep the case that was given and are unique without it.

    ``password_hash`` is null for a user who cannot log in until a password is set. With ``must_change_password``, which every
    new password sets or clears, a log-in also needs a new password. A trigger keeps ``search_text``: username,
    e-mail address and full name, folded by ``user_search_fold`` and separated by a control character (migration 0017).
    A trigger keeps ``never_logged_in``, which is true for users without a row in ``user_logins``: it changes at the first log-in.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    username: Mapped[str] = mapped_column(String(254))
    full_name: Mapped[str | None] = mapped_column(String(100))
    password_hash: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(server_default=true())
    is_superuser: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    must_change_password: Mapped[bool] = mapped_column(server_default=false())
    search_text: Mapped[str | None] = mapped_column(Text, FetchedValue(), deferred=True, deferred_raiseload=True)
    never_logged_in: Mapped[bool] = mapped_column(server_default=true(), deferred=True)
    last_login_at: Mapped[datetime | None] = column_property(
        select(user_logins.c.last_login_at)
        .where(user_logins.c.user_id == id)  # noqa: A003  (the column above)
        .correlate_except(user_logins)
        .scalar_subquery(),
        expire_on_flush=False,
    )

    @property
    def version(self) -> str:
        return _version(self)

    @property
    def etag(self) -> str:
        return _etag(self)


class UserRecord(NamedTuple):
    """The public fields of a user; the columns of every answer, in their order."""

    id: int
    email: str
    username: str
    full_name: str | None
    is_active: bool
    is_superuser: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None

    @property
    def version(self) -> str:
        return _version(self)

    @property
    def etag(self) -> str:
        return _etag(self)


VERSION_STEP = timedelta(microseconds=1)
"""How much later ``updated_at`` is in each version of a user, at the least: no two versions are alike."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A log-in changes no field that anybody edits, and so makes no new version.
_VERSIONED = tuple(name for name in UserRecord._fields if name != "last_login_at")


def _version(user: User | UserRecord) -> str:
    """Name the state of a user's fields for ``If-Match``: another state has another name."""
    fields = [getattr(user, name) for name in _VERSIONED]
    digest = hashlib.sha256(json.dumps(fields, default=datetime.isoformat).encode()).digest()
    return base64.urlsafe_b64encode(digest[:15]).decode()


def _etag(user: User | UserRecord) -> str:
    """Name the whole answer, for ``ETag`` (RFC 9110, section 8.8.3): the version, a dot, and a mark of the last log-in."""
    at = user.last_login_at
    mark = f"{(at - _EPOCH) // timedelta(microseconds=1):x}" if at else "0"
    return f"{_version(user)}.{mark}"


# Expressions that have an index are spelled as PostgreSQL prints them, so that `flask db check` can compare them. The indexes
# have the collation "C", which PostgreSQL does not print and the comparison does not see.
#
# The key of a name: what is unique, found at a log-in, and sorted by. Its rules are our own, so that no locale changes them
# (migration 0013). ``name_key`` computes the same for any text.
_EMAIL_KEY: ColumnElement[str] = literal_column("user_name_key(email::text)", Text)
_USERNAME_KEY: ColumnElement[str] = literal_column("user_name_key(username::text)", Text)
EMAIL_KEY = collate(_EMAIL_KEY, "C")
USERNAME_KEY = collate(_USERNAME_KEY, "C")


def name_key(name: str) -> ColumnElement[str]:
    """Return the key of a username or an e-mail address, to compare with ``EMAIL_KEY`` or ``USERNAME_KEY``."""
    return func.user_name_key(literal(name, Text), type_=Text)


# What the index of the search holds beside the trigrams of ``search_text``, each as an array, for which GIN has an operator.
CHARACTERS: ColumnElement[Any] = literal_column("string_to_array(search_text, NULL::text)", ARRAY(Text))
"""The single characters of the text: for terms that are too short to have a trigram."""
_STATUS = "is_active::integer * 2 + is_superuser::integer"
STATUSES: ColumnElement[Any] = literal_column(f"ARRAY[{_STATUS}]", ARRAY(Integer))
"""The status of a user as a number; see :func:`status`."""
DAY_STATUSES: ColumnElement[Any] = literal_column(
    f"ARRAY[((created_at AT TIME ZONE 'UTC'::text)::date - '2000-01-01'::date) * 4 + ({_STATUS})]", ARRAY(Integer)
)
"""The UTC day of the sign-up and the status as one number; see :func:`day_status`."""


def status(*, is_active: bool, is_superuser: bool) -> int:
    """Return the number of a status, as ``STATUSES`` has it."""
    return is_active * 2 + is_superuser


def day_status(day: date, *, is_active: bool, is_superuser: bool) -> int:
    """Return the number of a day of sign-up and a status, as ``DAY_STATUSES`` has it."""
    return (day - date(2000, 1, 1)).days * 4 + status(is_active=is_active, is_superuser=is_superuser)


_users = cast(Table, User.__table__)
_LAST_LOGIN = "(SELECT last_login_at FROM user_logins WHERE user_id = {0}.id)"


def record_sql(table: str) -> str:
    """Return the columns of a :class:`UserRecord` of a user, for statements that are text.

    :param table: the name of ``users`` in the statement.
    """
    return ", ".join(_LAST_LOGIN.format(table) if name == "last_login_at" else f"{table}.{name}" for name in UserRecord._fields)


_last_login: ColumnElement[Any] = literal_column(_LAST_LOGIN.format("users"), DateTime(timezone=True)).label("last_login_at")
RECORD = tuple(_last_login if name == "last_login_at" else _users.c[name] for name in UserRecord._fields)
"""The columns of a :class:`UserRecord`."""
COLUMNS = UserRecord._fields
"""The columns of an export, by name."""
# The filters carry the default sort order with them, so that a filtered first page is one short index scan.
Index("ix_users_is_active", User.is_active, User.created_at, User.id)
Index("ix_users_is_superuser", User.is_superuser, User.created_at, User.id)
Index("ix_users_created_at", User.created_at, User.id)
# Either value may be the rare one: nobody has logged in after an import, nearly everybody has years later.
Index("ix_users_never_logged_in", User.never_logged_in, User.created_at, User.id)
# Likewise. Two partial indexes have one entry for each user together, and no column for the state.
Index("ix_users_with_password", User.created_at, User.id, postgresql_where=User.password_hash.is_not(None))
Index("ix_users_without_password", User.created_at, User.id, postgresql_where=User.password_hash.is_(None))
# Few among few: not to be looked for among all superusers.
Index("ix_users_inactive_superusers", User.created_at, User.id, postgresql_where=User.is_superuser & ~User.is_active)
# Lists in the order of names. They include what a list filters by, so that rows are skipped without a visit to the table, and
# the name itself, which PostgreSQL requires for that. Superusers and inactive users have indexes of their own, since among all
# names they are far between.
for _name, _key in (("email", _EMAIL_KEY), ("username", _USERNAME_KEY)):
    _options: dict[str, Any] = {"postgresql_include": [_name, "id", "is_active", "is_superuser"], "_table": _users}
    Index(f"uq_users_{_name}", _key, unique=True, **_options)
    Index(f"ix_users_superusers_{_name}", _key, postgresql_where=User.is_superuser, **_options)
    Index(f"ix_users_inactive_{_name}", _key, postgresql_where=~User.is_active, **_options)
Index(
    "ix_users_search",
    _users.c.search_text,
    CHARACTERS.label("characters"),
    DAY_STATUSES.label("day_statuses"),
    STATUSES.label("statuses"),
    postgresql_using="gin",
    postgresql_ops={"search_text": "gin_trgm_ops"},
)
