"""Signing in and out: opaque tokens, of which the database keeps only the SHA-256 (OWASP Session Management)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Row, and_, any_, bindparam, delete, literal, or_, select, text, update
from sqlalchemy.orm import Session

from rollcall.errors import (
    DatabaseUnavailable,
    InactiveAccount,
    InvalidCredentials,
    InvalidToken,
    PasswordChangeDue,
    SessionNotFound,
)
from rollcall.infra import reading
from rollcall.models import ApiToken, User, UserSession
from rollcall.models.user import EMAIL_KEY, USERNAME_KEY, name_key
from rollcall.services import normalization
from rollcall.services.events.kinds import Kind
from rollcall.services.events.origin import Actor, Person
from rollcall.services.events.recording import record
from rollcall.services.identity import passwords, token_format
from rollcall.services.identity.devices import Device
from rollcall.services.normalization import is_storable

TOKEN_BYTES = 32
# Expired sessions are removed at log-in, a few at a time, so that no job is needed for it.
_SWEEP_AT_MOST = 100
# As typed: a code point in NFC may have been four, and an address has 254.
NAME_MAX = 4 * 254


class Caller(NamedTuple):
    """Who makes a request: what every request has to know, and no more, since it is looked up for each."""

    id: int
    username: str
    is_superuser: bool


class Token(NamedTuple):
    """The API token of a request, and what it opens."""

    id: int
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller and the caller's session or API token, as they were when the request began.

    :ivar session_id: ``None`` with a token.
    :ivar token: ``None`` with a session.
    """

    user: Caller
    session_id: int | None
    token: Token | None = None


def named(name: str) -> ColumnElement[bool]:
    """Return the condition that finds a user by username or e-mail address, however it is spelled (``normalization``)."""
    key = EMAIL_KEY if "@" in name else USERNAME_KEY  # a username with an @ is the same user's e-mail address
    return key == name_key(normalization.name(name))


def look_up(session: Session, username: str, *columns: Any) -> Row[Any] | None:
    """Return what :func:`open_session` needs of the user that a log-in names, and further columns.

    :return: ``None`` if nobody has this username or e-mail address.
    """
    if not can_be_stored(username):
        return None
    own = (User.id, User.username, User.password_hash, User.is_active, User.never_logged_in, User.must_change_password)
    query = select(*own, *columns)
    return session.execute(query.where(named(username))).one_or_none()


def log_in(session: Session, username: str, password: str, *, device: Device, now: datetime, lifetime: timedelta) -> str:
    """Check a password and open a session.

    An unknown name takes as long as a wrong password. A hash of another kind is replaced by ours. The session is only
    made if the user is still active and has still the hash that was verified: whatever ended the sessions meanwhile
    ends this one, too. The caller commits.

    :param username: the username, or the e-mail address.
    :param device: what the session is told apart by from the user's other ones.
    :return: the access token, in the clear for the only time.
    :raises InvalidCredentials: unknown name or wrong password.
    :raises InactiveAccount: the right password of a deactivated user.
    :raises PasswordChangeDue: the right password of a user who first has to replace it.
    """
    user = look_up(session, username)
    return open_session(session, user, password, device=device, now=now, lifetime=lifetime)


# Opens the session and sets the time of the last log-in, in one round trip. At a first log-in a trigger updates the user's row,
# which is locked for that here: of two first log-ins at once the second waits. Other log-ins of one user at once wait for each
# other at the row of ``user_logins``.
_OPEN = """
    WITH valid AS (
        SELECT id FROM users WHERE id = :user_id AND is_active AND password_hash = :stored FOR {lock}
    ), logged_in AS (
        INSERT INTO user_logins (user_id, last_login_at) SELECT id, :now FROM valid
        ON CONFLICT (user_id) DO UPDATE SET last_login_at = greatest(user_logins.last_login_at, excluded.last_login_at)
    )
    INSERT INTO sessions (user_id, token_hash, created_at, expires_at, address, user_agent)
    SELECT id, :token_hash, :now, :expires_at, CAST(:address AS inet), :user_agent FROM valid
"""
_OPEN_SESSION = text(_OPEN.format(lock="SHARE"))
_OPEN_FIRST_SESSION = text(_OPEN.format(lock="NO KEY UPDATE"))


def open_session(
    session: Session, user: Row[Any] | None, password: str, *, device: Device, now: datetime, lifetime: timedelta
) -> str:
    """Check the password of a user who was looked up already: the rest of :func:`log_in`."""
    verdict = passwords.verify(password, user.password_hash if user else None)
    if user is None or not verdict.ok:
        raise InvalidCredentials
    if not user.is_active:
        raise InactiveAccount
    if user.must_change_password:
        raise PasswordChangeDue
    stored = user.password_hash
    # bcrypt reads 72 bytes: a longer password than ours may be can be right here, but never against a hash of ours.
    if verdict.needs_rehash and len(password) <= passwords.LONGEST:
        fresh = passwords.hash_password(password)
        unchanged = and_(User.id == user.id, User.password_hash == stored)
        if session.execute(update(User).where(unchanged).values(password_hash=fresh)).rowcount:  # type: ignore[attr-defined]
            stored = fresh
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {"token_hash": digest(token), "expires_at": now + lifetime, "address": device.address}
    values |= {"user_id": user.id, "stored": stored, "now": now, "user_agent": device.user_agent}
    statement = _OPEN_FIRST_SESSION if user.never_logged_in else _OPEN_SESSION
    if session.execute(statement, values).rowcount != 1:  # type: ignore[attr-defined]
        raise InvalidCredentials
    record(session, Kind.LOGIN_SUCCEEDED, now, Actor(user.id, user.username))
    _sweep(session, now)
    return token


def _identifying(kind: type[UserSession | ApiToken], valid: ColumnElement[bool], *columns: Any) -> reading.Statement:
    """Return the first query of every request, for one kind of token."""
    fields = (getattr(User, name) for name in Caller._fields)
    query = select(*fields, kind.id, *columns).join(kind, kind.user_id == User.id)
    return reading.Statement(query.where(kind.token_hash == bindparam("digest"), valid, User.is_active), prepared=True)


_WIDTH: Final = len(Caller._fields)
_BY_SESSION: Final = _identifying(UserSession, UserSession.expires_at > bindparam("now"))
_BY_API_TOKEN: Final = _identifying(
    ApiToken,
    or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > bindparam("now")),
    ApiToken.scopes,
    ApiToken.last_used_at,
)
# SKIP LOCKED: whoever holds the row is writing the same, or ending the token.
_TOKEN_USED: Final = reading.Statement(
    text("""
        UPDATE api_tokens SET last_used_at = :now WHERE id = (
            SELECT id FROM api_tokens WHERE id = :id AND (last_used_at IS NULL OR last_used_at <= :before)
            FOR NO KEY UPDATE SKIP LOCKED
        )
    """)
)
_USED_EVERY: Final = timedelta(minutes=1)


def identify(session: Session, token: str, now: datetime) -> Identity:
    """Return the active user of a session's token or an API token, in one indexed query.

    The use of an API token is written at most once a minute, in a transaction of its own.

    :raises InvalidToken: unknown, expired or revoked, or the user is not active any more.
    """
    if not token_format.is_api_token(token):
        found = reading.rows(session, _BY_SESSION, digest=digest(token), now=now)
        if not found:
            raise InvalidToken
        return Identity(Caller(*found[0][:_WIDTH]), found[0][_WIDTH])
    found = reading.rows(session, _BY_API_TOKEN, digest=digest(token), now=now) if token_format.is_intact(token) else []
    if not found:
        raise InvalidToken
    *user, token_id, scopes, last_used_at = found[0]
    if last_used_at is None or last_used_at <= now - _USED_EVERY:
        # On a server that can only be read, reads go on without it.
        with suppress(DatabaseUnavailable):
            reading.rows(session, _TOKEN_USED, id=token_id, now=now, before=now - _USED_EVERY)
    return Identity(Caller(*user), None, Token(token_id, frozenset(scopes)))


def log_out(session: Session, identity: Identity, now: datetime, *, everywhere: bool = False) -> None:
    """End this session, or all of the user's. The caller commits."""
    condition = UserSession.user_id == identity.user.id if everywhere else UserSession.id == identity.session_id
    session.execute(delete(UserSession).where(condition))
    record(session, Kind.LOGOUT, now, identity.user, {"everywhere": True} if everywhere else None)


def open_sessions(session: Session, user_id: int, now: datetime) -> Sequence[UserSession]:
    """Return the sessions of a user that have not ended, the newest first."""
    query = select(UserSession).where(UserSession.user_id == user_id, UserSession.expires_at > now)
    return session.scalars(query.order_by(UserSession.id.desc())).all()


def end_session(session: Session, user_id: int, session_id: int, now: datetime) -> None:
    """End one session of a user. The caller commits.

    :raises SessionNotFound: this user has no such session, or it has ended already.
    """
    theirs = (UserSession.id == session_id, UserSession.user_id == user_id, User.id == UserSession.user_id)
    ended = session.execute(
        delete(UserSession).where(*theirs).returning(User.username).execution_options(synchronize_session=False)
    ).one_or_none()
    if ended is None:
        raise SessionNotFound(session_id)
    record(session, Kind.SESSION_ENDED, now, Actor(user_id, ended.username), {"sessions": 1})


def end_token(session: Session, token: str | None, now: datetime) -> None:
    """End the session of a token, if there is one, and record it. The caller commits."""
    if token is None:
        return
    theirs = (UserSession.token_hash == digest(token), User.id == UserSession.user_id)
    ended = session.execute(
        delete(UserSession).where(*theirs).returning(User.id, User.username).execution_options(synchronize_session=False)
    ).one_or_none()
    if ended is not None:
        record(session, Kind.SESSION_ENDED, now, Actor(ended.id, ended.username), {"sessions": 1})


def end_other_sessions(session: Session, user: Person, now: datetime, *, keep: int | None = None) -> None:
    """End all sessions of a user, but for the one with the id ``keep``, and record it. The caller commits."""
    ended = end_sessions(session, user.id, keep=keep)
    record(session, Kind.SESSION_ENDED, now, user, {"sessions": ended})


def end_sessions(session: Session, user_id: int | None, *, keep: int | None = None) -> int:
    """End all sessions of a user, but for the one with the id ``keep``, as a part of another change. The caller commits.

    :return: how many ended.
    """
    query = delete(UserSession).where(UserSession.user_id == user_id)
    if keep is not None:
        query = query.where(UserSession.id != keep)
    ended: int = session.execute(query).rowcount  # type: ignore[attr-defined]
    return ended


def end_tokens(session: Session, user_ids: Sequence[int]) -> None:
    """End all API tokens of users who are deactivated, as a part of that change. The caller commits."""
    theirs = ApiToken.user_id == any_(literal(list(user_ids), ARRAY(BigInteger)))
    session.execute(delete(ApiToken).where(theirs).execution_options(synchronize_session=False))


def can_be_stored(name: str) -> bool:
    """Return whether a name could be a user's; any other one cannot even be looked up."""
    return len(name.strip()) <= NAME_MAX and is_storable(name)


def _sweep(session: Session, now: datetime) -> None:
    expired = select(UserSession.id).where(UserSession.expires_at <= now).limit(_SWEEP_AT_MOST).with_for_update(skip_locked=True)
    session.execute(delete(UserSession).where(UserSession.id.in_(expired)))


def digest(token: str) -> bytes:
    # A random token of 256 bits needs no salt and no slow hash. Lone surrogates, which a header may hold, pass as bytes.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
