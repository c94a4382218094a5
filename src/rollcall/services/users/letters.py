"""Mails to users with one-time links in them: queued here, and looked at again when they are about to be sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rollcall.errors import UserNotFound
from rollcall.infra.sealing import Cipher
from rollcall.models import Mail, User
from rollcall.models.user import EMAIL_KEY, name_key
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.identity import one_time_links, rights
from rollcall.services.identity.one_time_links import LIFETIME, PASSWORD_PURPOSES, Owner, Purpose
from rollcall.services.mail import queue
from rollcall.services.mail.queue import Claim, MailKind
from rollcall.services.users.password_links import Link, Links

CONFIRM_PATH: Final = "/email"
"""Where the page is on which people confirm a new address."""
FORGOT_PER: Final = timedelta(minutes=10)
"""One mail in this time to a user who forgot the password, however often anybody asks for it."""


def send_link(session: Session, link: Link, cipher: Cipher, now: datetime) -> bool:
    """Queue a mail with a new password link. The caller commits.

    :return: whether there is a mail: none goes to an inactive user, for whom the link does nothing.
    """
    return queue.add(session, MailKind.PASSWORD_LINK, {link.user.id: link.token}, cipher, now=now, expires_at=link.expires_at) > 0


def send_links(session: Session, links: Links, cipher: Cipher, now: datetime) -> int:
    """Queue a mail for each active user with a new password link. The caller commits.

    :return: how many mails.
    """
    return queue.add(session, MailKind.PASSWORD_LINK, links.tokens, cipher, now=now, expires_at=links.expires_at)


def forgot_password(session: Session, email: str, now: datetime) -> None:
    """Queue the wish for a link. The caller commits.

    Whether the address is a user's is not looked up here, so that it takes as long for anybody's.

    :param email: a valid address.
    """
    queue.add_to_address(session, MailKind.FORGOT_PASSWORD, email, now, now + LIFETIME[Purpose.FORGOT])


def prepared(session: Session, mail: Claim, cipher: Cipher, now: datetime) -> Claim | None:
    """Make the link of a mail that has none yet. The caller commits before it sends.

    :return: the mail with its link; None: it is for nobody, or its user got another one just now.
    """
    if mail.secret is not None or mail.kind is not MailKind.FORGOT_PASSWORD:
        return mail
    found = select(User.id).where(name_key(mail.address) == EMAIL_KEY, User.is_active)
    user_id = session.scalars(found).one_or_none()
    if user_id is None or not (made := _forgot_link(session, user_id, now)):
        queue.drop(session, mail.id)
        return None
    token, address = made
    secret = cipher.seal(token)
    values = {"user_id": user_id, "address": address, "secret": secret}
    session.execute(update(Mail).where(Mail.id == mail.id).values(**values).execution_options(synchronize_session=False))
    return replace(mail, user_id=user_id, address=address, secret=secret)


def opened(session: Session, mail: Claim, cipher: Cipher, now: datetime) -> tuple[str, Owner]:
    """Return the token of a mail's link, and its user.

    :raises LinkRefused: the link was used, replaced or ended since the mail was queued.
    :raises InvalidToken: of the library: the mail was encrypted with another SECRET_KEY.
    """
    token = cipher.open(mail.secret or "")
    purposes = (Purpose.EMAIL,) if mail.kind is MailKind.CONFIRM_EMAIL else PASSWORD_PURPOSES
    return token, one_time_links.owner(session, token, purposes, now)


def _forgot_link(session: Session, user_id: int, now: datetime) -> tuple[str, str] | None:
    try:
        _, (user, _) = rights.lock_for_change(session, None, now, user_id, superusers=False)
    except UserNotFound:
        return None
    others = (Mail.user_id == user_id, Mail.kind == str(MailKind.FORGOT_PASSWORD), Mail.created_at > now - FORGOT_PER)
    if not user.is_active or session.execute(select(Mail.id).where(*others).limit(1)).first():
        return None
    token = one_time_links.make(session, [user_id], Purpose.FORGOT, now)[user_id]
    recording.record(session, Kind.PASSWORD_LINK_MADE, now, user, {"way": "forgot_password"})
    return token, user.email
