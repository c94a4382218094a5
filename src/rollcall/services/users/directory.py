"""Create, change and delete users, and enforce the invariants that hold for every caller."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from rollcall.errors import (
    NAMES,
    Conflict,
    Deadlock,
    FieldError,
    FieldProblem,
    NamesTaken,
    RowsConflict,
    UserNotFound,
    ValidationFailed,
)
from rollcall.infra import reading
from rollcall.models import RECORD, User, UserRecord
from rollcall.models.user import VERSION_STEP
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.identity import accounts, attempts, passwords, rights
from rollcall.services.identity.accounts import Identity
from rollcall.services.normalization import is_storable
from rollcall.services.users import conflicts, guards
from rollcall.services.users.fields import NewUser, own_username


def get_user(session: Session, user_id: int) -> User:
    """The user with this id, as stored now.

    :raises UserNotFound: there is none.
    """
    user = session.get(User, user_id, populate_existing=True)
    if user is None:
        raise UserNotFound(user_id)
    return user


_READ = reading.Statement(select(*RECORD).where(User.id == bindparam("id")), prepared=True)


def read_user(session: Session, user_id: int) -> UserRecord:
    """Return the public fields of a user.

    :raises UserNotFound: there is none with this id.
    """
    found = reading.rows(session, _READ, id=user_id)
    if not found:
        raise UserNotFound(user_id)
    return UserRecord(*found[0])


def find_user(session: Session, name: str) -> User:
    """The user with this username or e-mail address, without regard to case.

    :raises UserNotFound: there is none.
    """
    user = session.scalars(select(User).where(accounts.named(name))).one_or_none() if is_storable(name) else None
    if user is None:
        raise UserNotFound(name)
    return user


def create_user(session: Session, new: NewUser, by: Identity | None, now: datetime) -> User:
    """Create one user. The caller commits.

    The password is hashed before the first statement.

    :param by: the superuser who creates the user; ``None``: the operator, or somebody who registers.
    :raises InvalidToken, AccessDenied: ``by`` may no longer create users.
    :raises NamesTaken: by the unique index's verdict, so also of two requests at once.
    """
    row = _row(new, now, new.password and passwords.hash_password(new.password))
    if by:
        rights.confirm(session, by, now, superuser=True)
    try:
        [user] = _insert(session, [row])
    except NamesTaken as taken:
        raise conflicts.with_all_names(session, taken, {"email": new.email, "username": new.username}) from None
    recording.record(session, Kind.USER_CREATED, now, user, recording.created(user))
    return user


def create_users(session: Session, new: Sequence[NewUser], by: Identity, now: datetime, check: Callable[[], None]) -> list[User]:
    """Create many users, or none (R8). The caller commits.

    Passwords are hashed on all cores before the first statement; the rows go in with few statements.

    :param by: the superuser who creates them.
    :param check: called between hashes and before each try; what it raises (the deadline) ends the work.
    :return: the users in the order given.
    :raises InvalidToken, AccessDenied: ``by`` may no longer create users.
    :raises RowsConflict: naming every row that shares a name with another row or a stored user.
    """
    if not new:
        return []
    hashes = iter(passwords.hash_many([user.password for user in new if user.password], check=check))
    rows = [_row(user, now, next(hashes) if user.password else None) for user in new]
    rights.confirm(session, by, now, superuser=True)
    try:
        users = _insert_all(session, rows, check)
    except Conflict:
        # None is left where the other party has gone again in this moment: the caller may repeat.
        raise RowsConflict(conflicts.rows_in_conflict(session, new)) from None
    changes = {"way": "bulk", "created": len(users), "superusers": sum(user.is_superuser for user in users)}
    recording.record(session, Kind.USERS_IMPORTED, now, changes=changes, subject_ids=[user.id for user in users])
    return users


def change_user(
    session: Session,
    user_id: int,
    changes: Mapping[str, Any],
    by: Identity | None,
    now: datetime,
    *,
    versions: Container[str] | None = None,
) -> User:
    """Change some fields of a user. The caller commits.

    A deactivation and a new password end the user's sessions, and so does a new e-mail address of one's own. The session that
    made a change of one's own is kept. What is changed is recorded (``services/events``).

    :param changes: valid values by field name, and ``current_password`` where users change their own password or e-mail address.
    :param by: the caller; ``None``: the operator, at the command line.
    :param versions: the versions of the user that may be changed (``User.version``); ``None``: any.
    :raises UserNotFound: there is none with this id.
    :raises InvalidToken: the caller's session has ended since the request began.
    :raises AccessDenied: a plain user may change neither others nor ``is_active`` and ``is_superuser``.
    :raises VersionChanged: the user's version is none of ``versions``.
    :raises ValidationFailed: ``current_password`` is missing or wrong, or the new password is made of the user's names.
    :raises NamesTaken, LastSuperuser: the change contradicts what is stored.
    """
    wanted = dict(changes)
    current_password = wanted.pop("current_password", None)
    own = by is not None and by.user.id == user_id
    if by is not None:
        guards.require_allowed(by, user_id, wanted)
    # Verifying and hashing take 25 ms each, so they come before any lock.
    proven = guards.prove_current_password(session, user_id, wanted, current_password) if own else None
    if "password" in wanted:
        guards.require_impersonal_password(session, user_id, wanted)
        wanted["password_hash"] = passwords.hash_password(wanted.pop("password"))
    by, user = _lock(session, user_id, wanted, by, now)
    guards.require_version(user, versions)
    if proven is not None and user.password_hash != proven:
        raise ValidationFailed([guards.WRONG_PASSWORD])
    _keep_username_valid(user, wanted)
    changed = {field: value for field, value in wanted.items() if getattr(user, field) != value}
    if not changed:
        return user
    if changed.get("is_active") is False or changed.get("is_superuser") is False:
        guards.keep_a_superuser(session, user)
    # Before the fields change: it reads what they were.
    recording.record_change(session, now, user, recording.described(user, changed), by=by.user if by else None)
    for field, value in changed.items():
        setattr(user, field, value)
    user.updated_at = max(now, user.updated_at + VERSION_STEP)
    try:
        _flush(session)
    except NamesTaken as taken:
        names = {field: changed[field] for field in NAMES if field in changed}
        raise conflicts.with_all_names(session, taken, names, user_id) from None
    if "password_hash" in changed:
        attempts.forget(session, user_id)
    if "password_hash" in changed or changed.get("is_active") is False or (own and "email" in changed):
        accounts.end_sessions(session, user_id, keep=by.session_id if own and by and user.is_active else None)
    return user


def delete_user(
    session: Session, user_id: int, by: Identity | None, now: datetime, *, versions: Container[str] | None = None
) -> None:
    """Delete a user and with it the user's sessions. The caller commits.

    :param by: the caller; ``None``: the operator, at the command line.
    :param versions: the versions of the user that may be deleted; ``None``: any.
    :raises InvalidToken, AccessDenied: ``by`` may no longer delete users.
    :raises UserNotFound: there is none with this id.
    :raises VersionChanged: the user's version is none of ``versions``.
    :raises LastSuperuser: no other active superuser would be left.
    """
    rights.lock_superusers(session)
    if by is not None:
        rights.confirm(session, by, now, superuser=True, target=user_id)
    user = _locked(session, user_id)
    guards.require_version(user, versions)
    guards.keep_a_superuser(session, user)
    recording.record(session, Kind.USER_DELETED, now, user, recording.deleted(user))
    session.delete(user)
    session.flush()


def _lock(
    session: Session, user_id: int, wanted: Mapping[str, Any], by: Identity | None, now: datetime
) -> tuple[Identity | None, User]:
    """Lock what a change needs, in the order of locks (``identity/rights``), and check the caller again."""
    if wanted.get("is_active") is False or wanted.get("is_superuser") is False:
        rights.lock_superusers(session)
    elif by is None or by.user.id != user_id:
        rights.lock_superusers(session, target=user_id)
    if by is not None:
        by = rights.confirm(session, by, now, target=user_id)
        guards.require_allowed(by, user_id, wanted)
    return by, _locked(session, user_id)


def _locked(session: Session, user_id: int) -> User:
    user = session.get(User, user_id, with_for_update={"key_share": True}, populate_existing=True)
    if user is None:
        raise UserNotFound(user_id)
    return user


def _keep_username_valid(user: User, wanted: dict[str, Any]) -> None:
    """A username with an @ is the user's own e-mail address, so it follows a change of that."""
    unchanged = wanted.get("username", user.username) == user.username  # forms send all fields
    if "email" in wanted and unchanged and user.username == user.email:
        wanted["username"] = wanted["email"]
    if "username" in wanted:
        try:
            own_username(wanted["username"], wanted.get("email", user.email))
        except FieldError as error:
            raise ValidationFailed([FieldProblem("username", error.type, str(error))]) from error


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
        users = list(session.scalars(insert(User).returning(User, sort_by_parameter_order=True), rows))
    except IntegrityError as error:
        raise conflicts.of(error) from error
    for user in users:
        set_committed_value(user, "last_login_at", None)  # RETURNING leaves it out; to read it would be one more statement
    return users


def _flush(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise conflicts.of(error) from error
