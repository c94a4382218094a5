"""Who may call a route. Each decorator enforces its rule, documents its 401 and 403, and marks the route with its name."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, cast

from flask import g, request

from rollcall.api import scopes
from rollcall.api.blueprint import View, documented
from rollcall.api.parsing import refuse_parameters
from rollcall.errors import AccessDenied, InsufficientScope, InvalidToken
from rollcall.infra import addresses, database, forwarding, runtime
from rollcall.services.identity import accounts, token_format
from rollcall.services.identity.accounts import Identity
from rollcall.services.identity.scopes import Scope

# What the document says of those routes that do not ask for a user's session or token.
_SECURITY: dict[str, list[dict[str, list[str]]]] = {"anyone": [], "scraper": [{"metrics_token": []}, {}]}


def identity() -> Identity:
    """Return the caller, by the bearer token (RFC 6750) of a session or an API token; read from the database once.

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
    """The bearer of ``ROLLCALL_METRICS_TOKEN``, or of a superuser's API token.

    Without that setting also a client on this machine, but not through a proxy.
    """

    def check() -> None:
        token, sent = runtime.settings().metrics_token, _sent_token()
        if token is not None and hmac.compare_digest((sent or "").encode(), token.encode()):
            return
        if sent is not None and token_format.is_api_token(sent):
            if not identity().user.is_superuser:
                raise AccessDenied
            return
        if token is not None:
            raise InvalidToken
        client = addresses.of_client()
        # A proxy on this machine also connects from loopback. Its header tells, even where it is not trusted.
        if client is None or not client.is_loopback or forwarding.was_forwarded():
            raise AccessDenied

    return _guard(view, "scraper", check)


def _sent_token() -> str | None:
    credentials = request.authorization
    return credentials.token if credentials is not None and credentials.type == "bearer" else None


def _bearer_token() -> str:
    token = _sent_token()
    if not token:
        raise InvalidToken
    return token


def _require_scope(opening: Sequence[Scope]) -> None:
    """Refuse the API token of this request if it has none of these scopes.

    ``self`` opens a route with a user's id in its path only for the owner's id.

    :raises InsufficientScope: naming the first one, which is the wider.
    """
    token = identity().token
    if token is None:
        return
    about = (request.view_args or {}).get("user_id")
    for scope in opening:
        if scope in token.scopes and not (scope is Scope.SELF and about not in (None, identity().user.id)):
            return
    raise InsufficientScope(opening[0] if opening else None)


def _guard(view: View, name: str, check: Callable[[], object]) -> View:
    parameters = getattr(view, "_apidoc", {}).get("arguments", {}).get("parameters", [])
    reads_query = any(parameter["in"] == "query" for parameter in parameters)

    opening = scopes.opening(_endpoint(view))
    # A route may have two: who is asked for before a limit counts, and then who may. The inner one is the rule.
    is_rule = name != "anyone" and not hasattr(view, "access")

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        check()
        if is_rule and "identity" in g:
            _require_scope(opening)
        # Where a schema reads the query, it refuses what it does not know. Probes and scrapers may add what they like.
        if not reads_query and request.path.startswith("/api/"):
            refuse_parameters(request)
        return view(*args, **kwargs)

    guarded.access = getattr(view, "access", name)  # type: ignore[attr-defined]
    guarded.endpoint = _endpoint(view)  # type: ignore[attr-defined]
    errors = {}
    if name != "anyone":
        errors[401] = "No valid access token."
    if name in ("signed_in", "superuser", "self_or_superuser"):
        errors[422] = "A field or parameter is not valid."
    if name != "anyone":
        errors[403] = "Signed in, but not allowed; or an API token without the scope."
    security = [*_SECURITY.get(name, [{"bearer": []}]), *({"api_token": [str(scope)]} for scope in opening)]
    return cast(View, documented(guarded, errors, security=security))


def _endpoint(view: View) -> str:
    """Return the name under which the view's blueprint registers it: blueprints are named after their modules."""
    return f"{view.__module__.rpartition('.')[2]}.{view.__name__}"
