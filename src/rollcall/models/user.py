"""A person who may sign in."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    FetchedValue,
    Identity,
    Index,
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
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, column_property, mapped_column

from .base import Base
from .login import user_logins

# What stands between two searched columns: a control character, which neither a valid field nor a search term may hold.
SEPARATOR = "\x1f"
# In the text that is searched everything but letters and digits is written as a letter that no name has (Glagolitic, U+2C30 and
# up, out of use for five hundred years). So LIKE has no wildcards to escape, and what is cut out of the text nothing to quote.
GAPS = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" + SEPARATOR
LETTERS = "".join(chr(0x2C30 + place) for place in range(len(GAPS)))


class User(Base):
    """One row for each user. ``username`` and ``email`` keep the case that was given and are unique without it.

    ``password_hash`` is null for a user who cannot log in until a password is set. A trigger keeps ``search_text``, in which a
    search looks: username, e-mail address and full name in lower case, with letters in place of the gaps (``LETTERS``).
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


# Expressions that have an index are spelled as PostgreSQL prints them, so that `flask db check` can compare them.
_EMAIL_LOWER: ColumnElement[str] = literal_column("lower(email::text)", Text)
_USERNAME_LOWER: ColumnElement[str] = literal_column("lower(username::text)", Text)

# The order of lists: lower case by the database's rules, then by code point. The indexes have this collation, which PostgreSQL
# does not print and the comparison does not see.
EMAIL_ORDER = collate(_EMAIL_LOWER, "C")
USERNAME_ORDER = collate(_USERNAME_LOWER, "C")

# What is unique, and found at a log-in: a name by rules of our own, which no locale changes (migration 0013). ``name_key`` makes
# the same of any text.
_EMAIL_KEY: ColumnElement[str] = literal_column("user_name_key(email::text)", Text)
_USERNAME_KEY: ColumnElement[str] = literal_column("user_name_key(username::text)", Text)
EMAIL_KEY = collate(_EMAIL_KEY, "C")
USERNAME_KEY = collate(_USERNAME_KEY, "C")


def name_key(name: str) -> ColumnElement[str]:
    """The key of a username or an e-mail address, to compare with ``EMAIL_KEY`` or ``USERNAME_KEY``."""
    return func.user_name_key(literal(name, Text), type_=Text)


# A term is looked up by what it is made of: every three neighbours, or the one or two characters that are all of it.
LONGEST_GRAM = 3
# How much of the beginning of a name the index of the search knows: its first character, the first two, and so on.
BEGINNINGS = 5


def _cut(length: int, start: int) -> str:
    """All parts of that length which follow each other from there, and a space behind each: by functions in C."""
    text = "search_text" if start == 1 else f"substr(search_text, {start})"
    return f"regexp_replace({text}, '({'.' * length})'::text, '\\1 '::text, 'g'::text)"


def _grams() -> str:
    pieces = [_cut(length, start) for length in range(2, LONGEST_GRAM + 1) for start in range(1, length + 1)]
    cut = functools.reduce(lambda before, piece: f"(({before} || ' '::text) || {piece})", pieces)[1:-1]
    names = (
        f"'{column}:'::text || rpad(lower({column}::text), {length})"
        for column in ("username", "email")
        for length in range(1, BEGINNINGS + 1)
    )
    parts = f"(string_to_array(search_text, NULL::text) || string_to_array({cut}, ' '::text)) || ARRAY[{', '.join(names)}]"
    return f"array_to_tsvector(array_remove({parts}, ''::text))"


# The n-grams of a user: each character of the search text, every two and every three neighbours, and how the names begin, as
# ``email:maria``. As a tsvector, since a tsquery can also say what a user does not have: "maria", but not at the beginning of
# the address.
GRAMS: ColumnElement[Any] = literal_column(_grams(), TSVECTOR)

# What else the search's index holds, so that a search can be kept to some days, states and beginnings of names. GIN has an
# operator for arrays, so each is an array, most of one element.
SIGN_UP_DAY: ColumnElement[Any] = literal_column("ARRAY[(created_at AT TIME ZONE 'UTC'::text)::date]", ARRAY(Date))
STATES: dict[str, ColumnElement[Any]] = {
    state: literal_column(f"ARRAY[{state}]", ARRAY(Boolean)) for state in ("is_active", "is_superuser")
}
# What most names are made of, in groups of neighbours in the order of names. Of each of a name's first characters the index
# also knows the group (``maB``: from "maa" to "mae"), so that all names before a place have one of a dozen beginnings. A name is
# filled up with spaces, so that "ann" is found before "anna"; among the beginnings of one that has other characters, too, there
# stands ``UNUSUAL``.
GROUPS = {"A": " +-.0123456789_", "B": "abcde", "C": "fghij", "D": "klmno", "E": "pqrst", "F": "uvwxyz"}
GROUPED = 3
UNUSUAL = "true"


def _beginnings(column: str) -> ColumnElement[Any]:
    name = f"lower({column}::text)"
    letters = "".join(GROUPS.values())
    groups = "".join(group * len(of) for group, of in GROUPS.items())
    parts = [f"rpad({name}, {length})" for length in range(1, BEGINNINGS + 1)]
    parts += [
        f"rpad({name}, {length - 1}) || translate(substr(rpad({name}, {length}), {length}), '{letters}'::text, '{groups}'::text)"
        for length in range(1, GROUPED + 1)
    ]
    unusual = f"NULLIF(\"left\"({name}, {BEGINNINGS}) ~ '[^a-z0-9._+-]'::text, false)::text"
    return literal_column(f"ARRAY[{', '.join(parts)}, {unusual}]", ARRAY(Text))


NAME_BEGINNINGS: dict[str, ColumnElement[Any]] = {column: _beginnings(column) for column in ("username", "email")}

_users = cast(Table, User.__table__)
LAST_LOGIN_SQL = "(SELECT last_login_at FROM user_logins WHERE user_id = users.id)"
RECORD_SQL = ", ".join(LAST_LOGIN_SQL if name == "last_login_at" else f"users.{name}" for name in UserRecord._fields)
"""The columns of a :class:`UserRecord`, for statements that are text."""
RECORD: tuple[ColumnElement[Any], ...] = tuple(
    literal_column(LAST_LOGIN_SQL, DateTime(timezone=True)).label(name) if name == "last_login_at" else _users.c[name]
    for name in UserRecord._fields
)
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
for _name, _unique in (("email", _EMAIL_KEY), ("username", _USERNAME_KEY)):
    Index(f"uq_users_{_name}", _unique, unique=True, _table=_users)
# Lists in the order of names. Superusers and inactive users are few: in the order of all names they would be
# far between. Each index includes what a list filters by and a search looks at, so that rows are passed over without a visit to
# the table, and the name itself, which PostgreSQL wants to have for that.
for _column, _key in (("username", _USERNAME_LOWER), ("email", _EMAIL_LOWER)):
    _options: dict[str, Any] = {
        "postgresql_include": [_column, "id", "is_active", "is_superuser", "search_text"],
        "_table": _users,
    }
    Index(f"ix_users_by_{_column}", _key, **_options)
    Index(f"ix_users_superusers_by_{_column}", _key, postgresql_where=User.is_superuser, **_options)
    Index(f"ix_users_inactive_by_{_column}", _key, postgresql_where=~User.is_active, **_options)
Index(
    "ix_users_search",
    GRAMS.label("grams"),
    SIGN_UP_DAY.label("sign_up_day"),
    *(mark.label(f"{state}_mark") for state, mark in STATES.items()),
    *(parts.label(f"{column}_beginnings") for column, parts in NAME_BEGINNINGS.items()),
    postgresql_using="gin",
    _table=_users,
)
