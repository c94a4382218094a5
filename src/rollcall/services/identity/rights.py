"""What a caller may do at the moment of writing: looked up again, and locked, in the transaction that writes.

A request is authorized before its body is read, and its body or its hashing may take seconds. Meanwhile its caller may be
deactivated, demoted, deleted or logged out, or its API token may be revoked. So each transaction that writes calls
:func:`confirm` first.

Locks are taken in one order, so that no two requests wait for each other: the superusers' lock, the caller's row, then the
row of the user who is changed. Whoever takes a user's rights or sessions away locks that user's row.
"""

from __future__ import annotations

from dataclasses import replace
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
_WIDTH: Final = len(Caller._fields)
_FIELDS: Final = ", ".join(f"caller.{name}" for name in Caller._fields)


class _Statements(NamedTuple):
    """What looks a caller up again, by the row of the caller's session or API token."""

    caller: reading.Statement
    caller_as_target: reading.Statement
    caller_and_target: reading.Statement


def _looking_up(table: str, unexpired: str) -> _Statements:
    # Both kinds are called ``key`` in the statements.
    valid = f"caller.id = :user_id AND key.id = :key_id AND key.user_id = caller.id AND caller.is_active AND ({unexpired})"
    caller = f"""
        SELECT {_FIELDS} FROM users AS caller, {table} AS key WHERE {valid}
        FOR SHARE OF caller FOR KEY SHARE OF key
    """  # noqa: S608  (column names of our own)
    caller_as_target = f"""
        {_SUPERUSERS.format(or_if="")}
        SELECT {_FIELDS}, {record_sql("caller")}, caller.password_hash FROM users AS caller, {table} AS key
        WHERE {_HELD} AND {valid}
        FOR NO KEY UPDATE OF caller FOR KEY SHARE OF key
    """  # noqa: S608
    caller_and_target = f"""
        {_SUPERUSERS.format(or_if=" OR EXISTS (SELECT FROM users WHERE id = :target AND is_superuser)")}
        SELECT {_FIELDS}, {record_sql("target")}, target.password_hash
        FROM users AS caller, {table} AS key, users AS target WHERE {_HELD} AND {valid} AND target.id = :target
        FOR SHARE OF caller FOR KEY SHARE OF key FOR NO KEY UPDATE OF target
    """  # noqa: S608
    return _Statements(_locking(caller), _locking(caller_as_target), _locking(caller_and_target))


_BY_SESSION: Final = _looking_up("sessions", "key.expires_at > :now")
_BY_TOKEN: Final = _looking_up("api_tokens", "key.expires_at IS NULL OR key.expires_at > :now")
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
    :raises InvalidToken: the session or API token has ended, or its user has been deactivated or deleted.
    :raises AccessDenied: the caller is not a superuser, or no longer one.
    """
    statements = _statements(by)
    if target == by.user.id:
        found = reading.in_transaction(
            session, statements.caller_as_target, **_values(by, now), superusers=False, lock=_SUPERUSER_LOCK
        )
    else:
        found = reading.in_transaction(session, statements.caller, **_values(by, now))
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
        found = reading.in_transaction(session, _statements(by).caller_as_target, **_values(by, now), **locks)
        if not found:
            raise InvalidToken
        return _identity(found[0], by), _target(found[0][_WIDTH:])
    found = reading.in_transaction(session, _statements(by).caller_and_target, **_values(by, now), **locks, target=user_id)
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


def _statements(by: Identity) -> _Statements:
    return _BY_TOKEN if by.token else _BY_SESSION


def _values(by: Identity, now: datetime) -> dict[str, Any]:
    return {"user_id": by.user.id, "key_id": by.token.id if by.token else by.session_id, "now": now}


def _identity(row: tuple[Any, ...], by: Identity) -> Identity:
    return replace(by, user=Caller(*row[:_WIDTH]))


def _target(row: tuple[Any, ...]) -> Target:
    *record, password_hash = row
    return Target(UserRecord(*record), password_hash)


def require_superuser(caller: Identity) -> None:
    """:raises AccessDenied: the caller is not a superuser."""
    if not caller.user.is_superuser:
        raise AccessDenied
