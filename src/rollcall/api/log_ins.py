"""Log-ins that are not successful, recorded as security events by the routes of the REST interface and of the pages alike."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from flask import g, request
from sqlalchemy.exc import DBAPIError

from rollcall.api import client
from rollcall.errors import DatabaseUnavailable, InactiveAccount, InvalidCredentials, PasswordChangeDue, RollcallError
from rollcall.infra import runtime
from rollcall.services.identity import log_in_events

log = logging.getLogger(__name__)

_REASONS: Final[dict[type[RollcallError], str]] = {
    InvalidCredentials: "credentials",
    InactiveAccount: "inactive",
    PasswordChangeDue: "password_change_required",
}
_ENDPOINTS: Final = ("auth.log_in", "web.log_in")


@contextmanager
def recorded(username: str) -> Iterator[None]:
    """Record that the log-in in this block failed, in a transaction of its own: the attempt's has been rolled back.

    Where it cannot be recorded, the client is told so (503): no guess goes unnoticed.

    :param username: what was typed.
    """
    g.log_in_name = username
    try:
        yield
    except tuple(_REASONS) as refused:
        reason = _REASONS[type(refused)]
        with client.transaction() as work:
            log_in_events.record_failure(work, username, reason, runtime.now())
        raise


def note_refusal() -> None:
    """Record that a rate limit refused this request, if it is a log-in. The refusal stands, whatever becomes of this."""
    if request.endpoint not in _ENDPOINTS or request.method != "POST":
        return
    try:
        with client.transaction() as work:
            log_in_events.record_refusal(work, g.get("log_in_name"), runtime.now())
    except (DatabaseUnavailable, DBAPIError) as error:
        log.warning("a refused log-in could not be recorded: %s", type(error).__name__)
