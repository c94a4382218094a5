"""``/api/v1/dashboard``: the state of the user base."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from rollcall.api import access
from rollcall.api.blueprint import Blueprint
from rollcall.api.schemas.operation import SignupsQuerySchema, SignupsSchema, StatisticsSchema
from rollcall.infra import runtime
from rollcall.infra.database import session
from rollcall.services.statistics import numbers

blueprint = Blueprint("dashboard", __name__, url_prefix="/api/v1/dashboard", description="The state of the user base")


@blueprint.get("/stats")
@access.superuser
@blueprint.response(200, StatisticsSchema)
@blueprint.errors()
def stats() -> Response:
    """The six statistics

    Exact at `timestamp`, cached for `ROLLCALL_STATS_TTL` seconds. `Age` tells how old they are; a request with the `ETag`
    in `If-None-Match` is answered 304 while they stay the same.
    """
    ttl = runtime.settings().stats_ttl
    found = numbers.cached(session(), runtime.now(), ttl)
    response = jsonify(found.value)
    response.headers["Cache-Control"] = f"private, max-age={max(0, round(ttl - found.age))}"
    response.headers["Age"] = str(int(found.age))
    response.add_etag()
    if request.if_none_match:  # only then may it be a 304
        response.make_conditional(request)
    return response


@blueprint.get("/signups")
@access.superuser
@blueprint.arguments(SignupsQuerySchema, location="query")
@blueprint.response(200, SignupsSchema)
@blueprint.errors(422)
def signups(query: dict[str, int]) -> dict[str, Any]:
    """Sign-ups per day (UTC), up to today"""
    days = numbers.signups(session(), runtime.now(), query["days"])
    return {"days": [{"date": day, "count": count} for day, count in days]}
