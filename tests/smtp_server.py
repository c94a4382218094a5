"""A real SMTP server for the tests (aiosmtpd): it keeps what it accepts, and can be silent, refuse, or fail at first."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword


@dataclass
class Mailbox:
    """What the server has accepted, and what it answers instead, one after the other, before it accepts.

    :ivar answers: of the next mails after DATA; ``None`` accepts.
    :ivar recipient_answer: to every recipient.
    """

    port: int = 0
    accepted: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    answers: list[str | None] = field(default_factory=list)
    recipient_answer: str = "250 OK"
    logins: list[tuple[str, str]] = field(default_factory=list)
    on_data: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def to(self, address: str) -> list[EmailMessage]:
        return [message for message in self.accepted if message["To"] == address]

    async def handle_RCPT(  # noqa: N802  (as aiosmtpd calls it)
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.recipient_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Envelope
    ) -> str:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            return answer
        message = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]
        self.accepted.append(message)  # type: ignore[arg-type]
        self.envelopes.append(envelope)
        self.on_data()
        return "250 OK"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def serve(password: str | None = None, port: int | None = None) -> Iterator[Mailbox]:
    """Run a server.

    :param password: the one that it requires.
    """
    box = Mailbox(port or free_port())

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword) -> AuthResult:
        box.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=given.password.decode() == password, handled=False)

    options = {"auth_required": True, "auth_require_tls": False, "authenticator": authenticate} if password else {}
    controller = Controller(box, hostname="127.0.0.1", port=box.port, enable_SMTPUTF8=True, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@contextmanager
def scripted(*replies: bytes, pause: float = 0.0) -> Iterator[str]:
    """A server that sends these replies, one after each line that it reads, and then nothing any more.

    :param pause: seconds between the bytes of each reply.
    :return: its URL.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def talk() -> None:
        listener.settimeout(0.1)
        while not stopped.is_set():
            with suppress(OSError):  # nobody yet, or gone
                client, _ = listener.accept()
                with client:
                    client.settimeout(0.1)
                    for number, reply in enumerate(replies):
                        if number and not _line(client, stopped):
                            break
                        _drip(client, reply, pause, stopped)
                    while _line(client, stopped):
                        pass

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield f"smtp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopped.set()
        listener.close()
        thread.join()


def _drip(client: socket.socket, reply: bytes, pause: float, stopped: threading.Event) -> None:
    for byte in reply if pause else [reply]:
        if stopped.wait(pause):
            return
        client.sendall(byte if isinstance(byte, bytes) else bytes([byte]))


def _line(client: socket.socket, stopped: threading.Event) -> bool:
    """Read until something has come; False: the client has gone, or the test is over."""
    while not stopped.is_set():
        try:
            return bool(client.recv(4096))
        except TimeoutError:
            continue
        except OSError:
            return False
    return False
