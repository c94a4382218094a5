"""A new e-mail address of one's own counts once its user has opened the link that was mailed to it.

Until then the old address stays, for log-ins and for mails. What superusers set for others counts at once, and so does everything
where mail is not set up.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from rollcall.errors import LinkRefused, NamesTaken, UserNotFound, ValidationFailed
from rollcall.infra.sealing import Cipher
from rollcall.models import User, UserRecord
from rollcall.models.user import EMAIL_KEY, name_key
from rollcall.services.events import origin as origins
from rollcall.services.events.origin import Actor
from rollcall.services.identity import accounts, one_time_links, rights
from rollcall.services.identity.accounts import Identity
from rollcall.services.identity.one_time_links import LIFETIME, Owner, Purpose
from rollcall.services.mail import queue
from rollcall.services.mail.queue import MailKind
from rollcall.services.users import directory, guards


def change_user(
    session: Session,
    user_id: int,
    changes: Mapping[str, Any],
    by: Identity,
    now: datetime,
    *,
    cipher: Cipher | None,
    versions: Container[str] | None = None,
) -> tuple[UserRecord, str | None]:
    """Change a user as ``directory.change_user`` does, but for a new address of one's own. The caller commits.

    :param cipher: encrypts the link that is mailed; ``None``: mail is not set up.
    :return: the user, and the address that waits for its confirmation.
    :raises NamesTaken: another user has the address.
    """
    wanted = dict(changes)
    new = wanted.pop("email", None)
    if cipher is None or by.user.id != user_id or new in (None, directory.read_user(session, user_id).email):
        return directory.change_user(session, user_id, changes, by, now, versions=versions), None
    current = changes.get("current_password")
    proven = guards.check_passwords(session, user_id, {"email": new}, current, own=True)
    user = directory.change_user(session, user_id, wanted, by, now, versions=versions)
    _, target = rights.lock_for_change(session, by, now, user_id, superusers=False)
    if "password" not in wanted and proven != target.password_hash:
        raise ValidationFailed([guards.WRONG_PASSWORD])
    if new == target.user.email:  # somebody has set it meanwhile
        return user, None
    _require_free(session, new, user_id)
    token = one_time_links.make(session, [user_id], Purpose.EMAIL, now, email=new)[user_id]
    secret, expires_at = cipher.seal(token), now + LIFETIME[Purpose.EMAIL]
    queue.add_to_address(session, MailKind.CONFIRM_EMAIL, new, now, expires_at, user_id=user_id, secret=secret)
    return user, new


def owner(session: Session, token: str, now: datetime) -> Owner:
    """Return the user of a link and the address that it confirms.

    :raises LinkRefused: the link does not work.
    """
    return one_time_links.owner(session, token, (Purpose.EMAIL,), now)


def confirm(session: Session, token: str, now: datetime) -> UserRecord:
    """Let the address of a link count, and end the user's sessions. The caller commits.

    :raises LinkRefused: the link does not work, or no longer.
    :raises NamesTaken: another user has the address by now.
    """
    found = owner(session, token, now)
    try:
        _, (user, _) = rights.lock_for_change(session, None, now, found.id, superusers=False)
    except UserNotFound:
        raise LinkRefused from None
    one_time_links.spend(session, token, (Purpose.EMAIL,), user, now)
    origins.attach(session, replace(origins.of(session), actor=Actor.of(user)))
    changed = directory.change_user(session, user.id, {"email": found.new_email}, None, now)
    accounts.end_sessions(session, user.id)
    return changed


def _require_free(session: Session, email: str, user_id: int) -> None:
    others = select(User.id).where(name_key(email) == EMAIL_KEY, User.id != user_id)
    if session.execute(others).first():
        raise NamesTaken(["email"])
