"""A change of many users at once, so that it can be listed and undone."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Index, String, Uuid, text
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base

_NOBODY = text("'{}'::int8multirange")


class Operation(Base):
    """One row for each import and each change of several users.

    The users are kept as ranges of their ids: those that an import creates have consecutive ids, so that a million of them is one
    range. There is no foreign key to ``users``, since operations outlive users. ``kind`` is ``import``, ``activate`` or
    ``deactivate``. ``run_id`` is the import in the browser. ``restored`` and ``kept`` are what the undo has done.
    """

    __tablename__ = "operations"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    actor_username: Mapped[str | None] = mapped_column(String(254))
    file_name: Mapped[str | None] = mapped_column(String(100))
    run_id: Mapped[UUID | None] = mapped_column(Uuid)
    created: Mapped[int] = mapped_column(BigInteger)
    changed: Mapped[int] = mapped_column(BigInteger)
    created_ids: Mapped[Any] = mapped_column(INT8MULTIRANGE, server_default=_NOBODY, deferred=True)
    changed_ids: Mapped[Any] = mapped_column(INT8MULTIRANGE, server_default=_NOBODY, deferred=True)
    undone_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    undone_by_username: Mapped[str | None] = mapped_column(String(254))
    restored: Mapped[int | None] = mapped_column(BigInteger)
    kept: Mapped[int | None] = mapped_column(BigInteger)


Index("ix_operations_run_id", Operation.run_id, postgresql_where=Operation.run_id.is_not(None))
