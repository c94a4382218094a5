"""What every command has in common: how it fails, how it is interrupted, and how it shows text and progress."""

from __future__ import annotations

import errno
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import click
import psycopg2
from flask.cli import AppGroup
from psycopg2 import extensions
from psycopg2.errorcodes import QUERY_CANCELED, UNDEFINED_TABLE
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from rollcall import errors
from rollcall.infra import causes, deadline, runtime, server_probe
from rollcall.infra.embedded import EmbeddedError
from rollcall.services.events import unit
from rollcall.services.events.origin import OPERATOR

SHOWN_AT_MOST: Final = 200
"""Characters of a value that somebody else wrote."""

_INTERRUPTED: Final = "Interrupted; nothing was changed."


@contextmanager
def plain_failures() -> Iterator[None]:
    """End a command in one sentence and exit code 1 where it cannot do its work."""
    try:
        with interruptible_waits():
            yield
    except KeyboardInterrupt:
        raise click.ClickException(_INTERRUPTED) from None
    except errors.RollcallError as error:
        raise click.ClickException(_sentence(error)) from error
    except (DBAPIError, psycopg2.Error) as error:  # the latter where SQLAlchemy had no part in it (infra/reading)
        refusal = error.orig if isinstance(error, DBAPIError) else error
        if getattr(refusal, "pgcode", None) == QUERY_CANCELED:
            raise click.ClickException(_INTERRUPTED) from None
        raise click.ClickException(_database_sentence(refusal)) from error
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise  # Whoever read our output has gone; click ends quietly.
        where = f"{shown(str(error.filename))}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}.") from error


def transaction() -> AbstractContextManager[Session]:
    """The unit of work of a command; its security events name the operator."""
    return unit.transaction(OPERATOR, runtime.now(), runtime.settings().events_days)


class CommandGroup(AppGroup):
    """A group of commands that fail plainly."""

    def invoke(self, ctx: click.Context) -> Any:
        with plain_failures():
            return super().invoke(ctx)


def _sentence(error: errors.RollcallError) -> str:
    match error:
        case errors.ValidationFailed() | errors.Conflict() if error.problems:
            return " ".join(problem.message for problem in error.problems)
        case errors.LastSuperuser():
            return "This is the last active superuser; make another one first."
        case errors.Conflict():
            return "Other users took these names in the same moment; try again."
        case errors.DatabaseUnavailable():
            return _unavailable_sentence(error)
        case _:
            return _refusal_sentence(error)


def _refusal_sentence(error: errors.RollcallError) -> str:
    match error:
        case errors.UserNotFound():
            return f"There is no user {shown(str(error.user))!r}."
        case errors.TokenNotFound():
            return f"There is no token {error.token_id}."
        case errors.InactiveAccount():
            return "This user is inactive; activate the user first."
        case _:
            return f"Refused: {type(error).__name__}."


def _unavailable_sentence(error: errors.DatabaseUnavailable) -> str:
    if isinstance(error, errors.UnsuitableDatabase):
        return str(error)
    if isinstance(error.__cause__, EmbeddedError):
        return str(error.__cause__)
    return causes.sentence(error)


def _database_sentence(refusal: BaseException | None) -> str:
    if getattr(refusal, "pgcode", None) == UNDEFINED_TABLE:
        return "The database has no tables yet, or not the latest ones; run 'flask db upgrade'."
    diagnostics = getattr(refusal, "diag", None)
    reason = getattr(diagnostics, "message_primary", None) or type(refusal).__name__
    return f"PostgreSQL refused: {shown(reason)}."


@contextmanager
def interruptible_waits() -> Iterator[None]:
    """Let Ctrl-C end a long statement; libpq by itself would first wait for its end."""
    before = extensions.get_wait_callback()
    extensions.set_wait_callback(_Waits().wait)
    try:
        yield
    finally:
        extensions.set_wait_callback(before)


class _Waits:
    """The waits for the database of one command, each of which Ctrl-C may end."""

    def __init__(self) -> None:
        self._interrupted = False

    def wait(self, connection: Any) -> None:
        if self._interrupted:  # during a ROLLBACK, which has ended first
            self._end()
        connecting = connection.status not in (extensions.STATUS_READY, extensions.STATUS_BEGIN)
        if connecting:
            causes.ask_for_codes(connection, codes=True)
        until = time.monotonic() + deadline.connecting.allowance()
        while True:
            try:
                state = connection.poll()
                if state == extensions.POLL_OK:
                    break
                self._wait_a_while(connection, state, until if connecting else None)
            except KeyboardInterrupt:
                # To cancel, libpq asks the server, and would wait for it as long as it is silent.
                if connecting or not server_probe.answers(connection):
                    raise
                self._interrupted = True
                connection.cancel()
        if connecting:
            causes.ask_for_codes(connection, codes=False)
        # The statement was faster than the cancel. If it was the COMMIT, the work is done, and that will be said.
        if self._interrupted and connection.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE:
            self._end()

    def _wait_a_while(self, connection: Any, state: int, until: float | None) -> None:
        """Wait for the socket, for a connection until then, else as long as the server answers others.

        :raises NoAnswer: it does not.
        """
        reading = [connection] if state == extensions.POLL_READ else []
        writing = [connection] if state == extensions.POLL_WRITE else []
        seconds = server_probe.LOOK_EVERY if until is None else max(0.0, until - time.monotonic())
        if any(select.select(reading, writing, [], seconds)):
            return
        if until is not None or not server_probe.answers(connection):
            raise deadline.NoAnswer("PostgreSQL did not answer in time")

    def _end(self) -> None:
        """psycopg2 closes a connection whose wait raises, and the server rolls back."""
        self._interrupted = False
        raise KeyboardInterrupt


def shown(text: str, most: int = SHOWN_AT_MOST) -> str:
    """Make text of unknown origin safe to print: no control characters, and at most so many characters."""
    cut = text if len(text) <= most else text[:most] + "…"
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in cut)


def counted(number: int, noun: str) -> str:
    """Return a number of things, as in "1 user" and "1,000 users"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@contextmanager
def progress_bar(label: str, length: int | None) -> Iterator[Callable[[int], None]]:
    """Show progress on standard error, if that is a terminal.

    :param label: what is being done.
    :param length: the steps in all; without it, nothing is shown.
    :return: to be called with the number of steps that were done since the last call.
    """
    hidden = not (length and sys.stderr.isatty())
    with click.progressbar(length=length or 0, label=label, file=sys.stderr, hidden=hidden, show_pos=True) as bar:
        yield bar.update


def say_building(seconds: float) -> None:
    """Say on standard error that a load builds the indexes now, and about how many seconds that takes."""
    click.echo(f"Building the indexes, which takes about {seconds:.0f} s. Requests wait until then.", err=True)
