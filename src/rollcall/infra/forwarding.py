"""Forwarding headers: evaluated for the ``ROLLCALL_TRUSTED_PROXIES`` nearest proxies, else without any effect."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

from rollcall.errors import BadRequest
from rollcall.infra import addresses

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

_MARK: Final = "rollcall.forwarded"
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+;=:@-][A-Za-z0-9._~!$&'()*+;=:@-]*)+")
_PORT = re.compile("[0-9]{1,5}")
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[A-Fa-f0-9:.]+\])(?::([0-9]{1,5}))?")  # RFC 3986, the names that hosts use


def init_app(app: Flask, trusted_proxies: int) -> None:
    """Replace the facts of the connection by the headers of trusted proxies, and refuse requests without a valid Host."""
    inner = app.wsgi_app
    if trusted_proxies:
        inner = ProxyFix(inner, x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)
    app.wsgi_app = _Forwarding(inner, trusted_proxies)  # type: ignore[method-assign]
    app.before_request(_require_host)


def was_forwarded() -> bool:
    """Return whether this request has a header that only proxies add, trusted or not."""
    return _MARK in request.environ


def _require_host() -> None:
    host = request.environ.get("HTTP_HOST")
    if host is None and request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return
    if host is None or _host(host) is None:
        raise BadRequest("The request needs one valid Host header.")  # RFC 9112, section 3.2


class _Forwarding:
    """Reduces each forwarding header to the one valid value that the trusted proxies vouch for; marks requests that have any."""

    def __init__(self, app: WSGIApplication, trusted_proxies: int) -> None:
        self._app = app
        self._trusted = trusted_proxies
        self._warned = False

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        carried = _CARRIED.intersection(environ)
        if carried:
            environ[_MARK] = True
            if self._trusted:
                self._reduce(environ)
            elif not self._warned:
                self._warned = True
                self._warn(sorted(carried))
        return self._app(environ, start_response)

    def _reduce(self, environ: WSGIEnvironment) -> None:
        if "HTTP_X_FORWARDED_FOR" in environ and _address(self._vouched(environ["HTTP_X_FORWARDED_FOR"])) is None:
            # The peer is a proxy: without a word of the client that can be read, the client has no address.
            environ["REMOTE_ADDR"] = ""
        for name, read in _READ.items():
            value = environ.pop(name, None)
            if value is not None and (valid := read(self._vouched(value))) is not None:
                environ[name] = valid

    def _vouched(self, value: str) -> str:
        """Return what the first of the trusted proxies has written; some proxies replace a header instead of adding to it."""
        values = value.split(",")
        return values[max(0, len(values) - self._trusted)].strip()

    def _warn(self, carried: list[str]) -> None:
        names = ", ".join(name.removeprefix("HTTP_").replace("_", "-").title() for name in carried)
        log.warning(
            "A request carries %s, which has no effect: ROLLCALL_TRUSTED_PROXIES is 0. If a proxy stands in front, set it to the "
            "number of proxies; until then all clients share the proxy's address, and with it their rate limits.",
            names,
        )


def _address(value: str) -> str | None:
    found = addresses.parse(value.strip('"'))
    return None if found is None else str(found)


def _scheme(value: str) -> str | None:
    return value.lower() if value.lower() in ("http", "https") else None


def _host(value: str) -> str | None:
    match = _HOST.fullmatch(value)
    return value if match and (match[1] is None or _port(match[1])) else None


def _port(value: str) -> str | None:
    return value if _PORT.fullmatch(value) and 0 < int(value) < 2**16 else None


def _prefix(value: str) -> str | None:
    # Links and redirects begin with it: a browser reads // and /\ as the start of another host.
    value = value.rstrip("/") if not value.startswith("//") else value
    return value if _PREFIX.fullmatch(value) else None


_READ: dict[str, Callable[[str], str | None]] = {
    "HTTP_X_FORWARDED_FOR": _address,
    "HTTP_X_FORWARDED_PROTO": _scheme,
    "HTTP_X_FORWARDED_HOST": _host,
    "HTTP_X_FORWARDED_PORT": _port,
    "HTTP_X_FORWARDED_PREFIX": _prefix,
}

# SCRIPT_NAME and PATH_INFO as headers never come here: gunicorn drops names with an underscore (gunicorn.conf.py).
_CARRIED = frozenset(_READ) | {
    "HTTP_FORWARDED",
    "HTTP_VIA",
    "HTTP_X_FORWARDED_SERVER",
    "HTTP_X_FORWARDED_SSL",
    "HTTP_X_FORWARDED_PROTOCOL",
    "HTTP_X_FORWARDED_SCHEME",
    "HTTP_X_REAL_IP",
    "HTTP_X_CLIENT_IP",
    "HTTP_X_SCRIPT_NAME",
    "HTTP_TRUE_CLIENT_IP",
    "HTTP_CF_CONNECTING_IP",
}
