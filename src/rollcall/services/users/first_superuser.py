"""Create the first superuser in the browser, through a link that only the operator is shown and that works once.

The link works until there is a superuser with a password. A superuser without one (imported, or synthetic) cannot log in,
so the operator would be locked out by such a row. An inactive superuser with a password does close the link: it never
changes, so whoever has kept it from the first start could come back through it whenever all superusers are inactive. The
operator has ``users activate`` instead.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rollcall.errors import SetUpAlready
from rollcall.models import User, UserRecord
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.identity import rights
from rollcall.services.users import directory
from rollcall.services.users.fields import NewUser


def link_path(secret_key: str) -> str:
    """Return the path of the link, ``/setup/…``, with 256 bits that only holders of the key can tell.

    It is the same for all workers and kept nowhere; what makes it one-time is that it works only while nobody is a superuser.
    """
    digest = hmac.digest(secret_key.encode(), b"rollcall.first-superuser", hashlib.sha256)
    return "/setup/" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_link(secret_key: str, path: str) -> bool:
    """Return whether a path is the link's, in time that tells nothing about how much of it is right."""
    return hmac.compare_digest(path.encode(), link_path(secret_key).encode())


def closed_by(session: Session) -> User | None:
    """Return a superuser with a password, who closes the link: an active one if there is one. None: the link works."""
    found = select(User).where(User.is_superuser, User.password_hash.is_not(None))
    return session.scalars(found.order_by(User.is_active.desc(), User.id).limit(1)).one_or_none()


def is_needed(session: Session) -> bool:
    """Return whether no superuser has a password."""
    return closed_by(session) is None


def create(session: Session, new: NewUser, now: datetime) -> UserRecord:
    """Create the first superuser. The caller commits.

    :raises SetUpAlready: there is one, also one that another request has made meanwhile.
    :raises NamesTaken: a plain user has this name.
    """
    rights.lock_superusers(session)
    if not is_needed(session):
        raise SetUpAlready
    user = directory.create_user(session, replace(new, is_active=True, is_superuser=True), None, now)
    recording.record(session, Kind.SUPERUSER_SET_UP, now, user)
    return user
