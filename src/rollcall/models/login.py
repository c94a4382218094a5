"""When each user last logged in.

A table of its own: a log-in updates one small row and two small indexes, not the entries of ``users`` in all of its indexes.
Triggers keep ``users.never_logged_in``, and see to it that no user logs in before being created (migration 0016).
"""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Table

from .base import Base

user_logins = Table(
    "user_logins",
    Base.metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("last_login_at", DateTime(timezone=True), nullable=False),
)
Index("ix_user_logins_last_login_at", user_logins.c.last_login_at, user_logins.c.user_id)
