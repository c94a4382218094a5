"""Hand mails to an SMTP server (RFC 5321), by the standard library. Every wait is bounded, and no credential reaches a log."""

from __future__ import annotations

import signal
import smtplib
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from rollcall.errors import MailRefused, MailServerUnavailable

STEP_LIMIT: Final = 20.0
"""Seconds that the server may take for one reply."""
MAIL_LIMIT: Final = 90.0
"""Seconds for a whole mail, the connection included: a server may drip its replies."""
_IDLE_LIMIT: Final = 15.0
_PORTS: Final = {"smtp": 25, "smtps": 465}


class Sender:
    """A connection to the server, kept from mail to mail as long as there are any.

    :param url: ROLLCALL_SMTP_URL. With ``smtp://`` the connection is encrypted by STARTTLS where the server offers it; a
        password is sent over an encrypted connection only, or to this machine.
    :param step_limit: seconds for each reply.
    :param mail_limit: seconds for each mail. Works in the main thread alone, as signals do.
    """

    def __init__(self, url: str, *, step_limit: float = STEP_LIMIT, mail_limit: float = MAIL_LIMIT) -> None:
        self._url = urlsplit(url)
        self._step_limit = step_limit
        self._mail_limit = mail_limit
        self._server: smtplib.SMTP | None = None
        self._used_at = 0.0

    def send(self, message: EmailMessage) -> None:
        """Send a mail. When this returns, the server has accepted it.

        :raises MailRefused: the server will never accept this mail.
        :raises MailServerUnavailable: it may accept it later.
        """
        try:
            with _limit(self._mail_limit):
                self._connected().send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            self.close()
            raise _refusal(min(codes), "recipient") from None
        except smtplib.SMTPSenderRefused as error:
            self.close()
            raise MailServerUnavailable(f"the sender is refused ({error.smtp_code})") from None
        except smtplib.SMTPNotSupportedError:
            self.close()
            raise MailRefused("the server does not take such an address") from None
        except smtplib.SMTPAuthenticationError as error:
            self.close()
            raise MailServerUnavailable(f"the user or the password is refused ({error.smtp_code})") from None
        except smtplib.SMTPDataError as error:
            self.close()
            raise _refusal(error.smtp_code, "mail") from None
        except smtplib.SMTPResponseException as error:
            self.close()
            raise MailServerUnavailable(f"the server refuses ({error.smtp_code})") from None
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            raise MailServerUnavailable(_reason(error)) from None
        self._used_at = time.monotonic()

    def close(self) -> None:
        """Take leave of the server."""
        if self._server is not None:
            with suppress(smtplib.SMTPException, OSError), _limit(self._step_limit):
                self._server.quit()
        self._drop()

    def _drop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _connected(self) -> smtplib.SMTP:
        if self._server is not None:
            if time.monotonic() - self._used_at < _IDLE_LIMIT:
                with suppress(smtplib.SMTPException, OSError):
                    if self._server.rset()[0] == 250:
                        return self._server
            self._drop()
        self._server = self._connect()
        return self._server

    def _connect(self) -> smtplib.SMTP:
        host, scheme = self._url.hostname or "", self._url.scheme
        port = self._url.port or _PORTS[scheme]
        tls = ssl.create_default_context()
        if scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=self._step_limit, context=tls)
        else:
            server = smtplib.SMTP(host, port, timeout=self._step_limit)
        try:
            server.ehlo_or_helo_if_needed()
            encrypted = scheme == "smtps"
            if not encrypted and server.has_extn("starttls") and not _is_here(host):
                server.starttls(context=tls)
                server.ehlo()
                encrypted = True
            if self._url.username:
                _require_privacy(encrypted or _is_here(host))
                server.login(unquote(self._url.username), unquote(self._url.password or ""))
        except BaseException:
            server.close()
            raise
        return server


def _require_privacy(private: bool) -> None:
    if not private:
        raise MailServerUnavailable("the server offers no encryption, so no password is sent to it")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(code: int, what: str) -> MailRefused | MailServerUnavailable:
    if 500 <= code < 600:
        return MailRefused(f"the {what} is refused ({code})")
    return MailServerUnavailable(f"the {what} is refused for now ({code})")


def _reason(error: Exception) -> str:
    """Return what went wrong, in words of our own: a server's may repeat the mail, or what was sent to log in."""
    match error:
        case TimeoutError():
            return "the server does not answer in time"
        case ssl.SSLCertVerificationError():
            return "the server's certificate is not valid"
        case smtplib.SMTPServerDisconnected() if isinstance(error.__context__, TimeoutError):
            return "the server does not answer in time"
        case smtplib.SMTPServerDisconnected():
            return "the server ended the connection"
        case OSError() if not isinstance(error, smtplib.SMTPException):
            return "the server cannot be reached"
    return "the server does not speak SMTP as expected"


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Bound a block that waits for a server. Its socket's own timeout starts anew with each byte.

    :raises TimeoutError: from within the block.
    """

    def expire(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
