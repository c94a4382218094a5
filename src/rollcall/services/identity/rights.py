"""What a caller may do at the moment of writing: looked up again, and locked, in the transaction that writes.

A request is authorized before its body is read, and its body or its hashing may take seconds. Meanwhile its caller may be
deactivated, demoted, deleted or logged out. So each transaction that writes calls :func:`confirm` first.

Locks are taken in one order, so that no two requests wait for each other: the superusers' lock, the caller's row, then the
row of the user who is changed. Whoever takes a user's rights or sessions away locks that user's row.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from rollcall.errors import AccessDenied, InvalidToken, UserNotFound
from rollcall.infra import reading
from rollcall.models import UserRecord
from rollcall.models.user import record_sql
from rollcall.services.identity.accounts import Caller, Identity

# Any number that no other user of advisory locks in this database takes.
_SUPERUSER_LOCK: Final = 7_205_759_403_792_794

_LOCK_SUPERUSERS: Final = text("SELECT pg_advisory_xact_lock(:lock)")
_LOCK_FOR_SUPERUSER: Final = text("SELECT pg_advisory_xact_lock(:lock) FROM users WHERE id = :id AND is_superuser")
_LOCK_USER: Final = text("SELECT FROM users WHERE id = :id FOR NO KEY UPDATE")


def _locking(query: str) -> reading.Statement:
    # The first statement of its transaction, so that it may be prepared: to plan it would take longer than to execute it.
    return reading.Statement(text(query), prepared=True)


# PostgreSQL locks rows in the order of the FOR clauses. After a wait it evaluates the conditions again, on the rows as they
# are then. It evaluates the condition on ``superusers``, which names no table, before it reads a row.
_SUPERUSERS: Final = """
    WITH superusers AS MATERIALIZED (SELECT pg_advisory_xact_lock(:lock) WHERE CAST(:superusers AS boolean){or_if})
"""
_HELD: Final = "(SELECT count(*) FROM superusers) >= 0"
_VALID: Final = """
    caller.id = :user_id AND sessions.id = :session_id AND sessions.user_id = caller.id
    AND caller.is_active AND sessions.expires_at > :now
"""
_WIDTH: Final = len(Caller._fields)
_FIELDS: Final = ", ".join(f"caller.{name}" for name in Caller._fields)
_CALLER: Final = _locking(f"""
    SELECT {_FIELDS} FROM users AS caller, sessions WHERE {_VALID}
    FOR SHARE OF caller FOR KEY SHARE OF sessions
""")  # noqa: S608  (column names of our own)
_CALLER_AS_TARGET: Final = _locking(f"""
    {_SUPERUSERS.format(or_if="")}
    SELECT {_FIELDS}, {record_sql("caller")}, caller.password_hash FROM users AS caller, sessions WHERE {_HELD} AND {_VALID}
    FOR NO KEY UPDATE OF caller FOR KEY SHARE OF sessions
""")  # noqa: S608
_CALLER_AND_TARGET: Final = _locking(f"""
    {_SUPERUSERS.format(or_if=" OR EXISTS (SELECT FROM users WHERE id = :target AND is_superuser)")}
    SELECT {_FIELDS}, {record_sql("target")}, target.password_hash
    FROM users AS caller, sessions, users AS target WHERE {_HELD} AND {_VALID} AND target.id = :target
    FOR SHARE OF caller FOR KEY SHARE OF sessions FOR NO KEY UPDATE OF target
""")  # noqa: S608
_TARGET: Final = _locking(f"""
    {_SUPERUSERS.format(or_if=" OR EXISTS (SELECT FROM users WHERE id = :target AND is_superuser)")}
    SELECT {record_sql("target")}, target.password_hash FROM users AS target WHERE {_HELD} AND target.id = :target
    FOR NO KEY UPDATE OF target
""")  # noqa: S608


class Target(NamedTuple):
    """The user to be changed, as of now; the row stays locked until the transaction ends."""

    user: UserRecord
    password_hash: str | None


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
    if target == by.user.id:
        found = reading.in_transaction(session, _CALLER_AS_TARGET, **_values(by, now), superusers=False, lock=_SUPERUSER_LOCK)
    else:
        found = reading.in_transaction(session, _CALLER, **_values(by, now))
    if not found:
        raise InvalidToken
    caller = _identity(found[0], by)
    if superuser or target not in (None, caller.user.id):
        require_superuser(caller)
    return caller


def confirm_and_lock(session: Session, by: Identity, now: datetime, user_id: int) -> None:
    """Confirm that the caller may end sessions of a user, and lock that user, all in the order of locks.

    :raises InvalidToken, AccessDenied: as :func:`confirm`.
    """
    if user_id != by.user.id:
        lock_superusers(session, target=user_id)
    confirm(session, by, now, target=user_id)
    session.execute(_LOCK_USER, {"id": user_id})


def lock_for_change(
    session: Session, by: Identity | None, now: datetime, user_id: int, *, superusers: bool
) -> tuple[Identity | None, Target]:
    """Confirm that the caller may change a user, and lock that user, in the order of locks and in one statement.

    :param by: the caller; ``None``: the operator, at the command line.
    :param superusers: also take the superusers' lock, which a change of a superuser by somebody else takes in any case.
    :return: the caller and the user as of now.
    :raises InvalidToken, AccessDenied: as :func:`confirm`.
    :raises UserNotFound: no user has this id.
    """
    locks = {"lock": _SUPERUSER_LOCK, "superusers": superusers}
    if by is None:
        found = reading.in_transaction(session, _TARGET, **locks, target=user_id)
        if not found:
            raise UserNotFound(user_id)
        return None, _target(found[0])
    if by.user.id == user_id:
        found = reading.in_transaction(session, _CALLER_AS_TARGET, **_values(by, now), **locks)
        if not found:
            raise InvalidToken
        return _identity(found[0], by), _target(found[0][_WIDTH:])
    found = reading.in_transaction(session, _CALLER_AND_TARGET, **_values(by, now), **locks, target=user_id)
    if not found:  # one of the two is missing
        confirm(session, by, now, target=user_id)
        raise UserNotFound(user_id)
    caller = _identity(found[0], by)
    require_superuser(caller)
    return caller, _target(found[0][_WIDTH:])


def lock_superusers(session: Session | Connection, *, target: int | None = None) -> None:
    """Wait until nobody else changes superusers, and keep it so until the transaction ends.

    Taken before any row's lock by everything that changes a superuser, and by the creation of the first. Of two requests at
    once, the second sees what the first has done; and no two superusers who change each other hold what the other needs.

    :param target: lock only if the user with this id is a superuser.
    """
    if target is None:
        session.execute(_LOCK_SUPERUSERS, {"lock": _SUPERUSER_LOCK})
    else:
        session.execute(_LOCK_FOR_SUPERUSER, {"lock": _SUPERUSER_LOCK, "id": target})


def _values(by: Identity, now: datetime) -> dict[str, Any]:
    return {"user_id": by.user.id, "session_id": by.session_id, "now": now}


def _identity(row: tuple[Any, ...], by: Identity) -> Identity:
    return Identity(Caller(*row[:_WIDTH]), by.session_id)


def _target(row: tuple[Any, ...]) -> Target:
    *record, password_hash = row
    return Target(UserRecord(*record), password_hash)


def require_superuser(caller: Identity) -> None:
    """:raises AccessDenied: the caller is not a superuser."""
    if not caller.user.is_superuser:
        raise AccessDenied
