"""The conditions under which a user may be changed or deleted."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from rollcall.errors import AccessDenied, FieldProblem, LastSuperuser, ValidationFailed, VersionChanged
from rollcall.models import User, UserRecord
from rollcall.services.identity import passwords
from rollcall.services.identity.accounts import Identity
from rollcall.services.users.new_passwords import require_impersonal

MISSING_PASSWORD = FieldProblem(
    "current_password", "missing", "Enter your current password to change your password or your e-mail address."
)
WRONG_PASSWORD = FieldProblem("current_password", "wrong_password", "This is not your current password.")


def _active_superusers() -> Select[int]:
    # Who has no password cannot log in, and so administers nothing: synthetic and imported users are often such.
    return select(User.id).where(User.is_superuser, User.is_active, User.password_hash.is_not(None))


def is_last_superuser(session: Session, user: User | UserRecord) -> bool:
    """Return whether nobody would be left to administer Rollcall without this user."""
    if not (user.is_active and user.is_superuser):
        return False
    return not session.scalars(select(_active_superusers().where(User.id != user.id).exists())).one()


def keep_a_superuser(session: Session, user: User | UserRecord) -> None:
    """:raises LastSuperuser: nobody would be left to administer Rollcall without this user."""
    if is_last_superuser(session, user):
        raise LastSuperuser


def require_allowed(by: Identity, user_id: int, wanted: Mapping[str, Any]) -> None:
    """:raises AccessDenied: plain users may change themselves alone, and neither ``is_active`` nor ``is_superuser``.

    Nobody asks a new password of himself.
    """
    if by.user.id == user_id and "must_change_password" in wanted:
        raise AccessDenied
    if not by.user.is_superuser and (by.user.id != user_id or wanted.keys() & {"is_active", "is_superuser"}):
        raise AccessDenied


def require_version(user: User | UserRecord, versions: Container[str] | None) -> None:
    """:raises VersionChanged: the user's version is none of ``versions``; ``None``: any version will do."""
    if versions is not None and user.version not in versions:
        raise VersionChanged


NEEDS_PASSWORD = FieldProblem(
    "must_change_password", "needs_password", "Only together with a new password can you ask for another one at the next log-in."
)

_STORED = select(User.email, User.username, User.full_name, User.password_hash).where(User.id == bindparam("id"))


def check_passwords(session: Session, user_id: int, wanted: Mapping[str, Any], current: str | None, *, own: bool) -> str | None:
    """Check the new password of a user, and the current one of users who change their own password or e-mail address.

    :param current: the current password, as sent.
    :return: the hash that was verified, which has to be the same once the row is locked; ``None``: no proof is needed.
    :raises ValidationFailed: the current password is missing or wrong, or the new one is made of the user's names.
    """
    if "must_change_password" in wanted and "password" not in wanted:
        raise ValidationFailed([NEEDS_PASSWORD])
    if not ("password" in wanted or (own and "email" in wanted)):
        return None
    stored = session.execute(_STORED, {"id": user_id}).one_or_none()
    if stored is None:
        return None
    proven = None
    if own and ("password" in wanted or wanted["email"] != stored.email):
        if current is None:
            raise ValidationFailed([MISSING_PASSWORD])
        if not passwords.verify(current, stored.password_hash).ok:
            raise ValidationFailed([WRONG_PASSWORD])
        proven = str(stored.password_hash)
    if "password" in wanted:
        require_impersonal(wanted["password"], [wanted.get(name, getattr(stored, name)) for name in stored._fields[:3]])
    return proven
