"""The table of changes of the previous version. Its workers write to it until they restart; this version does not read it.

A trigger copies each row into the security events (``event``). A later migration drops the table.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class UserChange(Base):
    """One row for each change of a user.

    ``changes`` has ``[old, new]`` by field, and ``{"password": true}`` for a new password. ``by_username`` is the username of the
    user who made the change, at that time; null for the operator at the command line. ``by_user_id`` is no foreign key, so that
    a user with millions of changes can be deleted at once, and no change waits for a lock on the caller's row.
    """

    __tablename__ = "user_changes"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    by_user_id: Mapped[int | None] = mapped_column(BigInteger)
    by_username: Mapped[str | None] = mapped_column(String(254))
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB)


Index("ix_user_changes_user_id", UserChange.user_id, UserChange.id)
