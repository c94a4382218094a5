"""Passwords that have to be changed at the next log-in, because an administrator chose them.

A log-in with such a password opens no session. Over REST the same request carries the new password; on the pages the user gets a
password link of a few minutes. So no session is half open, and no other request has to look for it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.orm import Session

from rollcall.errors import FieldProblem, InactiveAccount, InvalidCredentials, UserNotFound, ValidationFailed
from rollcall.models import UserRecord
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.identity import one_time_links, passwords, rights
from rollcall.services.identity.one_time_links import Purpose
from rollcall.services.users import directory
from rollcall.services.users.new_passwords import SAME_PASSWORD, require_impersonal
from rollcall.services.users.password_links import Link

_LIFETIME: Final = timedelta(minutes=15)
_NOT_DUE: Final = FieldProblem("new_password", "not_due", "Nobody asks for a new password: log in without one.")
_SAME: Final = replace(SAME_PASSWORD, field="new_password")


def make_link(session: Session, user: Row[Any], now: datetime) -> Link:
    """Make a link of a few minutes for a user who has just proven a password that has to be changed. The caller commits.

    :param user: what ``accounts.look_up`` returned; the password was verified against it.
    :raises InvalidCredentials: the user was deleted or deactivated, or has another password, since then.
    """
    current = _lock(session, user, now)
    token = one_time_links.make(session, [current.id], Purpose.PASSWORD, now, lifetime=_LIFETIME)[current.id]
    recording.record(session, Kind.PASSWORD_LINK_MADE, now, current, by=current)
    return Link(current, token, now + _LIFETIME)


def replace_password(session: Session, user: Row[Any] | None, password: str, new: str, now: datetime) -> None:
    """Replace a password that has to be changed, by a user who knows it. The caller commits.

    An unknown name takes as long as a wrong password.

    :param user: what ``accounts.look_up`` returned.
    :param new: a valid new password (``new_passwords.password``).
    :raises InvalidCredentials, InactiveAccount: as for a log-in; also if the password was changed meanwhile.
    :raises ValidationFailed: nobody asks for a new password, or it is the present one or made of the user's names.
    """
    if not passwords.verify(password, user.password_hash if user else None).ok or user is None:
        raise InvalidCredentials
    if not user.is_active:
        raise InactiveAccount
    if not user.must_change_password:
        raise ValidationFailed([_NOT_DUE])
    if passwords.verify(new, user.password_hash).ok:
        raise ValidationFailed([_SAME])
    hashed = passwords.hash_password(new)
    current = _lock(session, user, now)
    try:
        require_impersonal(new, (current.username, current.email, current.full_name))
    except ValidationFailed as error:
        raise ValidationFailed([replace(each, field="new_password") for each in error.problems]) from None
    directory.replace_password(session, current, hashed, now, by=current)


def _lock(session: Session, user: Row[Any], now: datetime) -> UserRecord:
    """Lock a user whose password was verified, and check that the password is still the same."""
    try:
        _, (current, stored) = rights.lock_for_change(session, None, now, user.id, superusers=False)
    except UserNotFound:
        raise InvalidCredentials from None
    if stored != user.password_hash or not current.is_active:
        raise InvalidCredentials
    return current
