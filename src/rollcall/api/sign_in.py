"""Logging in and typing one's own password again, with failures counted; for the REST interface and the pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rollcall.api import client, log_ins
from rollcall.api.client import transaction
from rollcall.errors import (
    DatabaseUnavailable,
    InvalidCredentials,
    PasswordChangeDue,
    RollcallError,
    TooManyFailures,
    ValidationFailed,
)
from rollcall.infra import rate_limit, runtime
from rollcall.infra.database import session
from rollcall.services.identity import accounts, attempts, passwords
from rollcall.services.identity.attempts import Account, Attempt
from rollcall.services.users import due_passwords
from rollcall.services.users.password_links import Link


def log_in(username: str, password: str, new_password: str | None = None) -> str:
    """Open a session and return its token.

    :param new_password: replaces the password, where that is asked of the user.
    :raises TooManyFailures: before the password is looked at.
    :raises InvalidCredentials, InactiveAccount, PasswordChangeDue: see ``accounts.log_in``.
    :raises ValidationFailed: the new password will not do.
    """
    with log_ins.recorded(username):
        return _log_in(username, password, new_password=new_password)


def log_in_or_link(username: str, password: str, replaces: str | None) -> str | Link:
    """Open a session and return its token; or a link to set a password, where a new one is asked of the user.

    :param replaces: the token of a session that ends with this log-in.
    :raises TooManyFailures, InvalidCredentials, InactiveAccount: as :func:`log_in`.
    """
    with log_ins.recorded(username):
        try:
            return _log_in(username, password, replaces=replaces)
        except PasswordChangeDue:
            with transaction() as work:
                user = accounts.look_up(work, username)
                if user is None or not passwords.verify(password, user.password_hash).ok:
                    raise InvalidCredentials from None
                return due_passwords.make_link(work, user, runtime.now())


def _log_in(username: str, password: str, *, replaces: str | None = None, new_password: str | None = None) -> str:
    device, now = client.device(), runtime.now()
    account, user = attempts.find_account(session(), username, device.network, now)
    attempt = _count(account) if runtime.settings().rate_limit_enabled else None
    try:
        with transaction() as work:
            if new_password is not None:
                due_passwords.replace_password(work, user, password, new_password, now)
                user, password = accounts.look_up(work, username), new_password
            token = accounts.open_session(work, user, password, device=device, now=now, lifetime=lifetime())
            accounts.end_token(work, replaces, now)
            if attempt is not None:
                attempts.remember(work, account, now)
    except (PasswordChangeDue, ValidationFailed):  # the password was right
        if attempt is not None:
            attempts.take_back(session(), attempt, passed=True)
        raise
    if attempt is not None:
        attempts.take_back(session(), attempt, passed=True)
        rate_limit.tell(attempts.PER_WINDOW, attempt.remaining + 1, attempt.resets_at)
    return token


def lifetime() -> timedelta:
    """Return how long a new session lasts."""
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
