"""Who may call a route. Each decorator enforces its rule, documents its 401 and 403, and marks the route with its name."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from flask import g, request

from rollcall.api.blueprint import View, documented
from rollcall.api.parsing import refuse_parameters
from rollcall.errors import AccessDenied, InvalidToken
from rollcall.infra import addresses, database, forwarding, runtime
from rollcall.services.identity import accounts
from rollcall.services.identity.accounts import Identity

# What the document says of those routes that do not ask for a user's token.
_SECURITY: dict[str, list[dict[str, list[str]]]] = {"anyone": [], "scraper": [{"metrics_token": []}, {}]}


def identity() -> Identity:
    """Who makes this request, by its bearer token (RFC 6750); asked of the database once.

    :raises InvalidToken: no token, or one that is not valid (any more).
    """
    if "identity" not in g:
        g.identity = accounts.identify(database.session(), _bearer_token(), runtime.now())
    found: Identity = g.identity
    return found


def anyone(view: View) -> View:
    """No sign-in needed."""
    return _guard(view, "anyone", lambda: None)


def signed_in(view: View) -> View:
    """Any signed-in user."""
    return _guard(view, "signed_in", identity)


def superuser(view: View) -> View:
    """Superusers only."""

    def check() -> None:
        if not identity().user.is_superuser:
            raise AccessDenied

    return _guard(view, "superuser", check)


def self_or_superuser(view: View) -> View:
    """The user whose id is in the path, or a superuser; to others every id answers alike, whether it exists or not."""

    def check() -> None:
        caller = identity().user
        if not caller.is_superuser and caller.id != (request.view_args or {}).get("user_id"):
            raise AccessDenied

    return _guard(view, "self_or_superuser", check)


def scraper(view: View) -> View:
    """The bearer of ``ROLLCALL_METRICS_TOKEN``. Without that setting, a client on this machine, but not through a proxy."""

    def check() -> None:
        token = runtime.settings().metrics_token
        if token is None:
            client = addresses.of_client()
            # A proxy on this machine also connects from loopback. Its header tells, even where it is not trusted.
            if client is None or not client.is_loopback or forwarding.was_forwarded():
                raise AccessDenied
        elif not hmac.compare_digest(_bearer_token().encode(), token.encode()):
            raise InvalidToken

    return _guard(view, "scraper", check)


def _bearer_token() -> str:
    credentials = request.authorization
    if credentials is None or credentials.type != "bearer" or not credentials.token:
        raise InvalidToken
    return credentials.token


def _guard(view: View, name: str, check: Callable[[], object]) -> View:
    parameters = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
    reads_query = any(parameter["in"] == "query" for parameter in parameters)

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        check()
        # Where a schema reads the query, it refuses what it does not know. Probes and scrapers may add what they like.
        if not reads_query and request.path.startswith("/api/"):
            refuse_parameters(request)
        return view(*args, **kwargs)

    # A route may have two: who is asked for before a limit counts, and then who may. The inner one is the rule.
    guarded.access = getattr(view, "access", name)  # type: ignore[attr-defined]
    errors = {}
    if name != "anyone":
        errors[401] = "No valid access token."
    if name in ("signed_in", "superuser", "self_or_superuser"):
        errors[422] = "A field or parameter is not valid."
    if name in ("superuser", "self_or_superuser", "scraper"):
        errors[403] = "Signed in, but not allowed."
    return cast(View, documented(guarded, errors, security=_SECURITY.get(name, [{"bearer": []}])))
