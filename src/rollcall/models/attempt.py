"""Counters of failed log-ins, and the networks from which users have logged in (``services/identity/attempts``)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, LargeBinary, SmallInteger
from sqlalchemy.dialects.postgresql import CIDR
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class LoginFailures(Base):
    """One counter of failed log-ins. The table is unlogged: a crash of the server empties it.

    ``key`` is a digest of what the counter counts. ``kind`` is the order in which counters are locked. The counter expires at
    ``lapses_at``.
    """

    __tablename__ = "login_failures"
    __table_args__ = {"prefixes": ["UNLOGGED"]}

    key: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    kind: Mapped[int] = mapped_column(SmallInteger)
    failures: Mapped[int]
    lapses_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)


class LoginNetwork(Base):
    """A network from which a user has logged in, and when last: one IPv4 address, or one IPv6 /64."""

    __tablename__ = "login_networks"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    network: Mapped[str] = mapped_column(CIDR, primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
