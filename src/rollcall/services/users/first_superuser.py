"""The first superuser, made in the browser through a link that only the operator is shown, and that works once."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rollcall.errors import SetUpAlready
from rollcall.models import User
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.users import directory
from rollcall.services.users.fields import NewUser


def link_path(secret_key: str) -> str:
    """The path of the link, ``/setup/…``, with 256 bits that only holders of the key can tell.

    It is the same for all workers and kept nowhere; what makes it one-time is that it works only while nobody is a superuser.
    """
    digest = hmac.digest(secret_key.encode(), b"rollcall.first-superuser", hashlib.sha256)
    return "/setup/" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_link(secret_key: str, path: str) -> bool:
    """Whether a path is the link's, in time that tells nothing about how much of it is right."""
    return hmac.compare_digest(path.encode(), link_path(secret_key).encode())


def is_needed(session: Session) -> bool:
    """Whether nobody is a superuser, active or not."""
    return not session.scalars(select(select(User.id).where(User.is_superuser).exists())).one()


def create(session: Session, new: NewUser, now: datetime) -> User:
    """Create the first superuser. The caller commits.

    :raises SetUpAlready: there is one, also one that another request has made meanwhile.
    :raises EmailTaken, UsernameTaken: a plain user has this name.
    """
    directory.lock_superusers(session)
    if not is_needed(session):
        raise SetUpAlready
    user = directory.create_user(session, replace(new, is_active=True, is_superuser=True), now)
    recording.record(session, Kind.SUPERUSER_SET_UP, now, user)
    return user
