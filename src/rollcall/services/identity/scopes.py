"""The scopes of API tokens: what a token opens of that which its owner may do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """A scope. The names are part of the interface: a scope may be added, but none is ever renamed."""

    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    STATISTICS_READ = "statistics:read"
    METRICS_READ = "metrics:read"
    EVENTS_READ = "events:read"
    SCIM = "scim"
    SELF = "self"


MEANINGS = {
    Scope.USERS_READ: "Read users: lists, searches, exports.",
    Scope.USERS_WRITE: "Create, change and delete users, and make password links.",
    Scope.STATISTICS_READ: "Read the statistics.",
    Scope.METRICS_READ: "Read the metrics.",
    Scope.EVENTS_READ: "Read the security events.",
    Scope.SCIM: "Provision users by SCIM 2.0.",
    Scope.SELF: "Read and change the own account.",
}


def ordered(names: Iterable[str]) -> list[str]:
    """Return each scope once, in the order of :class:`Scope`."""
    given = set(names)
    return [str(scope) for scope in Scope if scope in given]
