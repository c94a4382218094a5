"""Create, list and revoke API tokens. How a request is identified by one is ``accounts.identify``'s."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, delete, or_, select, text
from sqlalchemy.orm import Session

from rollcall.errors import FieldError, InactiveAccount, TokenNotFound, TooManyTokens
from rollcall.models import ApiToken, User
from rollcall.services import normalization
from rollcall.services.events.kinds import Kind
from rollcall.services.events.origin import Actor
from rollcall.services.events.recording import record
from rollcall.services.identity import accounts, rights, token_format
from rollcall.services.identity.accounts import Identity
from rollcall.services.identity.scopes import ordered

NAME_MAX: Final = 100
DAYS_MAX: Final = 3_650
AT_MOST: Final = 50
"""Tokens of one user. Each has rate limits of its own, so their number is bounded."""
_NOT_IN_A_NAME: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class TokenRecord(NamedTuple):
    """The public fields of an API token, and its owner."""

    id: int
    name: str
    scopes: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    user_id: int
    username: str


class NewToken(NamedTuple):
    """What a token is to be.

    :ivar expires_in_days: ``None``: it does not expire.
    """

    name: str
    scopes: Sequence[str]
    expires_in_days: int | None


_COLUMNS: Final = (
    *(getattr(ApiToken, name) for name in TokenRecord._fields[:-1]),
    User.username,
)
_INSERT: Final = text("""
    INSERT INTO api_tokens (token_hash, user_id, name, scopes, created_at, expires_at)
    SELECT :token_hash, :user_id, :name, CAST(:scopes AS text[]), :now, :expires_at
    WHERE (SELECT count(*) FROM api_tokens WHERE user_id = :user_id) < :at_most
    RETURNING id
""")


def valid_name(value: str) -> str:
    """Check the name of a token.

    :return: the name in Unicode's NFC without surrounding white space.
    :raises FieldError: ``too_short``, ``too_long`` or ``invalid_characters``.
    """
    if len(value) > NAME_MAX:
        raise FieldError("too_long", f"A name has at most {NAME_MAX} characters.")
    if _NOT_IN_A_NAME.search(value):
        raise FieldError("invalid_characters", "A name has no line breaks, control or direction characters.")
    name = normalization.nfc(value.strip())
    if not name:
        raise FieldError("too_short", "Give the token a name by which you know it again.")
    if len(name) > NAME_MAX:  # A few characters exist in NFC only as two or three.
        raise FieldError("too_long", f"A name has at most {NAME_MAX} characters.")
    return name


def create(session: Session, user_id: int, new: NewToken, by: Identity | None, now: datetime) -> tuple[TokenRecord, str]:
    """Create a token of a user. The caller commits.

    :param by: the caller; ``None``: the operator, at the command line. Others create tokens for themselves alone.
    :return: the token's fields, and the token in the clear for the only time.
    :raises InvalidToken: the caller's session has ended since the request began.
    :raises UserNotFound, InactiveAccount: nobody has this id, or a deactivated user.
    :raises TooManyTokens: the user has ``AT_MOST`` tokens.
    """
    _, (owner, _) = rights.lock_for_change(session, by, now, user_id, superusers=False)
    if not owner.is_active:
        raise InactiveAccount
    expired = delete(ApiToken).where(ApiToken.user_id == user_id, ApiToken.expires_at <= now)
    session.execute(expired.execution_options(synchronize_session=False))
    token, granted = token_format.new(), ordered(new.scopes)
    expires_at = None if new.expires_in_days is None else now + timedelta(days=new.expires_in_days)
    values: dict[str, Any] = {"user_id": user_id, "name": new.name, "scopes": granted, "now": now, "expires_at": expires_at}
    values |= {"token_hash": accounts.digest(token), "at_most": AT_MOST}
    token_id = session.execute(_INSERT, values).scalar_one_or_none()
    if token_id is None:
        raise TooManyTokens(AT_MOST)
    told = {"token_id": token_id, "name": new.name, "scopes": granted, "expires_at": expires_at and expires_at.isoformat()}
    record(session, Kind.TOKEN_CREATED, now, Actor(user_id, owner.username), told)
    return TokenRecord(token_id, new.name, granted, now, expires_at, None, user_id, owner.username), token


def of_user(session: Session, user_id: int, now: datetime) -> list[TokenRecord]:
    """Return the tokens of a user that have not ended, the newest first."""
    return _found(session, now, ApiToken.user_id == user_id)


def of_all(session: Session, now: datetime, *, limit: int, before: int | None = None) -> list[TokenRecord]:
    """Return tokens of all users that have not ended, the newest first.

    :param before: only tokens with a smaller id, for the next page.
    """
    return _found(session, now, *([] if before is None else [ApiToken.id < before]), limit=limit)


def revoke(session: Session, token_id: int, by: Identity | None, now: datetime) -> TokenRecord:
    """End a token. The caller commits.

    :param by: the caller; ``None``: the operator, at the command line. Superusers end everybody's, others their own.
    :return: the token, as it was.
    :raises InvalidToken, AccessDenied: ``by`` has lost the right since the request began.
    :raises TokenNotFound: there is no such token, or it is another user's.
    """
    found = session.execute(_query(ApiToken.id == token_id)).one_or_none()
    token = None if found is None else TokenRecord(*found)
    if token is None or not (by is None or by.user.is_superuser or by.user.id == token.user_id):
        if by is not None:
            rights.confirm(session, by, now)
        raise TokenNotFound(token_id)
    if by is not None:
        rights.confirm_and_lock(session, by, now, token.user_id)
    ended = session.execute(delete(ApiToken).where(ApiToken.id == token_id).execution_options(synchronize_session=False))
    if ended.rowcount != 1:  # type: ignore[attr-defined]
        raise TokenNotFound(token_id)
    about = {"token_id": token_id, "name": token.name}
    record(session, Kind.TOKEN_REVOKED, now, Actor(token.user_id, token.username), about)
    return token


def _found(session: Session, now: datetime, *conditions: ColumnElement[bool], limit: int | None = None) -> list[TokenRecord]:
    valid = or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now)
    query = _query(valid, *conditions).order_by(ApiToken.id.desc()).limit(limit)
    return [TokenRecord(*row) for row in session.execute(query)]


def _query(*conditions: ColumnElement[bool]) -> Any:
    return select(*_COLUMNS).join(User, User.id == ApiToken.user_id).where(*conditions)
