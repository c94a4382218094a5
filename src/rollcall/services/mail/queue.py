"""The queue of mails: written in the transaction of what a mail tells, taken by one loop or many, each mail by one at a time.

What is promised: a mail whose transaction committed is tried until a server has accepted it, refused it for good, or its link has
expired. A mail is claimed by moving its time on in a transaction of its own (``SKIP LOCKED``), and marked as sent in another one
after the server has accepted it. If the process dies between these two, nobody knows whether the server has accepted it. Then it
is sent once more when the claim lapses, with the same Message-ID, by which receivers can tell that it is the same mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from rollcall.infra.sealing import Cipher
from rollcall.models import Mail

LEASE: Final = timedelta(minutes=10)
"""How long a claim holds: much longer than one try may take."""
_PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 1800, 3600))
"""Between tries; the last one repeats."""
_KEPT_FOR: Final = timedelta(days=30)
_SWEPT_AT_ONCE: Final = 1_000
_BATCH: Final = 1_000


class MailKind(StrEnum):
    """What a mail is about; each has a template of its name."""

    PASSWORD_LINK = "password_link"  # noqa: S105  (the name of a kind)
    FORGOT_PASSWORD = "forgot_password"  # noqa: S105
    CONFIRM_EMAIL = "confirm_email"


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail that is this process's to try until the claim lapses."""

    id: int
    kind: MailKind
    user_id: int | None
    address: str
    secret: str | None
    created_at: datetime
    expires_at: datetime
    attempts: int


_ADD: Final = text("""
    INSERT INTO mails (kind, user_id, address, secret, created_at, expires_at, due_at)
    SELECT :kind, users.id, users.email, given.secret, :now, :expires_at, :now
    FROM unnest(CAST(:ids AS bigint[]), CAST(:secrets AS text[])) AS given (user_id, secret)
    JOIN users ON users.id = given.user_id AND users.is_active
    ORDER BY users.id
""")


def add(
    session: Session, kind: MailKind, tokens: Mapping[int, str], cipher: Cipher, *, now: datetime, expires_at: datetime
) -> int:
    """Queue a mail with a link to each of these users who is active, to the user's address. The caller commits.

    :param tokens: the secret of each link by the user's id. It is kept encrypted until the mail is sent.
    :param expires_at: when the links expire, and the mails with them.
    :return: how many mails.
    """
    ids, queued = list(tokens), 0
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        secrets = [cipher.seal(tokens[user_id]) for user_id in batch]
        values = {"kind": str(kind), "ids": batch, "secrets": secrets, "now": now, "expires_at": expires_at}
        queued += session.execute(_ADD, values).rowcount  # type: ignore[attr-defined]
    return queued


def add_to_address(
    session: Session,
    kind: MailKind,
    address: str,
    now: datetime,
    expires_at: datetime,
    *,
    user_id: int | None = None,
    secret: str | None = None,
) -> None:
    """Queue a mail to an address, which may be nobody's. The caller commits."""
    values = {"address": address, "created_at": now, "due_at": now, "expires_at": expires_at}
    session.add(Mail(kind=str(kind), user_id=user_id, secret=secret, **values))
    session.flush()


_CLAIM: Final = text("""
    UPDATE mails SET due_at = :lease_ends, attempts = attempts + 1
    WHERE id = (
        SELECT id FROM mails WHERE sent_at IS NULL AND failed_at IS NULL AND due_at <= :now
        ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id, kind, user_id, address, secret, created_at, expires_at, attempts
""")


def claim(session: Session, now: datetime) -> Claim | None:
    """Take the mail that has been due for longest; None: nothing is due. The caller commits before it sends."""
    row = session.execute(_CLAIM, {"now": now, "lease_ends": now + LEASE}).one_or_none()
    return Claim(row.id, MailKind(row.kind), *row[2:]) if row else None


def waits_until(session: Session) -> datetime | None:
    """Return when the next mail is due; None: no mail waits."""
    waiting = select(Mail.due_at).where(Mail.sent_at.is_(None), Mail.failed_at.is_(None))
    return session.scalars(waiting.order_by(Mail.due_at, Mail.id).limit(1)).one_or_none()


def mark_sent(session: Session, mail_id: int, now: datetime) -> None:
    """Note that a server has accepted a mail. The caller commits."""
    _update(session, mail_id, sent_at=now, secret=None, error=None)


def mark_failed(session: Session, mail_id: int, error: str, now: datetime) -> None:
    """Give a mail up. The caller commits.

    :param error: a few words; never what a server said, which may repeat the mail.
    """
    _update(session, mail_id, failed_at=now, secret=None, error=error)


def postpone(session: Session, mail: Claim, error: str, now: datetime) -> datetime:
    """Let a mail be tried again after a pause, which grows. The caller commits.

    :return: when it is tried again.
    """
    due_at = now + _PAUSES[min(mail.attempts, len(_PAUSES)) - 1]
    _update(session, mail.id, due_at=due_at, error=error)
    return due_at


def drop(session: Session, mail_id: int) -> None:
    """Remove a mail that is for nobody. The caller commits."""
    session.execute(text("DELETE FROM mails WHERE id = :id"), {"id": mail_id})


_SWEEP: Final = text("""
    DELETE FROM mails WHERE id IN (
        SELECT id FROM mails WHERE created_at <= :before AND (sent_at IS NOT NULL OR failed_at IS NOT NULL)
        ORDER BY created_at LIMIT :most FOR UPDATE SKIP LOCKED)
""")


def sweep(session: Session, now: datetime) -> None:
    """Forget old mails that no longer wait, some at a time. The caller commits."""
    session.execute(_SWEEP, {"before": now - _KEPT_FOR, "most": _SWEPT_AT_ONCE})


def _update(session: Session, mail_id: int, **values: object) -> None:
    waiting = (Mail.id == mail_id, Mail.sent_at.is_(None), Mail.failed_at.is_(None))
    session.execute(update(Mail).where(*waiting).values(**values).execution_options(synchronize_session=False))
