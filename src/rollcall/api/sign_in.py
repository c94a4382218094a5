"""Logging in and typing one's own password again, with failures counted; for the REST interface and the pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rollcall.api import client, log_ins
from rollcall.api.client import transaction
from rollcall.errors import DatabaseUnavailable, RollcallError, TooManyFailures, ValidationFailed
from rollcall.infra import rate_limit, runtime
from rollcall.infra.database import session
from rollcall.services.identity import accounts, attempts
from rollcall.services.identity.attempts import Account, Attempt


def log_in(username: str, password: str, replaces: str | None = None) -> str:
    """Open a session and return its token.

    :param replaces: the token of a session that ends with this log-in.
    :raises TooManyFailures: before the password is looked at.
    :raises InvalidCredentials, InactiveAccount: see ``accounts.log_in``.
    """
    with log_ins.recorded(username):
        return _log_in(username, password, replaces)


def _log_in(username: str, password: str, replaces: str | None) -> str:
    device, now = client.device(), runtime.now()
    account, user = attempts.find_account(session(), username, device.network, now)
    attempt = _count(account) if runtime.settings().rate_limit_enabled else None
    with transaction() as work:
        token = accounts.open_session(work, user, password, device=device, now=now, lifetime=lifetime())
        accounts.end_token(work, replaces, now)
        if attempt is not None:
            attempts.remember(work, account, now)
    if attempt is not None:
        attempts.take_back(session(), attempt, passed=True)
        rate_limit.tell(attempts.PER_WINDOW, attempt.remaining + 1, attempt.resets_at)
    return token


def lifetime() -> timedelta:
    """How long a new session lasts."""
    return timedelta(minutes=runtime.settings().session_minutes)


@contextmanager
def own_password(changes: Mapping[str, Any], user_id: int, own_id: int) -> Iterator[None]:
    """Limit guesses at ``current_password``, around the transaction that checks it: like log-ins, and ten a minute.

    :param changes: what a user wants to change.
    :param user_id: whose details these are.
    :param own_id: the caller.
    :raises TooManyFailures: before the password is looked at.
    """
    if "current_password" not in changes or user_id != own_id or not runtime.settings().rate_limit_enabled:
        yield
        return
    with rate_limit.own_password():
        attempt = _count(attempts.own_account(session(), own_id, client.device().network, runtime.now()))
        try:
            yield
        except RollcallError as error:
            if not _may_be_wrong_password(error):
                attempts.take_back(session(), attempt, passed=False)
            raise
        # Without a reset of the counters: a change that needs no password passes with any, and would undo the failures before.
        attempts.take_back(session(), attempt, passed=False)


def _may_be_wrong_password(error: RollcallError) -> bool:
    if isinstance(error, ValidationFailed):
        return any(problem.type == "wrong_password" for problem in error.problems)
    return isinstance(error, DatabaseUnavailable)


def guess_at_link(kind: str) -> None:
    """Count a link that does not work, for each client network.

    :param kind: such as ``set-up link``; each has a counter of its own, beside the network's.

    :raises TooManyFailures: there were too many.
    """
    if runtime.settings().rate_limit_enabled:
        _count(Account(None, kind, client.device().network))


def _count(account: Account) -> Attempt:
    try:
        attempt = attempts.count(session(), account, runtime.now())
    except TooManyFailures as error:
        rate_limit.tell(error.limit, 0, error.resets_at)
        raise
    rate_limit.tell(attempts.PER_WINDOW, attempt.remaining, attempt.resets_at)
    return attempt
