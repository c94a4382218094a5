"""Recording log-ins that were not successful; the edges call this after the attempt's own transaction has ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from rollcall.models import SecurityEvent, User
from rollcall.services.events import origin as origins
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.events.origin import Actor
from rollcall.services.identity import accounts

REFUSALS_PER: Final = timedelta(minutes=5)
"""One event tells of all refusals of an account at one client network within this time: a flood does not fill the trail."""


def record_failure(session: Session, username: str, reason: str, now: datetime) -> None:
    """Record a failed log-in. The caller commits.

    What was typed is not recorded where it names nobody: people type passwords there. Both cases take as long.

    :param reason: ``credentials``, ``inactive`` or ``password_change_required``.
    """
    recording.record(session, Kind.LOGIN_FAILED, now, _account(session, username), {"reason": reason})


def record_refusal(session: Session, username: str | None, now: datetime) -> None:
    """Record a log-in that a rate limit refused, unless the trail tells of one like it. The caller commits.

    :param username: what was typed, where the request was read that far.
    """
    account = _account(session, username) if username is not None else None
    address = origins.of(session).address
    like_it = select(SecurityEvent.id).where(
        SecurityEvent.type == str(Kind.LOGIN_REFUSED),
        SecurityEvent.at > now - REFUSALS_PER,
        SecurityEvent.subject_id.is_not_distinct_from(account.id if account else None),
        SecurityEvent.address.op("<<=", is_comparison=True)(_network(address)) if address else SecurityEvent.address.is_(None),
    )
    if session.execute(like_it.limit(1)).first() is None:
        recording.record(session, Kind.LOGIN_REFUSED, now, account)


def _account(session: Session, username: str) -> Actor | None:
    if not accounts.can_be_stored(username):
        return None
    found = session.execute(select(User.id, User.username).where(accounts.named(username))).one_or_none()
    return Actor(found.id, found.username) if found else None


def _network(address: str) -> str:
    """Return an IPv4 address, or the /64 of an IPv6 one."""
    parsed = ip_address(address)
    return str(ip_network((address, 64 if parsed.version == 6 else 32), strict=False))
