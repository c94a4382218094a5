"""Rate limits (Flask-Limiter): in Redis if a URL is set, shared by workers and machines, else in memory.

While Redis is unavailable, each worker counts in memory, at normal speed. Failed log-ins are counted in the database instead
(``services/identity/attempts``); this module only adds their headers.
"""

from __future__ import annotations

import math
import time
from datetime import datetime

from flask import Flask, Response, g
from flask_limiter import HeaderNames, Limiter, RouteLimit

from rollcall.infra import addresses, redis_options, runtime
from rollcall.settings import Settings

SUPERUSER_LIMIT = "600/minute"
_OWN_PASSWORD = "10/minute"  # noqa: S105  (a limit)


def caller() -> str:
    """Return the key of the counters: the API token, or else the account if it is known, else the client's network."""
    identity = g.get("identity")
    return f"token:{identity.token.id}" if identity and identity.token else _account()


def _account() -> str:
    identity = g.get("identity")
    return f"user:{identity.user.id}" if identity else f"address:{addresses.network(addresses.of_client())}"


limiter = Limiter(
    caller,
    headers_enabled=True,
    # The library would put Retry-After on every answer, and the end of the window into that of a 503.
    header_name_mapping={HeaderNames.RETRY_AFTER: "RateLimit-Reset"},
    in_memory_fallback_enabled=True,
    key_prefix="rollcall:limit",
)


def init_app(app: Flask, settings: Settings) -> None:
    if not settings.rate_limit_enabled:
        return
    url = settings.rate_limit_redis_url
    # The library has a name of its own for a Redis on a Unix socket.
    app.config["RATELIMIT_STORAGE_URI"] = url.replace("unix://", "redis+unix://", 1) if url else "memory://"
    app.config["RATELIMIT_STORAGE_OPTIONS"] = redis_options.OPTIONS if url else {}
    # Registered before the limiter's own after_request, so it runs after it.
    app.after_request(_standard_headers)
    limiter.init_app(app)


@limiter.request_filter
def _switched_off() -> bool:
    # The limiter is one for the process; what is switched off is an application.
    return not runtime.settings().rate_limit_enabled


def per_caller(limit: str) -> RouteLimit:
    """Limit a route for each account and each API token, superusers to ``SUPERUSER_LIMIT``.

    Comes after the decorator that identifies the caller and before the one that checks permissions, so that refusals count.
    """
    return limiter.limit(lambda: SUPERUSER_LIMIT if g.identity.user.is_superuser else limit)


def per_address(limit: str, scope: str) -> RouteLimit:
    """Limit routes that need no account, for each client address; those of one scope share their counter."""
    return limiter.shared_limit(limit, scope)


def own_password() -> RouteLimit:
    """Return a context that counts a use of the own password, for each account and over all routes."""
    return limiter.shared_limit(_OWN_PASSWORD, "own-password", key_func=_account)


def tell(limit: int, remaining: int, resets_at: datetime) -> None:
    """Add the headers of a limit that is counted elsewhere (``services/identity/attempts``) to the response."""
    g.told_limit = (limit, remaining, resets_at)


def _standard_headers(response: Response) -> Response:
    """Add the same figures under the names of the IETF draft (draft-ietf-httpapi-ratelimit-headers), reset in seconds.

    A 429 says in ``Retry-After`` when to come back.
    """
    now = time.time()
    if "told_limit" in g:
        limit, remaining, resets_at = g.told_limit
        now = runtime.now().timestamp()
        told = {"Limit": limit, "Remaining": remaining, "Reset": math.ceil(resets_at.timestamp())}
        response.headers.update({f"X-RateLimit-{name}": str(value) for name, value in told.items()})
    for name in ("Limit", "Remaining"):
        if value := response.headers.get(f"X-RateLimit-{name}"):
            response.headers[f"RateLimit-{name}"] = value
    if reset := response.headers.get("X-RateLimit-Reset"):
        # Rounded up, so that a client that waits as long is not too early.
        seconds = str(max(0, math.ceil(float(reset) - now)))
        response.headers["RateLimit-Reset"] = seconds
        if response.status_code == 429:
            response.headers["Retry-After"] = seconds
    return response
