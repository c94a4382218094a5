"""The exceptions of the domain. They carry data; the edges (api/errors, web, cli) turn them into words and statuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with one field.

    :param field: path without its location: ``email``, or ``3.email`` in an array. Empty: the whole input.
    :param type: a stable code such as ``too_short``.
    :param message: one sentence for a person.
    """

    field: str
    type: str
    message: str


class FieldError(ValueError):
    """The value of one field is not valid.

    :ivar type: one of the codes that ``services/users/fields`` lists.
    """

    def __init__(self, code: str, message: str) -> None:
        self.type = code
        super().__init__(message)


class RollcallError(Exception):
    """Whatever the domain refuses or cannot do."""


class ValidationFailed(RollcallError):
    """Some fields are not valid.

    :param location: where they came from: ``body`` or ``query``.
    """

    def __init__(self, problems: Sequence[FieldProblem], location: str = "body") -> None:
        self.problems = tuple(problems)
        self.location = location
        super().__init__(self.problems)


class Conflict(RollcallError):
    """The change contradicts what is stored, in a way that a subclass names."""

    problems: tuple[FieldProblem, ...] = ()


class RowsConflict(Conflict):
    """Rows of a bulk contradict each other or what is stored; every one of them is named."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)


NAMES = {"email": "e-mail address", "username": "username"}
"""What people call the fields that are unique."""


class NamesTaken(Conflict):
    """Other users have the e-mail address, the username, or both.

    :ivar fields: ``email`` and ``username``, or one of them.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)
        self.problems = tuple(FieldProblem(field, "taken", f"This {NAMES[field]} is already in use.") for field in fields)
        super().__init__(self.fields)

    @property
    def sentence(self) -> str:
        """Return what is taken, for a person."""
        return " and ".join(f"this {NAMES[field]}" for field in self.fields).capitalize() + (
            " are already in use." if len(self.fields) > 1 else " is already in use."
        )


class LastSuperuser(Conflict):
    """The change would leave no active superuser."""


class SelectionChanged(Conflict):
    """A change of many users would by now be about other users than it was confirmed for."""


class SelectionDiffers(SelectionChanged):
    """A filter matches another number of users than the caller expected.

    :param found: how many users it matches.
    """

    def __init__(self, found: int, expected: int) -> None:
        self.found = found
        self.expected = expected
        message = f"The filter matches {found} users."
        self.problems = (FieldProblem("expected", "not_expected", message),)
        super().__init__(found, expected)


class OperationUndone(Conflict):
    """The operation has been undone already."""


class OperationNotFound(RollcallError):
    """There is no operation with this id."""

    def __init__(self, operation_id: int) -> None:
        self.operation_id = operation_id
        super().__init__(operation_id)


class VersionChanged(RollcallError):
    """Somebody has changed the user since the version that the caller knows."""


class AuthenticationError(RollcallError):
    """Nobody is signed in, or the credentials are wrong."""


class InvalidCredentials(AuthenticationError):
    """Unknown user or wrong password; which of both is never said."""


class InvalidToken(AuthenticationError):
    """No token, or one that is unknown, expired or revoked."""


class AccessDenied(RollcallError):
    """Signed in, but not allowed."""


class InsufficientScope(AccessDenied):
    """An API token lacks the scope of this name; ``None``: no scope is enough, only a session."""

    def __init__(self, scope: str | None) -> None:
        self.scope = scope
        super().__init__(scope)


class TooManyFailures(RollcallError):
    """Too many log-ins have failed, so this one is not tried.

    :param limit: how many may fail.
    :param window: in which time; ``None``: in a row.
    :param resets_at: when the next one is tried again.
    """

    def __init__(self, limit: int, window: timedelta | None, resets_at: datetime) -> None:
        self.limit = limit
        self.window = window
        self.resets_at = resets_at
        super().__init__(limit)


class InactiveAccount(AccessDenied):
    """The right password of a deactivated user."""


class PasswordChangeDue(AccessDenied):
    """The right password of a user of whom an administrator asks a new one."""

    problems = (
        FieldProblem("new_password", "password_change_required", "Choose a new password, and send it with the present one."),
    )


class RegistrationClosed(AccessDenied):
    """``ROLLCALL_REGISTRATION_ENABLED`` is false."""


class SetUpAlready(AccessDenied):
    """There is a superuser: the set-up link has done its work."""


class OwnPasswordLink(AccessDenied):
    """Superusers change their own password with the current one, not by a link."""


class LinkRefused(RollcallError):
    """A one-time link that is unknown, expired, spent or replaced, or whose user is inactive; which of these is never said."""


class MailNotSetUp(RollcallError):
    """ROLLCALL_SMTP_URL is not set, so nothing that needs mail exists."""


class MailRefused(RollcallError):
    """An SMTP server will never accept this mail. The text is a few words for the log, without anything of the mail."""


class MailServerUnavailable(RollcallError):
    """An SMTP server cannot be reached, or may accept the mail later. The text is as of :class:`MailRefused`."""


class UserNotFound(RollcallError):
    def __init__(self, user: int | str) -> None:
        self.user = user
        super().__init__(user)


class SessionNotFound(RollcallError):
    """The user has no session with this id (any more)."""

    def __init__(self, session_id: int) -> None:
        self.session_id = session_id
        super().__init__(session_id)


class TokenNotFound(RollcallError):
    """The caller has no API token with this id, and may see no other user's."""

    def __init__(self, token_id: int) -> None:
        self.token_id = token_id
        super().__init__(token_id)


class TooManyTokens(Conflict):
    """The user has as many API tokens as one user can have."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.problems = (FieldProblem("", "too_many_tokens", f"A user can have at most {limit} tokens. Revoke one first."),)
        super().__init__(limit)


class BadRequest(RollcallError):
    """The request cannot be understood (RFC 9110, section 15.5.1)."""

    def __init__(self, message: str, field: str = "") -> None:
        self.message = message
        self.field = field
        super().__init__(message)


class UnsupportedMediaType(RollcallError):
    """The body is not of the type that is asked for."""


class TooManyRows(RollcallError):
    """More rows than one request may carry."""

    def __init__(self, limit: int, rows: int) -> None:
        self.limit = limit
        self.rows = rows
        super().__init__(limit, rows)


class DatabaseUnavailable(RollcallError):
    """PostgreSQL does not answer, or ended the connection.

    :param reason: a SQLSTATE, or one of the words of ``infra/causes``; for the log and the command line.
    :param outcome_unknown: it happened during COMMIT.
    """

    def __init__(self, reason: str = "", *, outcome_unknown: bool = False) -> None:
        self.reason = reason
        self.outcome_unknown = outcome_unknown
        super().__init__(reason)


class UnsuitableDatabase(DatabaseUnavailable):
    """The database cannot hold what users write; the text is one plain sentence for the operator."""


class Deadlock(DatabaseUnavailable):
    """PostgreSQL has ended this of two transactions that waited for each other; done again, it waits for the other."""


class RequestTimeout(BaseException):
    """The request's deadline has passed.

    A ``BaseException``, so that an ``except Exception`` around a slow call cannot eat it.

    :param limit: the limit that has passed, in seconds.
    :param stuck_in: what the request was waiting for: ``sql``, ``pool``, ``redis``, ``body``, ``python`` …
    :param outcome_unknown: the server fell silent during COMMIT.
    :param saved: it passed after COMMIT had succeeded: the change stands, only its answer is lost.
    :ivar hashed: of a batch, how many passwords were hashed in the time, and of how many.
    """

    hashed: tuple[int, int] | None = None

    def __init__(self, limit: float, stuck_in: str, *, outcome_unknown: bool = False, saved: bool = False) -> None:
        self.limit = limit
        self.stuck_in = stuck_in
        self.outcome_unknown = outcome_unknown
        self.saved = saved
        super().__init__(limit, stuck_in)
