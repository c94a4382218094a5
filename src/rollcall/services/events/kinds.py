"""The types of security events."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What happened. The names are part of the interface: a type may be added, but none is ever renamed."""

    LOGIN_SUCCEEDED = "login_succeeded"
    LOGIN_FAILED = "login_failed"
    LOGIN_REFUSED = "login_refused"
    LOGOUT = "logout"
    SESSION_ENDED = "session_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  (the name of an event)
    PASSWORD_LINK_MADE = "password_link_made"  # noqa: S105
    PASSWORD_LINK_USED = "password_link_used"  # noqa: S105
    USER_CREATED = "user_created"
    USER_CHANGED = "user_changed"
    USER_DELETED = "user_deleted"
    USERS_CHANGED = "users_changed"
    USERS_IMPORTED = "users_imported"
    USERS_EXPORTED = "users_exported"
    TOKEN_CREATED = "token_created"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    SUPERUSER_SET_UP = "superuser_set_up"


CHANGES: Final = (Kind.USER_CHANGED, Kind.PASSWORD_CHANGED, Kind.USERS_CHANGED)
"""The types that change a user who is there; the index ``ix_security_events_changes`` names the same."""

# An anonymous caller acts as the user whom the event is about: who registers, say.
OWN: Final = frozenset({Kind.LOGIN_SUCCEEDED, Kind.PASSWORD_LINK_USED, Kind.USER_CREATED, Kind.SUPERUSER_SET_UP})
