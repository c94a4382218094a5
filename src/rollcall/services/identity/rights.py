"""What a caller may do at the moment of writing: looked up again, and locked, in the transaction that writes.

A request is authorized before its body is read, and its body or its hashing may take seconds. Meanwhile its caller may be
deactivated, demoted, deleted or logged out. So each transaction that writes calls :func:`confirm` first.

Locks are taken in one order, so that no two requests wait for each other: the superusers' lock, the caller's row, then the
row of the user who is changed. Whoever takes a user's rights or sessions away locks that user's row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from rollcall.errors import AccessDenied, InvalidToken
from rollcall.models import UserRecord
from rollcall.models.user import RECORD_SQL
from rollcall.services.identity.accounts import Identity

# Any number that no other user of advisory locks in this database takes.
_SUPERUSER_LOCK: Final = 7_205_759_403_792_794

_LOCK_SUPERUSERS: Final = text("SELECT pg_advisory_xact_lock(:lock)")
_LOCK_FOR_SUPERUSER: Final = text("SELECT pg_advisory_xact_lock(:lock) FROM users WHERE id = :id AND is_superuser")
_LOCK_USER: Final = text("SELECT FROM users WHERE id = :id FOR NO KEY UPDATE")

# PostgreSQL locks the user before the session. After a wait it evaluates the conditions again, on the rows as they are then.
_CALLER: Final = f"""
    SELECT {RECORD_SQL}
    FROM users JOIN sessions ON sessions.user_id = users.id
    WHERE users.id = :user_id AND sessions.id = :session_id AND users.is_active AND sessions.expires_at > :now
    FOR {{strength}} OF users FOR KEY SHARE OF sessions
"""  # noqa: S608  (column names of our own)
_SHARED: Final = text(_CALLER.format(strength="SHARE"))
_EXCLUSIVE: Final = text(_CALLER.format(strength="NO KEY UPDATE"))


def confirm(
    session: Session | Connection, by: Identity, now: datetime, *, superuser: bool = False, target: int | None = None
) -> Identity:
    """Look the caller up again and hold the caller's rights until the transaction ends.

    :param by: the caller, as identified when the request began.
    :param superuser: only superusers may do what follows.
    :param target: the id of the user whose row is changed next; users may change themselves, superusers anybody.
    :return: the caller as of now.
    :raises InvalidToken: the session has ended, or its user has been deactivated or deleted.
    :raises AccessDenied: the caller is not a superuser, or no longer one.
    """
    own = target == by.user.id
    values = {"user_id": by.user.id, "session_id": by.session_id, "now": now}
    row = session.execute(_EXCLUSIVE if own else _SHARED, values).one_or_none()
    if row is None:
        raise InvalidToken
    caller = Identity(UserRecord(*row), by.session_id)
    if (superuser or (target is not None and not own)) and not caller.user.is_superuser:
        raise AccessDenied
    return caller


def confirm_and_lock(session: Session, by: Identity, now: datetime, user_id: int) -> None:
    """Confirm that the caller may end sessions of a user, and lock that user, all in the order of locks.

    :raises InvalidToken, AccessDenied: as :func:`confirm`.
    """
    if user_id != by.user.id:
        lock_superusers(session, target=user_id)
    confirm(session, by, now, target=user_id)
    session.execute(_LOCK_USER, {"id": user_id})


def lock_superusers(session: Session, *, target: int | None = None) -> None:
    """Wait until nobody else changes superusers, and keep it so until the transaction ends.

    Taken before any row's lock by everything that changes a superuser, and by the creation of the first. Of two requests at
    once, the second sees what the first has done; and no two superusers who change each other hold what the other needs.

    :param target: lock only if the user with this id is a superuser.
    """
    if target is None:
        session.execute(_LOCK_SUPERUSERS, {"lock": _SUPERUSER_LOCK})
    else:
        session.execute(_LOCK_FOR_SUPERUSER, {"lock": _SUPERUSER_LOCK, "id": target})
