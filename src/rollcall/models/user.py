"""A person who may sign in."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Identity,
    Index,
    String,
    Table,
    Text,
    collate,
    false,
    func,
    literal_column,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class User(Base):
    """One row for each user. ``username`` and ``email`` keep the case that was given and are unique without it.

    ``password_hash`` is null for a user who cannot log in until a password is set.
    """

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    username: Mapped[str] = mapped_column(String(50))
    full_name: Mapped[str | None] = mapped_column(String(100))
    password_hash: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(server_default=true())
    is_superuser: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


# Expressions that have an index are spelled as PostgreSQL prints them, so that `flask db check` can compare them.
_EMAIL_LOWER: ColumnElement[str] = literal_column("lower(email::text)", Text)
_USERNAME_LOWER: ColumnElement[str] = literal_column("lower(username::text)", Text)

# Lower case by the database's own rules (Unicode), order by code point: the same on every machine, and fast. The unique
# indexes have this collation, which PostgreSQL does not print and the comparison does not see.
EMAIL_KEY = collate(_EMAIL_LOWER, "C")
USERNAME_KEY = collate(_USERNAME_LOWER, "C")

# What a search looks through: the three columns as one text, so that one index scan answers. The separator (chr(31))
# keeps a term from matching across two columns: neither a valid field nor a search term may hold a control character.
SEARCH_TEXT: ColumnElement[str] = literal_column(
    "lower((((username::text || chr(31)) || email::text) || chr(31)) || COALESCE(full_name, ''::character varying)::text)", Text
)

_users = cast(Table, User.__table__)
_search = SEARCH_TEXT.label("search_text")
Index("uq_users_email", _EMAIL_LOWER, unique=True, _table=_users)
Index("uq_users_username", _USERNAME_LOWER, unique=True, _table=_users)
# The filters carry the default sort order with them, so that a filtered first page is one short index scan.
Index("ix_users_is_active", User.is_active, User.created_at, User.id)
Index("ix_users_is_superuser", User.is_superuser, User.created_at, User.id)
Index("ix_users_created_at", User.created_at, User.id)
Index("ix_users_search", _search, postgresql_using="gin", postgresql_ops={"search_text": "gin_trgm_ops"}, _table=_users)
