"""Activating and deactivating many users at once, or none: counted first, then done exactly as counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, delete, func, literal, select, update
from sqlalchemy.orm import Session

from rollcall.errors import SelectionChanged
from rollcall.models import User, UserSession
from rollcall.models.user import VERSION_STEP
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.events.origin import Actor
from rollcall.services.identity import accounts, rights
from rollcall.services.identity.accounts import Identity
from rollcall.services.search import search_index, user_search
from rollcall.services.search.user_search import UserFilter
from rollcall.services.users import operations
from rollcall.services.users.operations import OperationKind

# A change rewrites the user's entry in every index, the large ones of the search among them: 100,000 users take from ten
# seconds to a minute, in which nobody else can deactivate anybody. More would be longer than anybody can be kept waiting.
AT_MOST = 100_000
# As many as a page of the list has at the most.
SELECTED_AT_MOST = 100

_NAMED = 5
# From so many rows on it pays to put their entries into the index of the search together.
_MANY = 1_000

Selection = tuple[int, ...] | UserFilter
"""Whom a change is about: the users with these ids, or all whom the filter lets through. Its order does not matter."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do. Where there are ``too_many``, the other numbers are those of some of them.

    :ivar selected: how many users the selection has, including the caller.
    :ivar changing: how many of them would change.
    :ivar superusers: how many of those are superusers.
    :ivar sessions: how many sessions would end.
    :ivar own: whether the caller is selected, and so is skipped.
    :ivar names: the usernames of the first few that would change, in their order.
    """

    selected: int
    changing: int
    superusers: int
    sessions: int
    own: bool
    names: Sequence[str]

    @property
    def too_many(self) -> bool:
        return self.selected > AT_MOST


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change has done.

    :ivar ids: of the users who were in the other state before.
    :ivar username: of the one, where it is one.
    :ivar sessions: how many sessions were ended.
    :ivar operation_id: under which the change can be undone; ``None``: nobody or one user was changed.
    """

    ids: Sequence[int]
    username: str | None
    sessions: int
    operation_id: int | None = None


def preview(session: Session, selection: Selection, by: Identity, now: datetime, *, is_active: bool) -> Preview:
    """Count what a change would do, exactly, in one statement that reads ``AT_MOST`` users and one more.

    :param by: the caller, who is never changed.
    :param is_active: the state to come.
    """
    chosen = (
        select(User.id, User.username, User.is_active, User.is_superuser)
        .where(*selected(session, selection))
        .limit(AT_MOST + 1)
        .cte("chosen")
        .prefix_with("MATERIALIZED")
    )
    changes = (chosen.c.is_active != is_active) & (chosen.c.id != by.user.id)
    changing = select(chosen).where(changes).cte("changing")
    first = select(changing.c.username).order_by(func.lower(changing.c.username)).limit(_NAMED).subquery("first")
    open_sessions = select(func.count()).select_from(UserSession).where(UserSession.expires_at > now)
    row = session.execute(
        select(
            func.count(),
            func.count().filter(changes),
            func.count().filter(changes, chosen.c.is_superuser),
            literal(0) if is_active else open_sessions.where(UserSession.user_id.in_(select(changing.c.id))).scalar_subquery(),
            func.coalesce(func.bool_or(chosen.c.id == by.user.id), False),
            select(func.array_agg(first.c.username)).scalar_subquery(),
        ).select_from(chosen)
    ).one()
    return Preview(row[0], row[1], row[2], row[3], row[4], row[5] or [])


def change(
    session: Session,
    selection: Selection,
    by: Identity,
    now: datetime,
    *,
    is_active: bool,
    expected: int | None = None,
    unchanged_since: datetime | None = None,
) -> Changed:
    """Set ``is_active`` for all selected users. Skips users who already have that status, and the caller. The caller commits.

    The caller is an active superuser and stays one, so one is left whoever else is deactivated. The superusers' lock holds
    that, and lets one such change run at a time: two could otherwise wait for each other's rows. Sessions end with it.

    :param is_active: the state to come.
    :param expected: how many users are to change; ``None``: whoever it is, for a selection by ids.
    :param unchanged_since: only users whom nobody has changed since. The change is an undo, which is no operation of its own.
    :raises InvalidToken, AccessDenied: ``by`` may no longer change users.
    :raises SelectionChanged: it would be another number by now, or too many.
    """
    rights.lock_superusers(session)
    rights.confirm(session, by, now, superuser=True)
    if not is_active:
        # Superusers may have a request under way that holds their own row and waits for one of the others: they come first.
        theirs = select(User.id).where(*selected(session, selection), User.is_superuser, User.is_active, User.id != by.user.id)
        session.execute(theirs.order_by(User.id).with_for_update(key_share=True))
    if expected is not None:
        seen = preview(session, selection, by, now, is_active=is_active)
        if seen.too_many or seen.changing != expected:
            raise SelectionChanged
        if expected > _MANY:
            search_index.gather(session)
    unchanged = [] if unchanged_since is None else [User.updated_at <= unchanged_since]
    rows = session.execute(
        update(User)
        .where(*selected(session, selection), *unchanged, User.is_active != is_active, User.id != by.user.id)
        .values(is_active=is_active, updated_at=func.greatest(now, User.updated_at + VERSION_STEP))
        .returning(User.id, User.username)
        .execution_options(synchronize_session=False)
    ).all()
    if expected is not None and len(rows) != expected:
        raise SelectionChanged
    ids = [row.id for row in rows]
    if ids:
        one = Actor(rows[0].id, rows[0].username) if len(rows) == 1 else None
        changes = {"is_active": [not is_active, is_active]}
        recording.record(session, Kind.USERS_CHANGED, now, one, changes, by=by.user, subject_ids=None if one else sorted(ids))
    operation_id = None
    if len(ids) > 1 and unchanged_since is None:
        kind = OperationKind.ACTIVATE if is_active else OperationKind.DEACTIVATE
        operation_id = operations.record(session, kind, now, by.user, ids)
    # A statement of its own: only so it sees the sessions of those who logged in while the one before waited for them.
    sessions = 0 if is_active else _end_sessions(session, ids, now)
    if len(rows) > _MANY:
        search_index.settle(session)
    return Changed(ids, rows[0].username if len(rows) == 1 else None, sessions, operation_id)


def selected(session: Session, selection: Selection) -> list[ColumnElement[bool]]:
    if isinstance(selection, UserFilter):
        return user_search.conditions(session, selection)
    return [User.id == any_(literal(list(selection), ARRAY(BigInteger)))]


def _end_sessions(session: Session, user_ids: list[int], now: datetime) -> int:
    """End all sessions and API tokens of these users.

    :return: how many of the sessions were still open.
    """
    accounts.end_tokens(session, user_ids)
    theirs = UserSession.user_id == any_(literal(user_ids, ARRAY(BigInteger)))
    ended: Any = session.execute(
        delete(UserSession).where(theirs).returning(UserSession.expires_at).execution_options(synchronize_session=False)
    )
    return sum(expires > now for expires in ended.scalars())
