"""Create, change and delete users, and enforce the invariants that hold for every caller."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

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
from rollcall.services.events.origin import Person
from rollcall.services.identity import accounts, attempts, one_time_links, passwords, rights
from rollcall.services.identity.accounts import Identity
from rollcall.services.normalization import is_storable
from rollcall.services.users import conflicts, guards
from rollcall.services.users.fields import NewUser, own_username

_USERS: Final[Table] = User.__table__  # type: ignore[assignment]
_PLAIN: Final = ("email", "username", "full_name", "is_active", "is_superuser", "must_change_password")


def get_user(session: Session, user_id: int) -> User:
    """Return the user with this id, as stored now.

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
    """Return the user with this username or e-mail address, without regard to case.

    :raises UserNotFound: there is none.
    """
    user = session.scalars(select(User).where(accounts.named(name))).one_or_none() if is_storable(name) else None
    if user is None:
        raise UserNotFound(name)
    return user


def create_user(session: Session, new: NewUser, by: Identity | None, now: datetime) -> UserRecord:
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


def create_users(
    session: Session, new: Sequence[NewUser], by: Identity, now: datetime, check: Callable[[], None]
) -> list[UserRecord]:
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
    try:
        users = _insert_all(session, rows, by, now, check)
    except Conflict:
        session.rollback()
        # No conflict is left if the other request has been undone at this moment: the caller may repeat.
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
) -> UserRecord:
    """Change some fields of a user. The caller commits.

    A deactivation ends the user's API tokens.
    A deactivation and a new password end the user's sessions, and so does a new e-mail address of one's own. The session that
    made a change of one's own is kept. A new password and a new e-mail address end the user's one-time links. What is changed
    is recorded (``services/events``).

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
    proven = guards.check_passwords(session, user_id, wanted, current_password, own=own)
    must_change = wanted.pop("must_change_password", False)
    if "password" in wanted:
        wanted["password_hash"] = passwords.hash_password(wanted.pop("password"))
    takes_rights = wanted.get("is_active") is False or wanted.get("is_superuser") is False
    by, target = rights.lock_for_change(session, by, now, user_id, superusers=takes_rights)
    if by is not None:
        guards.require_allowed(by, user_id, wanted)
    user = target.user
    guards.require_version(user, versions)
    if proven is not None and target.password_hash != proven:
        raise ValidationFailed([guards.WRONG_PASSWORD])
    _keep_username_valid(user, wanted)
    stored = {**user._asdict(), "password_hash": target.password_hash}
    changed = {field: value for field, value in wanted.items() if stored[field] != value}
    if not changed:
        return user
    if takes_rights:
        guards.keep_a_superuser(session, user)
    told = recording.described(stored, changed)
    if "password_hash" in changed:
        changed["must_change_password"] = must_change
        told |= {"must_change_password": True} if must_change else {}
    recording.record_change(session, now, user, told, by=by.user if by else None)
    changed_user = _update(session, user, {**changed, "updated_at": max(now, user.updated_at + VERSION_STEP)})
    _end_what_depended(session, changed_user, changed, by if own else None)
    return changed_user


def _end_what_depended(session: Session, user: UserRecord, changed: Mapping[str, Any], own: Identity | None) -> None:
    """End the sessions, API tokens, links and failures that a change of a user makes void.

    :param own: the session that made a change of one's own, which is kept.
    """
    if "password_hash" in changed:
        attempts.forget(session, user.id)
    if "password_hash" in changed or "email" in changed:
        one_time_links.end(session, user.id)
    if changed.get("is_active") is False:
        accounts.end_tokens(session, [user.id])
    if "password_hash" in changed or changed.get("is_active") is False or (own and "email" in changed):
        accounts.end_sessions(session, user.id, keep=own.session_id if own and user.is_active else None)


def replace_password(session: Session, user: UserRecord, hashed: str, now: datetime, *, by: Person | None) -> UserRecord:
    """Set the password of a user whose row the transaction has locked, and end the user's sessions and links.

    The caller commits.

    :param hashed: the hash of the new password.
    :param by: who set it; by default the actor of the session's origin.
    """
    recording.record_change(session, now, user, {"password": True}, by=by)
    updated_at = max(now, user.updated_at + VERSION_STEP)
    changed = _update(session, user, {"password_hash": hashed, "must_change_password": False, "updated_at": updated_at})
    _end_what_depended(session, changed, {"password_hash": hashed}, None)
    return changed


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
    by, (user, _) = rights.lock_for_change(session, by, now, user_id, superusers=True)
    if by is not None:
        rights.require_superuser(by)
    guards.require_version(user, versions)
    guards.keep_a_superuser(session, user)
    recording.record(session, Kind.USER_DELETED, now, user, recording.deleted(user))
    session.execute(delete(User).where(User.id == user_id))


def _keep_username_valid(user: UserRecord, wanted: dict[str, Any]) -> None:
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
    row = {name: getattr(new, name) for name in _PLAIN}
    return row | {"password_hash": hashed or new.password_hash, "created_at": new.created_at or now, "updated_at": now}


def _insert_all(
    session: Session, rows: list[dict[str, Any]], by: Identity, now: datetime, check: Callable[[], None]
) -> list[UserRecord]:
    # If two batches have each inserted a name that the other one needs, PostgreSQL rolls one of them back. That one tries
    # again, and so waits until the other is done.
    while True:
        check()
        rights.confirm(session, by, now, superuser=True)
        try:
            return _insert(session, rows)
        except Deadlock:
            session.rollback()


_INSERT = insert(_USERS).returning(*RECORD, sort_by_parameter_order=True)


def _insert(session: Session, rows: list[dict[str, Any]]) -> list[UserRecord]:
    try:
        return [UserRecord(*row) for row in session.connection().execute(_INSERT, rows)]
    except IntegrityError as error:
        raise conflicts.of(error) from error


@lru_cache(maxsize=256)  # more than there are sets of fields
def _updating(fields: frozenset[str]) -> reading.Statement:
    values: dict[str, Any] = {field: bindparam(field) for field in sorted(fields)}
    return reading.Statement(update(_USERS).where(_USERS.c.id == bindparam("user_id")).values(values))


def _update(session: Session, user: UserRecord, changed: Mapping[str, Any]) -> UserRecord:
    try:
        reading.in_transaction(session, _updating(frozenset(changed)), user_id=user.id, **changed)
    except IntegrityError as error:
        names = {field: changed[field] for field in NAMES if field in changed}
        problem = conflicts.of(error)
        if isinstance(problem, NamesTaken):
            problem = conflicts.with_all_names(session, problem, names, user.id)
        raise problem from None
    loaded = session.identity_map.get(identity_key(User, user.id))
    if loaded is not None:
        session.expire(loaded)
    return user._replace(**{field: value for field, value in changed.items() if field in UserRecord._fields})
