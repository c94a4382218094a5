"""Users: creating, changing, deleting; and the guards that hold whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Select, Text, bindparam, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rollcall.errors import (
    AccessDenied,
    Conflict,
    Deadlock,
    EmailTaken,
    FieldProblem,
    LastSuperuser,
    RowsConflict,
    UsernameTaken,
    UserNotFound,
    ValidationFailed,
)
from rollcall.infra import reading
from rollcall.models import RECORD, User, UserRecord
from rollcall.services.identity import accounts, attempts, passwords
from rollcall.services.identity.accounts import Identity
from rollcall.services.normalization import is_storable
from rollcall.services.users import history
from rollcall.services.users.fields import NewUser

# Any number that no other user of advisory locks in this database takes.
_SUPERUSER_LOCK = 7_205_759_403_792_794

_TAKEN: dict[str, type[Conflict]] = {"uq_users_email": EmailTaken, "uq_users_username": UsernameTaken}

# The rows, numbered from 0, that share a name with an earlier row or with a stored user, by the database's own idea of case.
_CONFLICTS = text("""
    WITH given AS (
        SELECT place - 1 AS row, lower(email) COLLATE "C" AS email, lower(username) COLLATE "C" AS username
        FROM unnest(:emails, :usernames) WITH ORDINALITY AS given (email, username, place)
    ), numbered AS (
        SELECT *, row_number() OVER (PARTITION BY email ORDER BY row) > 1 AS same_email,
                  row_number() OVER (PARTITION BY username ORDER BY row) > 1 AS same_username
        FROM given
    )
    SELECT row, 'email' AS field, same_email AS duplicate FROM numbered
    WHERE same_email OR EXISTS (SELECT FROM users WHERE lower(users.email) COLLATE "C" = numbered.email)
    UNION ALL
    SELECT row, 'username', same_username FROM numbered
    WHERE same_username OR EXISTS (SELECT FROM users WHERE lower(users.username) COLLATE "C" = numbered.username)
    ORDER BY 1, 2
""").bindparams(bindparam("emails", type_=ARRAY(Text)), bindparam("usernames", type_=ARRAY(Text)))


def get_user(session: Session, user_id: int) -> User:
    """:raises UserNotFound: there is none with this id."""
    user = session.get(User, user_id)
    if user is None:
        raise UserNotFound(user_id)
    return user


_READ = reading.Statement(select(*RECORD).where(User.id == bindparam("id")), prepared=True)


def read_user(session: Session, user_id: int) -> UserRecord:
    """What is shown of a user.

    :raises UserNotFound: there is none with this id.
    """
    found = reading.rows(session, _READ, id=user_id)
    if not found:
        raise UserNotFound(user_id)
    return UserRecord(*found[0])


def find_user(session: Session, name: str) -> User:
    """The user with this username or e-mail, without regard to case.

    :raises UserNotFound: there is none.
    """
    user = session.scalars(select(User).where(accounts.named(name))).one_or_none() if is_storable(name) else None
    if user is None:
        raise UserNotFound(name)
    return user


def create_user(session: Session, new: NewUser, now: datetime) -> User:
    """Create one user; the password is hashed here, before the database is touched. The caller commits.

    :raises EmailTaken, UsernameTaken: by the unique index's verdict, so also of two requests at once.
    """
    return _insert(session, [_row(new, now, new.password and passwords.hash_password(new.password))])[0]


def create_users(session: Session, new: Sequence[NewUser], now: datetime, check: Callable[[], None]) -> list[User]:
    """Create many users, or none (R8). The caller commits.

    Passwords are hashed on all cores before the first statement; the rows go in with few statements.

    :param check: called between hashes and before each try; what it raises (the deadline) ends the work.
    :return: the users in the order given.
    :raises RowsConflict: naming every row that shares a name with another row or a stored user.
    """
    if not new:
        return []
    hashes = iter(passwords.hash_many([user.password for user in new if user.password], check=check))
    rows = [_row(user, now, next(hashes) if user.password else None) for user in new]
    try:
        return _insert_all(session, rows, check)
    except Conflict:
        problems = [
            FieldProblem(f"{row.row}.{row.field}", "duplicate" if row.duplicate else "taken", _conflict_message(row))
            for row in session.execute(
                _CONFLICTS, {"emails": [user.email for user in new], "usernames": [user.username for user in new]}
            )
        ]
        # None is left where the other party has gone again in this moment: the caller may repeat.
        raise RowsConflict(problems) from None


def change_user(session: Session, user_id: int, changes: Mapping[str, Any], by: Identity | None, now: datetime) -> User:
    """Change some fields of a user. The caller commits.

    Deactivation and a new password end the user's sessions; a new password keeps the session that made it. What is changed
    is recorded (``history``).

    :param changes: valid values by field name, and ``current_password`` where a user changes the own password.
    :param by: who asks; ``None``: the operator, at the command line.
    :raises UserNotFound: there is none with this id.
    :raises AccessDenied: a plain user may change neither others nor ``is_active`` and ``is_superuser``.
    :raises ValidationFailed: ``current_password`` is missing or wrong.
    :raises EmailTaken, UsernameTaken, LastSuperuser: the change contradicts what is stored.
    """
    wanted = dict(changes)
    current_password = wanted.pop("current_password", None)
    own = by is not None and by.user.id == user_id
    if by is not None and not by.user.is_superuser and (not own or wanted.keys() & {"is_active", "is_superuser"}):
        raise AccessDenied
    if wanted.get("is_active") is False or wanted.get("is_superuser") is False:
        lock_superusers(session)
    user = _locked(session, user_id)
    if "password" in wanted:
        if own:
            _check_current_password(user, current_password)
        wanted["password_hash"] = passwords.hash_password(wanted.pop("password"))
    changed = {field: value for field, value in wanted.items() if getattr(user, field) != value}
    if not changed:
        return user
    if changed.get("is_active") is False or changed.get("is_superuser") is False:
        _keep_a_superuser(session, user)
    # Before the fields change: it reads what they were.
    history.record(session, [user_id], history.described(user, changed), by, now)
    for field, value in changed.items():
        setattr(user, field, value)
    user.updated_at = now
    _flush(session)
    if "password_hash" in changed:
        attempts.forget(session, user_id)
    if "password_hash" in changed or changed.get("is_active") is False:
        accounts.end_sessions(session, user_id, keep=by.session_id if own and by and user.is_active else None)
    return user


def delete_user(session: Session, user_id: int) -> None:
    """Delete a user and with it the user's sessions. The caller commits.

    :raises UserNotFound: there is none with this id.
    :raises LastSuperuser: no other active superuser would be left.
    """
    lock_superusers(session)
    user = _locked(session, user_id)
    _keep_a_superuser(session, user)
    session.delete(user)
    session.flush()


def _active_superusers() -> Select[int]:
    # Who has no password cannot log in, and so administers nothing: synthetic and imported users are often such.
    return select(User.id).where(User.is_superuser, User.is_active, User.password_hash.is_not(None))


def is_last_superuser(session: Session, user: User) -> bool:
    """Whether nobody would be left to administer Rollcall without this user: what the guards refuse, and pages explain."""
    if not (user.is_active and user.is_superuser):
        return False
    return not session.scalars(select(_active_superusers().where(User.id != user.id).exists())).one()


def require_superuser(session: Session, by: Identity) -> None:
    """See that who asks may still do what only superusers may; for what may take superusers away, under their lock.

    :raises AccessDenied: somebody else has deactivated or demoted the caller since the request began.
    """
    if not session.scalars(select(_active_superusers().where(User.id == by.user.id).exists())).one():
        raise AccessDenied


def lock_superusers(session: Session) -> None:
    """Wait until nobody else changes who is a superuser, until the end of the transaction.

    Taken before any row's lock, by everyone who may take an active superuser away and by who makes the first: of two
    requests at once the second sees what the first has done.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SUPERUSER_LOCK})


def _keep_a_superuser(session: Session, user: User) -> None:
    if is_last_superuser(session, user):
        raise LastSuperuser


def _locked(session: Session, user_id: int) -> User:
    user = session.get(User, user_id, with_for_update=True, populate_existing=True)
    if user is None:
        raise UserNotFound(user_id)
    return user


def _check_current_password(user: User, current: str | None) -> None:
    if current is None:
        problem = FieldProblem("current_password", "missing", "The current password is required to set a new one.")
    elif not passwords.verify(current, user.password_hash).ok:
        problem = FieldProblem("current_password", "wrong_password", "This is not the current password.")
    else:
        return
    raise ValidationFailed([problem])


def _row(new: NewUser, now: datetime, hashed: str | None) -> dict[str, Any]:
    row = asdict(new)
    del row["password"]
    return row | {
        "password_hash": hashed or new.password_hash,
        "created_at": new.created_at or now,
        "updated_at": now,
    }


def _insert_all(session: Session, rows: list[dict[str, Any]], check: Callable[[], None]) -> list[User]:
    # Of two bulks that have each inserted a name which the other one wants, too, PostgreSQL ends one. It tries again, and
    # so waits until the other is done.
    while True:
        check()
        with suppress(Deadlock), session.begin_nested():
            return _insert(session, rows)


def _insert(session: Session, rows: list[dict[str, Any]]) -> list[User]:
    try:
        return list(session.scalars(insert(User).returning(User, sort_by_parameter_order=True), rows))
    except IntegrityError as error:
        raise _conflict(error) from error


def _flush(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise _conflict(error) from error


def _conflict(error: IntegrityError) -> Exception:
    diagnostics = getattr(error.orig, "diag", None)
    taken = _TAKEN.get(getattr(diagnostics, "constraint_name", None) or "")
    return taken() if taken else error


def _conflict_message(row: Any) -> str:
    name = "e-mail address" if row.field == "email" else "username"
    return f"An earlier row has this {name}." if row.duplicate else f"This {name} is already in use."
