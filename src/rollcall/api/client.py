"""What a request tells of the client that sends it; for the pages as well."""

from __future__ import annotations

from flask import request

from rollcall.services.identity.devices import Device


def device() -> Device:
    """From where this request comes, and the program that it says it comes from.

    The address is a proxy's word only where ``ROLLCALL_TRUSTED_PROXIES`` says so. WSGI hands headers on as if they were
    ISO-8859-1 (PEP 3333); programs that use more than ASCII write UTF-8.
    """
    sent = request.headers.get("User-Agent", "").encode("latin-1", "replace")
    return Device.seen(request.remote_addr, sent.decode("utf-8", "replace"))
