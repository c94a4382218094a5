"""What a request tells of the client that sends it, and the unit of work that carries this on; for the pages as well.

Also the address under which clients see this service.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from flask import g, request
from sqlalchemy.orm import Session

from rollcall.infra import request_id, runtime
from rollcall.services.events import unit
from rollcall.services.events.origin import Actor, Origin
from rollcall.services.identity.devices import Device


def device() -> Device:
    """From where this request comes, and the program that it says it comes from.

    The address is a proxy's word only where ``ROLLCALL_TRUSTED_PROXIES`` says so. WSGI hands headers on as if they were
    ISO-8859-1 (PEP 3333); programs that use more than ASCII write UTF-8.
    """
    sent = request.headers.get("User-Agent", "").encode("latin-1", "replace")
    return Device.seen(request.remote_addr, sent.decode("utf-8", "replace"))


def public_url() -> str:
    """Return the address that people see, for links that leave the page: ROLLCALL_PUBLIC_URL, else what the request says.

    The request's word is its `Host` header, so links in mails to others use the setting alone.
    """
    return runtime.settings().public_url or request.url_root.rstrip("/")


def origin() -> Origin:
    """Return the caller, where it is known by now, and the client, as security events tell them."""
    known, seen = g.get("identity"), device()
    return Origin(Actor.of(known.user if known else None), seen.address, seen.user_agent, request_id.current())


def transaction() -> AbstractContextManager[Session]:
    """The unit of work of this request; its security events name the request's origin.

    Every route that writes opens this one, and not the bare transaction of ``infra/database``.
    """
    return unit.transaction(origin(), runtime.now(), runtime.settings().events_days)
