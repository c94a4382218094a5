"""Mails that wait to be sent, and those that were sent lately. ``services/mail`` is the only one that writes them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class Mail(Base):
    """One row for each mail. It waits while neither ``sent_at`` nor ``failed_at`` is set.

    ``due_at`` is when it is tried next; whoever tries it moves this time on, so that nobody else does meanwhile. ``secret`` is
    the token of the link in the mail, encrypted with the service's key, and null once the mail no longer waits.
    """

    __tablename__ = "mails"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    address: Mapped[str] = mapped_column(String(254))
    secret: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    failed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    error: Mapped[str | None] = mapped_column(String(100))


Index("ix_mails_waiting", Mail.due_at, Mail.id, postgresql_where=Mail.sent_at.is_(None) & Mail.failed_at.is_(None))
Index("ix_mails_user_id", Mail.user_id, Mail.created_at)
Index("ix_mails_created_at", Mail.created_at)
