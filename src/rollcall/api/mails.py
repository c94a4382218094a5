"""Whether mail is set up, and the recipe that keeps the links of queued mails secret; for the REST interface and the pages."""

from __future__ import annotations

from rollcall.errors import MailNotSetUp
from rollcall.infra import runtime, sealing
from rollcall.infra.sealing import Cipher


def is_set_up() -> bool:
    """Return whether ROLLCALL_SMTP_URL is set."""
    return runtime.settings().smtp_url is not None


def cipher() -> Cipher | None:
    """Return the cipher for links in the queue; ``None``: mail is not set up."""
    return sealing.cipher("mail") if is_set_up() else None


def require_set_up() -> None:
    """:raises MailNotSetUp: mail is not set up."""
    if not is_set_up():
        raise MailNotSetUp


def required_cipher() -> Cipher:
    """Return the cipher for links in the queue.

    :raises MailNotSetUp: mail is not set up.
    """
    require_set_up()
    return sealing.cipher("mail")
