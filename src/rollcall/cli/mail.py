"""``flask mail``: the loop that sends the mails of the queue. gunicorn.conf.py runs it beside the workers."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any, Final

import click
import idna
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from rollcall.cli import addresses
from rollcall.cli.console import interruptible_waits, plain_failures
from rollcall.errors import DatabaseUnavailable, LinkRefused, MailRefused, MailServerUnavailable
from rollcall.infra import deadline, pool_metrics, runtime, sealing
from rollcall.infra.database import db
from rollcall.infra.smtp import Sender
from rollcall.services.events import unit
from rollcall.services.events.origin import Origin
from rollcall.services.identity.one_time_links import Owner
from rollcall.services.mail import queue
from rollcall.services.mail.queue import Claim, MailKind
from rollcall.services.transfer import link_files
from rollcall.services.users import letters

log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 2.0
_DATABASE_LIMIT: Final = 30.0
_SUBJECTS: Final = {
    MailKind.PASSWORD_LINK: "Set your password for {host}",
    MailKind.FORGOT_PASSWORD: "Set a new password for {host}",
    MailKind.CONFIRM_EMAIL: "Confirm your e-mail address for {host}",
}


@click.command("mail")
@click.option("--once", is_flag=True, help="Send what is due now, and end.")
@with_appcontext
def mail(once: bool) -> None:
    """Send the mails of the queue until interrupted. The server runs this itself where ROLLCALL_SMTP_URL is set."""
    with plain_failures():
        if not runtime.settings().smtp_url:
            raise click.ClickException("Mail is not set up: ROLLCALL_SMTP_URL is not set.")
        loop = Loop()
        if once:
            try:
                while loop.send_next():
                    pass
            finally:
                loop.close()
            return
        loop.run(lambda: True)


def serve(app: Flask, parent: int) -> None:
    """Send mails in a process of the server's until it is told to end, or its parent is gone."""
    with app.app_context(), interruptible_waits():
        pool_metrics.leave()
        db.engine.dispose(close=False)  # what the master has connected belongs to the master
        Loop().run(lambda: os.getppid() == parent)


class Loop:
    """Takes one mail after the other, and waits where there is none."""

    def __init__(self) -> None:
        settings = runtime.settings()
        self._base = addresses.public_url()
        self._sender = Sender(str(settings.smtp_url))
        self._from = settings.mail_from or f"Rollcall <rollcall@{_host(self._base)}>"
        self._cipher = sealing.cipher("mail")
        self._stop = threading.Event()

    def run(self, wanted: Callable[[], bool]) -> None:
        """Send mails as long as this is wanted, and no signal has ended it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        while wanted() and not self._stop.is_set():
            try:
                busy = self.send_next()
            except (DatabaseUnavailable, DBAPIError, TimeoutError) as error:
                log.warning("the queue of mails cannot be read: %s", type(error).__name__)
                busy = False
            if not busy:
                self._stop.wait(_LOOK_EVERY)
        self.close()

    def close(self) -> None:
        self._sender.close()

    def send_next(self) -> bool:
        """Try the mail that has been due for longest. Return whether there was one."""
        now = runtime.now()
        with _transaction() as work:
            mail = queue.claim(work, now)
            if mail is None:
                queue.sweep(work, now)
                return False
            prepared = letters.prepared(work, mail, self._cipher, now)
        if prepared is not None:
            self._try(prepared)
        return True

    def _try(self, mail: Claim) -> None:
        if mail.expires_at <= runtime.now():
            return self._give_up(mail, "its link has expired")
        try:
            with _transaction() as work:
                token, owner = letters.opened(work, mail, self._cipher, runtime.now())
        except LinkRefused:
            return self._give_up(mail, "its link does not work any more")
        except ValueError:
            return self._give_up(mail, "it was queued with another SECRET_KEY")
        try:
            self._sender.send(self._message(mail, token, owner))
        except MailRefused as error:
            return self._give_up(mail, str(error))
        except MailServerUnavailable as error:
            with _transaction() as work:
                due_at = queue.postpone(work, mail, str(error), runtime.now())
            log.warning("mail %s waits until %s: %s", mail.id, due_at.isoformat(timespec="seconds"), error)
            return None
        self._mark_sent(mail)
        return None

    def _mark_sent(self, mail: Claim) -> None:
        """Note that the mail is sent, however long that takes: who gave up here would send it again."""
        while True:
            try:
                with _transaction() as work:
                    queue.mark_sent(work, mail.id, runtime.now())
            except (DatabaseUnavailable, DBAPIError, TimeoutError) as error:
                log.warning("mail %s is sent, which cannot be noted yet: %s", mail.id, type(error).__name__)
                if self._stop.wait(_LOOK_EVERY):
                    return
            else:
                log.info("mail %s is sent", mail.id)
                return

    def _give_up(self, mail: Claim, why: str) -> None:
        with _transaction() as work:
            queue.mark_failed(work, mail.id, why, runtime.now())
        log.warning("mail %s is given up: %s", mail.id, why)

    def _message(self, mail: Claim, token: str, owner: Owner) -> EmailMessage:
        path = letters.CONFIRM_PATH if mail.kind is MailKind.CONFIRM_EMAIL else link_files.PATH
        host = _host(self._base)
        values = {"owner": owner, "link": f"{self._base}{path}#{token}", "host": host, "expires_at": mail.expires_at}
        message = EmailMessage()
        message["From"] = self._from
        message["To"] = _deliverable(mail.address)
        message["Subject"] = _SUBJECTS[mail.kind].format(host=host)
        message["Date"] = format_datetime(mail.created_at)
        # The same at each try, by which receivers know a mail that reaches them twice.
        message["Message-ID"] = (
            f"<rollcall.{mail.id}.{mail.created_at:%Y%m%d%H%M%S%f}@{parseaddr(self._from)[1].rpartition('@')[2]}>"
        )
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_rendered(f"mail/{mail.kind}.txt", values))
        message.add_alternative(_rendered(f"mail/{mail.kind}.html", values), subtype="html")
        return message


@contextmanager
def _transaction() -> Iterator[Session]:
    """A unit of work of the loop, with a limit on its waits. Its events are those of an anonymous caller."""
    with deadline.bound(_DATABASE_LIMIT), unit.transaction(Origin(), runtime.now(), runtime.settings().events_days) as work:
        yield work


def _host(base: str) -> str:
    return base.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]


def _deliverable(address: str) -> str:
    """Return the address with its domain as mail servers know it (RFC 5890)."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        return address


def _rendered(name: str, values: dict[str, Any]) -> str:
    return current_app.jinja_env.get_template(name).render(**values)
