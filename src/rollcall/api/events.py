"""``/api/v1/events`` and ``/users/{id}/changes``: what happened, for superusers."""

from __future__ import annotations

from typing import Any

from flask import jsonify

from rollcall.api import access, paging
from rollcall.api.blueprint import Blueprint
from rollcall.api.schemas.events import ChangesQuerySchema, EventPageSchema, EventsQuerySchema
from rollcall.infra.database import session
from rollcall.services.events import trail
from rollcall.services.events.trail import EventFilter
from rollcall.services.users import directory

blueprint = Blueprint("events", __name__, url_prefix="/api/v1", description="Security events")


@blueprint.get("/events")
@access.superuser
@blueprint.arguments(EventsQuerySchema, location="query")
@blueprint.response(200, EventPageSchema)
@blueprint.errors(422)
def list_events(query: dict[str, Any]) -> Any:
    """List security events, the newest first

    Filters combine with AND. Events outlive their users; they are kept for `ROLLCALL_EVENTS_DAYS` days. `next_cursor`, and the
    `Link` header (RFC 8288), lead on at the same cost on the last page as on the first.
    """
    body, headers = paging.event_page(session(), query, EventFilter(**query["chosen"]))
    return jsonify(body), headers


@blueprint.get("/users/<user_id:user_id>/changes")
@access.superuser
@blueprint.arguments(ChangesQuerySchema, location="query")
@blueprint.response(200, EventPageSchema)
@blueprint.errors(404, 422)
def list_changes(query: dict[str, Any], user_id: int) -> Any:
    """List what was changed about a user, the newest first

    Of a deleted user as well, as long as the events are kept.
    """
    body, headers = paging.event_page(session(), query, trail.changes_filter(user_id))
    if not body["items"]:
        directory.read_user(session(), user_id)  # nothing is known of an id that never was
    return jsonify(body), headers
