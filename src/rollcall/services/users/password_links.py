"""Password links: with a one-time link a user sets a password, whether the user had one or not.

An administrator makes links for one user, for a selection, or for all users whom a filter lets through. A link works for seven
days and once; a new link, a new password or a new e-mail address ends it. It does nothing while its user is inactive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, any_, func, literal, select
from sqlalchemy.orm import Session

from rollcall.errors import LinkRefused, OwnPasswordLink, SelectionDiffers, TooManyRows, UserNotFound, ValidationFailed
from rollcall.models import User, UserRecord
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.identity import one_time_links, passwords, rights
from rollcall.services.identity.accounts import Identity
from rollcall.services.identity.one_time_links import LIFETIME, PASSWORD_PURPOSES, Owner, Purpose
from rollcall.services.users import bulk_changes, directory
from rollcall.services.users.bulk_changes import Selection
from rollcall.services.users.new_passwords import SAME_PASSWORD, require_impersonal

AT_MOST: Final = 100_000
"""Links that one request makes."""
DAYS: Final = LIFETIME[Purpose.PASSWORD].days
COLUMNS: Final = ("name", "email", "username", "link", "expires_at")
"""The columns of a file of links."""
_NAMED: Final = 5
_OF_A_RECIPIENT: Final = ("id", "email", "username", "full_name")


@dataclass(frozen=True, slots=True)
class Link:
    """A new link of one user. ``token`` is shown once and kept nowhere."""

    user: UserRecord
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Links:
    """The new links of many users: the token by the user's id."""

    tokens: Mapping[int, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Preview:
    """Who would get a link. Where there are ``too_many``, the other numbers are those of some of them.

    :ivar selected: how many users, without the caller.
    :ivar inactive: how many of them cannot use it until somebody activates them.
    :ivar with_password: how many of them have a password, which stays until they use the link.
    :ivar names: the first few usernames, in their order.
    """

    selected: int
    inactive: int
    with_password: int
    names: Sequence[str]

    @property
    def too_many(self) -> bool:
        return self.selected > AT_MOST


def make(session: Session, user_id: int, by: Identity | None, now: datetime) -> Link:
    """Make a link for one user, which ends the user's previous one. The caller commits.

    :param by: the superuser who makes it; ``None``: the operator.
    :raises OwnPasswordLink: a session alone would be enough to replace one's own password.
    :raises InvalidToken, AccessDenied: ``by`` may no longer change users.
    :raises UserNotFound: no user has this id.
    """
    if by is not None and by.user.id == user_id:
        raise OwnPasswordLink
    by, (user, _) = rights.lock_for_change(session, by, now, user_id, superusers=False)
    if by is not None:
        rights.require_superuser(by)
    token = one_time_links.make(session, [user_id], Purpose.PASSWORD, now)[user_id]
    recording.record(session, Kind.PASSWORD_LINK_MADE, now, user, by=by.user if by else None)
    return Link(user, token, now + LIFETIME[Purpose.PASSWORD])


def preview(session: Session, selection: Selection, by: Identity) -> Preview:
    """Count who would get a link, in one statement that reads ``AT_MOST`` users and one more."""
    chosen = (
        select(User.username, User.is_active, User.password_hash.is_not(None).label("has_password"))
        .where(*_chosen(session, selection, by))
        .limit(AT_MOST + 1)
        .cte("chosen")
        .prefix_with("MATERIALIZED")
    )
    first = select(chosen.c.username).order_by(func.lower(chosen.c.username)).limit(_NAMED).subquery("first")
    row = session.execute(
        select(
            func.count(),
            func.count().filter(~chosen.c.is_active),
            func.count().filter(chosen.c.has_password),
            select(func.array_agg(first.c.username)).scalar_subquery(),
        ).select_from(chosen)
    ).one()
    return Preview(row[0], row[1], row[2], row[3] or [])


def make_many(
    session: Session, selection: Selection, by: Identity | None, now: datetime, *, expected: int | None = None
) -> Links:
    """Make a link for each user of a selection but the caller, or for nobody. The caller commits.

    :param selection: ids, or a filter; its order does not matter.
    :param by: the superuser who makes them; ``None``: the operator.
    :param expected: how many users the selection has to have; ``None``: whoever it is.
    :raises InvalidToken, AccessDenied: ``by`` may no longer change users.
    :raises SelectionDiffers: the selection has another number of users.
    :raises TooManyRows: it has more than ``AT_MOST``.
    """
    if by is not None:
        by = rights.confirm(session, by, now, superuser=True)
    query = select(User.id).where(*_chosen(session, selection, by)).order_by(User.id)
    ids = session.scalars(query.limit(AT_MOST + 1)).all()
    if len(ids) > AT_MOST:
        raise TooManyRows(AT_MOST, session.scalars(select(func.count()).select_from(query.subquery())).one())
    if expected is not None and len(ids) != expected:
        raise SelectionDiffers(len(ids), expected)
    tokens = one_time_links.make(session, ids, Purpose.PASSWORD, now)
    if tokens:
        changes = {"links": len(tokens)}
        recording.record(
            session, Kind.PASSWORD_LINK_MADE, now, changes=changes, by=by.user if by else None, subject_ids=sorted(tokens)
        )
    return Links(tokens, now + LIFETIME[Purpose.PASSWORD])


def recipients(links: Links) -> Select[Any]:
    """Return the id, e-mail address, username and full name of the users of new links, by id."""
    theirs = User.id == any_(literal(list(links.tokens), ARRAY(BigInteger)))
    return select(*(getattr(User, name) for name in _OF_A_RECIPIENT)).where(theirs).order_by(User.id)


def owner(session: Session, token: str, now: datetime) -> Owner:
    """Return the user of a link, without using it.

    :raises LinkRefused: the link does not work.
    """
    return one_time_links.owner(session, token, PASSWORD_PURPOSES, now)


def use(session: Session, token: str, password: str, now: datetime) -> UserRecord:
    """Set the password of a link's user and end the user's sessions. The caller commits.

    :param password: a valid new password (``new_passwords.password``).
    :raises LinkRefused: the link does not work, or no longer: of two uses at once one wins.
    :raises ValidationFailed: the password is made of the user's names, or is the one that has to be changed.
    """
    found = owner(session, token, now)
    require_impersonal(password, (found.username, found.email, found.full_name))
    to_be_changed = session.scalars(
        select(User.password_hash).where(User.id == found.id, User.must_change_password)
    ).one_or_none()
    if to_be_changed is not None and passwords.verify(password, to_be_changed).ok:
        raise ValidationFailed([SAME_PASSWORD])
    hashed = passwords.hash_password(password)  # 25 ms, before any lock
    try:
        _, (user, _) = rights.lock_for_change(session, None, now, found.id, superusers=False)
    except UserNotFound:
        raise LinkRefused from None
    one_time_links.spend(session, token, PASSWORD_PURPOSES, user, now)
    recording.record(session, Kind.PASSWORD_LINK_USED, now, user)
    return directory.replace_password(session, user, hashed, now, by=user)


def _chosen(session: Session, selection: Selection, by: Identity | None) -> list[ColumnElement[bool]]:
    chosen = bulk_changes.selected(session, selection)
    return chosen if by is None else [*chosen, User.id != by.user.id]
