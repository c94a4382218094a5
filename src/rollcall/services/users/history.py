"""What was changed about users lately: by whom, when, from what to what. Never a password or its hash.

Kept by the service, not by a trigger: it knows who asks, and bulks, imports and synthetic users pay nothing for it. A new
user has no entry; ``created_at`` says that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from rollcall.models import User, UserChange
from rollcall.services.identity.accounts import Identity

KEPT: Final = 50
"""The newest entries of each user; older ones go when another comes."""

# Beside the INSERT, the statement sees the entries from before it, of which it leaves one less than are kept.
_RECORD = text("""
    WITH recorded AS (
        INSERT INTO user_changes (user_id, at, by_user_id, by_username, changes)
        SELECT unnest(:user_ids), :at, :by_user_id, :by_username, :changes
    ), numbered AS (
        SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY id DESC) AS place
        FROM user_changes WHERE user_id = ANY (:user_ids)
    )
    DELETE FROM user_changes WHERE id IN (SELECT id FROM numbered WHERE place >= :kept)
""").bindparams(bindparam("user_ids", type_=ARRAY(BigInteger)), bindparam("changes", type_=JSONB), kept=KEPT)


def described(user: User, changed: Mapping[str, Any]) -> dict[str, Any]:
    """What a change is recorded as.

    :param user: as the user is before the change.
    :param changed: the new values by column; each differs from the old one.
    :return: ``[old, new]`` by field; of a password only that there is a new one.
    """
    changes: dict[str, Any] = {field: [getattr(user, field), value] for field, value in changed.items()}
    if changes.pop("password_hash", None):
        changes["password"] = True
    return changes


def record(session: Session, user_ids: Sequence[int], changes: Mapping[str, Any], by: Identity | None, now: datetime) -> None:
    """Add one entry for each of these users, and drop what is beyond the newest ``KEPT``; one statement. The caller commits.

    :param user_ids: users whose rows the caller has locked or changed: of two changes of a user at once, one is first.
    :param changes: as ``described`` returns it.
    :param by: who asks; ``None``: the operator, at the command line.
    """
    by_user_id, by_username = (by.user.id, by.user.username) if by else (None, None)
    values = {"user_ids": user_ids, "by_user_id": by_user_id, "by_username": by_username, "changes": changes, "at": now}
    session.execute(_RECORD, values)


def recent(session: Session, user_id: int, limit: int = KEPT) -> Sequence[UserChange]:
    """The latest changes of a user, the newest first."""
    query = select(UserChange).where(UserChange.user_id == user_id)
    return session.scalars(query.order_by(UserChange.id.desc()).limit(limit)).all()
