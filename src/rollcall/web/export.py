"""CSV downloads of users: the filtered list, or the users selected in it."""

from __future__ import annotations

from typing import Any

from flask import request
from sqlalchemy import Select
from werkzeug import Response

from rollcall.api import paging
from rollcall.api.client import transaction
from rollcall.api.parsing import RequestParser
from rollcall.api.schemas.users import FilterSchema
from rollcall.infra import deadline, runtime
from rollcall.infra.database import session, stream_rows
from rollcall.services.search import user_search
from rollcall.services.transfer import exports
from rollcall.web import access, selection
from rollcall.web.blueprint import blueprint


@blueprint.get("/dashboard/users/export")
@access.superuser
@deadline.limit(times=20)
def export_users() -> Response:
    """Download all users of the filtered list as a CSV file.

    :raises ValidationFailed: a parameter is not valid. The list ignores such a parameter and
        says so; a file could not say that it contains more than was requested.
    """
    query = RequestParser().parse(FilterSchema(), request, location="query")
    chosen = paging.user_filter(query)
    with transaction() as work:
        exports.record(work, "csv", runtime.now(), chosen.plain)
    return _file(user_search.exported(session(), chosen))


@blueprint.get("/dashboard/users/selected/export")
@access.superuser
def export_selected() -> Response:
    """Download the selected users as a CSV file, in the order of the list."""
    ids = selection.given_ids(request.args)
    if not ids:
        return selection.nobody()
    with transaction() as work:
        exports.record(work, "csv", runtime.now(), {"selected": len(ids)})
    return _file(user_search.exported_by_id(ids))


def _file(query: Select[Any]) -> Response:
    chunks = exports.export_rows(stream_rows(query), "csv", for_spreadsheets=True)
    reply = deadline.stream(chunks, content_type=exports.CONTENT_TYPES["csv"])
    reply.headers.set("Content-Disposition", "attachment", filename=f"users-{runtime.now():%Y-%m-%d}.csv")
    return reply
