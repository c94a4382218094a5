"""The address of the service in links that commands print."""

from __future__ import annotations

from gunicorn.util import parse_address

from rollcall.infra import runtime

# What a browser on this machine asks for where the service listens on all addresses.
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def public_url() -> str:
    """Return the address that people see: ROLLCALL_PUBLIC_URL, else the bind address as a browser on this machine sees it."""
    settings = runtime.settings()
    return settings.public_url or _local_url(settings.bind)


def _local_url(bind: str) -> str:
    match parse_address(bind):
        case (str(host), int(port)):
            host = _LOCAL.get(host, host)
            return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return "http://localhost"  # a socket; the proxy in front of it has the address that people see
