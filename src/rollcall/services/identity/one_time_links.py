"""One-time links: random tokens of 256 bits that their user brings back once. The database keeps only the SHA-256 of a token.

A user has at most one link for each purpose, so a new link ends the previous one. The unique row is what decides a race: of two
uses at once one deletes it, and a new link replaces the digest that a late use looks for.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from rollcall.errors import LinkRefused
from rollcall.models import OneTimeLink, User, UserRecord

TOKEN_BYTES: Final = 32
# Of one statement: enough that round trips do not matter, and few enough that a deadline can end the work in between.
_BATCH: Final = 1_000
_SWEEP_AT_MOST: Final = 100


class Purpose(StrEnum):
    """What a link is for."""

    PASSWORD = "password"  # noqa: S105  (the name of a purpose)
    FORGOT = "forgot"
    EMAIL = "email"


LIFETIME: Final = {Purpose.PASSWORD: timedelta(days=7), Purpose.FORGOT: timedelta(days=1), Purpose.EMAIL: timedelta(days=1)}
PASSWORD_PURPOSES: Final = (Purpose.PASSWORD, Purpose.FORGOT)
"""A link that anybody may ask for by mail is one of its own: it does not end the link that an administrator has made."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The active user of a link that works, and the address that the link confirms, if it is for one."""

    id: int
    email: str
    username: str
    full_name: str | None
    new_email: str | None


# All rows are locked first, in the order of ids: nobody is deleted meanwhile, and two batches never wait for each other.
_MAKE: Final = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:hashes AS bytea[])) AS given (user_id, token_hash)
    ), locked AS (
        SELECT users.id, given.token_hash FROM given JOIN users ON users.id = given.user_id
        ORDER BY users.id FOR KEY SHARE OF users
    )
    INSERT INTO one_time_links (user_id, purpose, token_hash, email, created_at, expires_at)
    SELECT id, :purpose, token_hash, :email, :now, :expires_at FROM locked
    ON CONFLICT (user_id, purpose) DO UPDATE SET token_hash = excluded.token_hash, email = excluded.email,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    RETURNING user_id
""")


def make(
    session: Session,
    user_ids: Sequence[int],
    purpose: Purpose,
    now: datetime,
    *,
    email: str | None = None,
    lifetime: timedelta | None = None,
) -> dict[int, str]:
    """Make a link for each of these users, which ends their previous ones. The caller commits.

    :param email: the address that the link confirms.
    :param lifetime: by default that of the purpose.
    :return: the token of each user who exists, in the clear for the only time.
    """
    made: dict[int, str] = {}
    ids = sorted(user_ids)
    expires_at = now + (lifetime or LIFETIME[purpose])
    for start in range(0, len(ids), _BATCH):
        tokens = {user_id: secrets.token_urlsafe(TOKEN_BYTES) for user_id in ids[start : start + _BATCH]}
        hashes = [digest(token) for token in tokens.values()]
        values = {"purpose": str(purpose), "email": email, "now": now, "expires_at": expires_at}
        found = session.execute(_MAKE, {"ids": list(tokens), "hashes": hashes, **values}).scalars()
        made |= {user_id: tokens[user_id] for user_id in found}
    _sweep(session, now)
    return made


def owner(session: Session, token: str, purposes: Sequence[Purpose], now: datetime) -> Owner:
    """Return the user of a link without using it.

    :raises LinkRefused: the link does not work.
    """
    query = select(User.id, User.email, User.username, User.full_name, OneTimeLink.email).join(
        OneTimeLink, OneTimeLink.user_id == User.id
    )
    works = (OneTimeLink.token_hash == digest(token), OneTimeLink.purpose.in_(purposes), OneTimeLink.expires_at > now)
    found = session.execute(query.where(*works, User.is_active)).one_or_none()
    if found is None:
        raise LinkRefused
    return Owner(*found)


def spend(session: Session, token: str, purposes: Sequence[Purpose], user: UserRecord, now: datetime) -> None:
    """Use a link of a user whose row the transaction has locked. The caller commits.

    :raises LinkRefused: it was used or replaced meanwhile, or its user was deactivated.
    """
    spent = session.execute(
        delete(OneTimeLink)
        .where(
            OneTimeLink.token_hash == digest(token),
            OneTimeLink.purpose.in_(purposes),
            OneTimeLink.user_id == user.id,
            OneTimeLink.expires_at > now,
        )
        .execution_options(synchronize_session=False)
    )
    if spent.rowcount != 1 or not user.is_active:  # type: ignore[attr-defined]
        raise LinkRefused


def end(session: Session, user_id: int) -> None:
    """End all links of a user whose password or address has changed. The caller commits."""
    session.execute(delete(OneTimeLink).where(OneTimeLink.user_id == user_id).execution_options(synchronize_session=False))


def digest(token: str) -> bytes:
    # A random token of 256 bits needs no salt and no slow hash. Lone surrogates, which a form may hold, pass as bytes.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _sweep(session: Session, now: datetime) -> None:
    """Remove some expired links, so that no job is needed for it."""
    hashes = select(OneTimeLink.token_hash).where(OneTimeLink.expires_at <= now).limit(_SWEEP_AT_MOST)
    expired = OneTimeLink.token_hash.in_(hashes.with_for_update(skip_locked=True))
    session.execute(delete(OneTimeLink).where(expired).execution_options(synchronize_session=False))
