"""A file of users that a superuser has checked in the browser, and the result of its import."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, DateTime, ForeignKey, LargeBinary, String, Text, Uuid, false
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base

FILE_NAME_MAX = 100


class ImportRun(Base):
    """One row for each check of a file that can be imported. The file is not stored, since it may contain passwords.

    The superuser who checked a file may import exactly that file (``digest`` is its SHA-256), once. The transaction that writes
    the users sets ``created``; ``error`` is set if nothing was written. If neither is set, the import is running as long as its
    connection holds the lock of its id; else it was interrupted.

    The import does what was checked: ``existing`` says what happens to users who are there already; with ``only_good`` the bad
    rows are left out. Of the ``rows`` in the file, ``created``, ``changed`` and ``unchanged`` were good.
    """

    __tablename__ = "import_runs"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    file_name: Mapped[str] = mapped_column(String(FILE_NAME_MAX))
    file_format: Mapped[str] = mapped_column(String(10))
    checked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reading: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    stage: Mapped[str] = mapped_column(String(10))
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    existing: Mapped[str] = mapped_column(String(10), server_default="fail")
    only_good: Mapped[bool] = mapped_column(Boolean, server_default=false())
    rows: Mapped[int] = mapped_column(BigInteger, server_default="0")
    changed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    unchanged: Mapped[int] = mapped_column(BigInteger, server_default="0")
