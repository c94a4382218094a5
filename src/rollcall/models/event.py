"""Security events. ``services/events`` appends them; nothing changes or deletes one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base


class SecurityEvent(Base):
    """One row for each event, in a partition for each month (migration 0014 makes and drops them).

    A trigger refuses UPDATE and DELETE. There is no foreign key to ``users``, since events outlive users. Usernames are those at
    the time of the event. The operator at the command line has no ``actor_id`` and the username ``operator``; an anonymous caller
    has neither. A batch is one row with the ids of its users in ``subject_ids``. ``changes`` has ``[old, new]`` by field, and
    ``{"password": true}`` for a new password.
    """

    __tablename__ = "security_events"

    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    type: Mapped[str] = mapped_column(String(30))
    actor_id: Mapped[int | None] = mapped_column(BigInteger)
    actor_username: Mapped[str | None] = mapped_column(String(254))
    subject_id: Mapped[int | None] = mapped_column(BigInteger)
    subject_username: Mapped[str | None] = mapped_column(String(254))
    subject_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(128))
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB)

    __table_args__ = ({"postgresql_partition_by": "RANGE (at)"},)


_E = SecurityEvent

Index("ix_security_events_type", _E.type, _E.at, _E.id)
Index("ix_security_events_actor_id", _E.actor_id, _E.at, _E.id, postgresql_where=_E.actor_id.is_not(None))
Index("ix_security_events_subject_id", _E.subject_id, _E.at, _E.id, postgresql_where=_E.subject_id.is_not(None))
Index(
    "ix_security_events_changes",
    _E.subject_id,
    _E.at,
    _E.id,
    postgresql_where=text("type IN ('user_changed', 'password_changed', 'users_changed') AND subject_id IS NOT NULL"),
)
Index(
    "ix_security_events_subject_ids",
    _E.subject_ids,
    postgresql_using="gin",
    postgresql_with={"fastupdate": "off"},
    postgresql_where=_E.subject_ids.is_not(None),
)
