"""What a superuser chose when a file with certain columns was imported, for the next file with the same columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class ImportChoice(Base):
    """One row for each user and set of columns; ``columns`` is the SHA-256 of their names."""

    __tablename__ = "import_choices"

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    columns: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    reading: Mapped[dict[str, Any]] = mapped_column(JSONB)
    used_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
