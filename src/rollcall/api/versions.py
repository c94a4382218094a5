"""Versions of a user over HTTP: a strong ``ETag``, ``If-None-Match`` and ``If-Match`` (RFC 9110, sections 8.8.3 and 13.1)."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from flask import Response, jsonify, request

from rollcall.api.schemas.users import represented
from rollcall.models import User, UserRecord

ETAG: Final[dict[str, Any]] = {"ETag": {"schema": {"type": "string"}, "description": "The version of the user."}}
IF_MATCH: Final[dict[str, Any]] = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "schema": {"type": "string"},
    "description": "The `ETag` of the version that may be changed; without it, any version may be.",
}


def versioned(user: User | UserRecord, status: int = 200) -> Response:
    """Answer a user with the user's version; 304 to a GET that has this version already."""
    response = jsonify(represented(user))
    response.status_code = status
    response.set_etag(user.version)
    if request.if_none_match:  # only then may it be a 304
        response.make_conditional(request)
    return response


def required_versions() -> Container[str] | None:
    """The versions that ``If-Match`` names; ``None``: any, since the header is absent or ``*``.

    A compressed answer carries its ``ETag`` with the coding behind a colon, and clients send it back so.
    """
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    return {tag.partition(":")[0] for tag in request.if_match.as_set() if tag}  # werkzeug reads `""` as None
