"""A person who may sign in."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import date, datetime, timedelta
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
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class User(Base):
    """One row for each user. ``username`` and ``email`` keep the case that was given and are unique without it.

    ``password_hash`` is null for a user who cannot log in until a password is set. A trigger keeps ``search_text``: username,
    e-mail address and full name, folded by ``user_search_fold`` and separated by a control character (migration 0017).
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
    search_text: Mapped[str | None] = mapped_column(Text, FetchedValue(), deferred=True, deferred_raiseload=True)

    @property
    def version(self) -> str:
        return _version(self)


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

    @property
    def version(self) -> str:
        return _version(self)


VERSION_STEP = timedelta(microseconds=1)
"""How much later ``updated_at`` is in each version of a user, at the least: no two versions are alike."""


def _version(user: User | UserRecord) -> str:
    """Name the state of a user's public fields, for ``ETag`` (RFC 9110, section 8.8.3): another state has another name."""
    fields = [getattr(user, name) for name in UserRecord._fields]
    digest = hashlib.sha256(json.dumps(fields, default=datetime.isoformat).encode()).digest()
    return base64.urlsafe_b64encode(digest[:15]).decode()


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
    """The key of a username or an e-mail address, to compare with ``EMAIL_KEY`` or ``USERNAME_KEY``."""
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
RECORD = tuple(_users.c[name] for name in UserRecord._fields)
"""The columns of a :class:`UserRecord`."""
COLUMNS = UserRecord._fields
"""The columns of an export, by name."""
# The filters carry the default sort order with them, so that a filtered first page is one short index scan.
Index("ix_users_is_active", User.is_active, User.created_at, User.id)
Index("ix_users_is_superuser", User.is_superuser, User.created_at, User.id)
Index("ix_users_created_at", User.created_at, User.id)
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
