"""Which scope of an API token opens which route: the only place that knows both.

A route that is in neither table is closed to API tokens. ``access`` reads the tables when it decorates a route.
"""

from __future__ import annotations

from typing import Final

from rollcall.services.identity.scopes import Scope

OPENED_BY: Final[dict[str, Scope]] = {
    "auth.me": Scope.SELF,
    "users.list_users": Scope.USERS_READ,
    "users.get_user": Scope.USERS_READ,
    "users.export_users": Scope.USERS_READ,
    "users.create_user": Scope.USERS_WRITE,
    "users.create_users": Scope.USERS_WRITE,
    "users.change_user": Scope.USERS_WRITE,
    "users.delete_user": Scope.USERS_WRITE,
    "password_links.make_password_link": Scope.USERS_WRITE,
    "password_links.make_password_links": Scope.USERS_WRITE,
    "operations.undo_operation": Scope.USERS_WRITE,
    "events.list_events": Scope.EVENTS_READ,
    "events.list_changes": Scope.EVENTS_READ,
    "dashboard.stats": Scope.STATISTICS_READ,
    "dashboard.signups": Scope.STATISTICS_READ,
    "metrics.database_metrics": Scope.METRICS_READ,
    "metrics.exposition": Scope.METRICS_READ,
}
"""By endpoint."""

BY_SESSION_ONLY: Final = frozenset({"auth.log_out", "tokens.list_tokens", "tokens.create_token", "tokens.revoke_token"})
"""Endpoints that no API token opens: it makes no tokens, and has no session to end."""

OF_ONESELF: Final = frozenset({"users.get_user", "users.change_user"})
"""Endpoints that ``self`` opens as well, for the id of the token's owner."""


def opening(endpoint: str) -> list[Scope]:
    """Return the scopes each of which opens a route, the wider one first."""
    scope = OPENED_BY.get(endpoint)
    return [] if scope is None else [scope, *([Scope.SELF] if endpoint in OF_ONESELF else [])]
