"""Versions of a user over HTTP: a strong ``ETag``, ``If-None-Match`` and ``If-Match`` (RFC 9110, sections 8.8.3 and 13.1)."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from flask import Response, jsonify, request

from rollcall.api.schemas.users import represented
from rollcall.models import User, UserRecord

ETAG: Final[dict[str, Any]] = {
    "ETag": {"schema": {"type": "string"}, "description": "The version, a dot, a mark of the last log-in."}
}
IF_MATCH: Final[dict[str, Any]] = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "schema": {"type": "string"},
    "description": "The `ETag` of the version that may be changed; without it, any may be. A log-in makes no new version.",
}


def versioned(user: User | UserRecord, status: int = 200) -> Response:
    """Answer a user with an ``ETag``; 304 to a GET that has this answer already."""
    response = jsonify(represented(user))
    response.status_code = status
    response.set_etag(user.etag)
    if request.if_none_match:  # only then may it be a 304
        response.make_conditional(request)
    return response


def required_versions() -> Container[str] | None:
    """Return the versions that ``If-Match`` names; ``None``: any, since the header is absent or ``*``.

    Only the version of an ``ETag`` counts: nobody has changed a user who has logged in meanwhile. A compressed answer carries
    its ``ETag`` with the coding behind a colon, and clients send it back so.
    """
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    return {tag.partition(":")[0].partition(".")[0] for tag in request.if_match.as_set() if tag}  # werkzeug reads `""` as None
