"""From an error to its status and envelope: the only place that knows both."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, jsonify, request
from flask_limiter import RateLimitExceeded
from werkzeug.exceptions import HTTPException

from rollcall import errors
from rollcall.api import log_ins
from rollcall.errors import FieldProblem
from rollcall.infra import causes, deadline, metrics, request_id, throttled_log
from rollcall.infra.deadline import TimedOut

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """An error as a client gets it, whatever it is rendered as."""

    status: int
    code: str
    message: str
    details: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


Renderer = Callable[[Answer], Response]

_CODES = {
    400: "bad_request",
    401: "authentication_error",
    403: "authorization_error",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "precondition_failed",
    413: "request_too_large",
    415: "unsupported_media_type",
    422: "validation_error",
    429: "rate_limit_exceeded",
    500: "internal_error",
    503: "service_unavailable",
    504: "request_timeout",
}

INSUFFICIENT_SCOPE = "insufficient_scope"
"""The code of a 403 for a token, instead of ``authorization_error`` (RFC 6750, section 3.1)."""


def _too_many_rows(error: errors.TooManyRows) -> str:
    return f"A batch can contain at most {error.limit:,} users; this one contains {error.rows:,}."


def _selection_differs(error: errors.SelectionDiffers) -> str:
    return f"The filter matches {error.found:,} users, not {error.expected:,}, so nothing was changed."


def _insufficient_scope(error: errors.InsufficientScope) -> str:
    if error.scope is None:
        return "API tokens cannot be used here. Log in, and send the access token of the session."
    return f"This token lacks the scope {error.scope}."


def _too_many_failures(error: errors.TooManyFailures) -> str:
    within = "in a row" if error.window is None else f"in {error.window.total_seconds() / 60:g} minutes"
    return f"Too many wrong passwords: at most {error.limit} {within}. Try again later."


# The most special first. 401 and 503 are the same for all of their kind.
_REFUSALS: tuple[tuple[type[errors.RollcallError], int, str | Callable[[Any], str]], ...] = (
    (errors.BadRequest, 400, lambda error: error.message),
    (errors.InvalidCredentials, 401, "The username or the password is wrong."),
    (errors.AuthenticationError, 401, "A valid access token is required."),
    (errors.InactiveAccount, 403, "This account is deactivated."),
    (errors.PasswordChangeDue, 403, "Your password has to be changed before you can log in."),
    (errors.RegistrationClosed, 403, "Registration is closed."),
    (errors.SetUpAlready, 403, "Rollcall is already set up. Log in instead."),
    (errors.OwnPasswordLink, 403, "You cannot make a link for yourself. Change your own password with the current one."),
    (errors.InsufficientScope, 403, _insufficient_scope),
    (errors.AccessDenied, 403, "You are not allowed to do this."),
    (errors.UserNotFound, 404, "This user does not exist."),
    (
        errors.LinkRefused,
        404,
        "This link does not work: it was used, has expired, or a newer one replaced it. Ask for a new link.",
    ),
    (errors.MailNotSetUp, 404, "Mail is not set up here. Ask an administrator for a password link."),
    (errors.OperationNotFound, 404, "This operation does not exist."),
    (errors.SessionNotFound, 404, "This session does not exist. It may have ended already."),
    (errors.TokenNotFound, 404, "This token does not exist. It may have ended already."),
    (errors.LastSuperuser, 409, "This is the last active superuser, who cannot be deleted, deactivated or demoted."),
    (errors.SelectionDiffers, 409, _selection_differs),
    (errors.SelectionChanged, 409, "The selection has changed since you were asked, so nothing was changed."),
    (errors.OperationUndone, 409, "This operation has been undone already."),
    (errors.RowsConflict, 409, "Some of these users have names that are already in use, or the same names."),
    (errors.NamesTaken, 409, lambda error: error.sentence),
    (errors.TooManyTokens, 409, lambda error: error.problems[0].message),
    (errors.VersionChanged, 412, "This user has been changed since you read it. Read it again and repeat your change."),
    (errors.TooManyRows, 413, _too_many_rows),
    (errors.UnsupportedMediaType, 415, "The body has to be JSON, with the header Content-Type: application/json."),
    (errors.ValidationFailed, 422, "The request is not valid."),
    (errors.TooManyFailures, 429, _too_many_failures),
    (errors.DatabaseUnavailable, 503, "The database is unavailable. Try again soon."),
)


def init_app(app: Flask, render_page: Renderer, wants_page: Callable[[], bool]) -> None:
    """Answer every error of the application: as a page where a browser's user reads it, else as the JSON envelope.

    :param render_page: makes the page.
    :param wants_page: whether the current request is a browser's for a page.
    """

    def respond(error: Exception) -> Response:
        answer = describe(error)
        if answer.status == 500:
            log.error("unexpected error", exc_info=error)
        if isinstance(error, errors.DatabaseUnavailable):
            cause = causes.logged(error)
            throttled_log.warn(log, f"503 {cause}", "answered 503: %s", cause)
        if answer.status == 429:
            metrics.REFUSALS.labels(metrics.route()).inc()
            log_ins.note_refusal()
        return render_page(answer) if wants_page() else envelope(answer)

    for kind in (errors.RollcallError, HTTPException, Exception):
        app.register_error_handler(kind, respond)
    if _count_timeout not in deadline.on_timeout:  # one list for the process, which may have several applications
        deadline.on_timeout.append(_count_timeout)


def _count_timeout(timeout: errors.RequestTimeout, route: str) -> None:
    metrics.TIMEOUTS.labels(route, timeout.stuck_in).inc()


def envelope(answer: Answer) -> Response:
    """``{"error", "message", "details", "request_id"}``, with the status and its headers."""
    body = {
        "error": answer.code,
        "message": answer.message,
        "details": list(answer.details),
        "request_id": request_id.current(),
    }
    response = jsonify(body)
    response.status_code = answer.status
    response.headers.update(answer.headers)
    return response


def describe(error: Exception) -> Answer:
    """Return what a client is told; the text of an unexpected exception is none of it."""
    if isinstance(error, HTTPException):
        return _describe_http(error)
    for kind, status, message in _REFUSALS:
        if isinstance(error, kind):
            text = message if isinstance(message, str) else message(error)
            code, headers = _CODES[status], _headers(status)
            if isinstance(error, errors.InsufficientScope):
                code, scope = INSUFFICIENT_SCOPE, f', scope="{error.scope}"' if error.scope else ""
                headers = {"WWW-Authenticate": f'Bearer error="{INSUFFICIENT_SCOPE}"{scope}'}
            return Answer(status, code, text, _details(error) or _outcome(error), headers)
    return Answer(500, _CODES[500], "Something went wrong in Rollcall. It has been logged with this request's id.")


def _describe_http(error: HTTPException) -> Answer:
    status = error.code or 500
    headers = _headers(status)
    if isinstance(error, TimedOut):
        return Answer(504, _CODES[504], f"Request exceeded {error.timeout.limit}s timeout", _outcome(error.timeout))
    if isinstance(error, RateLimitExceeded):
        return Answer(429, _CODES[429], f"Too many requests: the limit is {error.limit.limit}.")
    if status == 405 and getattr(error, "valid_methods", None):
        headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
    messages = {
        404: "No resource exists at this URL.",
        405: f"The method {request.method[:20]} is not allowed at this URL.",
        413: f"The request body is too large. At most {request.max_content_length:,} bytes are accepted here.",
    }
    # Werkzeug's own sentences are fixed texts; they repeat nothing of the request.
    message = messages.get(status) or error.description or error.name
    return Answer(status, _CODES.get(status, error.name.lower().replace(" ", "_")), message, headers=headers)


def _details(error: errors.RollcallError) -> list[dict[str, str]]:
    if isinstance(error, errors.BadRequest) and error.field:
        return [{"type": "invalid", "message": error.message, "field": error.field}]
    problems: Sequence[FieldProblem] = getattr(error, "problems", ())
    location = getattr(error, "location", "body")
    return [
        {
            "type": problem.type,
            "message": problem.message,
            "field": f"{location}.{problem.field}" if problem.field else location,
        }
        for problem in problems
    ]


def _outcome(error: errors.RequestTimeout | errors.RollcallError) -> list[dict[str, str]]:
    if getattr(error, "outcome_unknown", False):
        message = "The database became unavailable during the commit. The change may or may not have been saved."
        return [{"type": "outcome_unknown", "message": message, "field": ""}]
    if getattr(error, "saved", False):
        message = "The change was saved, but its answer came too late."
        return [{"type": "saved", "message": message, "field": ""}]
    if hashed := getattr(error, "hashed", None):
        done, given = hashed
        message = f"In this time {done:,} of the {given:,} passwords were hashed. Send at most {max(done, 1):,} at once."
        return [{"type": "too_many_passwords", "message": message, "field": "body"}]
    return []


def _headers(status: int) -> dict[str, str]:
    headers: dict[int, dict[str, str]] = {
        401: {"WWW-Authenticate": "Bearer"},
        503: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    }
    return dict(headers.get(status, {}))
