"""``/api/v1/users/…/password-link``: one-time links with which users set their passwords, for one user or for many."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from rollcall.api import access, mails, paging
from rollcall.api.blueprint import Blueprint
from rollcall.api.client import public_url, transaction
from rollcall.api.schemas.links import LinkFileQuerySchema, LinkQuerySchema, PasswordLinkSchema, SelectionSchema
from rollcall.infra import deadline, rate_limit, runtime
from rollcall.infra.database import stream_rows
from rollcall.services.transfer import exports, link_files
from rollcall.services.transfer.exports import ExportFormat
from rollcall.services.users import letters, password_links
from rollcall.services.users.bulk_changes import Selection
from rollcall.services.users.password_links import Links

blueprint = Blueprint("password_links", __name__, url_prefix="/api/v1/users", description="Links to set a password")


@blueprint.post("/<user_id:user_id>/password-link")
@access.signed_in
@rate_limit.per_caller("5/minute")
@access.superuser
@blueprint.arguments(LinkQuerySchema, location="query")
@blueprint.response(201, PasswordLinkSchema)
@blueprint.errors(404, 429)
def make_password_link(query: dict[str, bool], user_id: int) -> Any:
    """Make a link with which a user sets a password

    It works once, within seven days, and while the user is active. A new link, a new password or a new e-mail address ends it.
    Superusers cannot make one for themselves (403). Where mail is set up, the link also goes to the user's address, unless the
    user is inactive (`mailed`).
    """
    now, cipher = runtime.now(), mails.cipher()
    with transaction() as work:
        link = password_links.make(work, user_id, access.identity(), now)
        mailed = cipher is not None and query["mail"] and letters.send_link(work, link, cipher, now)
    answer = {"url": link_files.url(public_url(), link.token), "expires_at": link.expires_at.isoformat(), "mailed": mailed}
    return jsonify(answer), 201


@blueprint.post("/password-links")
@access.superuser
@blueprint.arguments(LinkFileQuerySchema, location="query")
@blueprint.arguments(SelectionSchema)
@blueprint.response(200, content_type="text/csv", description="The links, as CSV or NDJSON, streamed.")
@blueprint.errors(400, 404, 409, 413, 415, 422)
@deadline.limit(times=20)
def make_password_links(query: dict[str, Any], selection: dict[str, Any]) -> Response:
    """Make password links for many users

    For the users with these `ids`, or for all whom a `filter` lets through. With a filter, `expected` says how many users that
    are; if it is another number by now, no link is made (409, and the message has the number). At most 100,000 users. The
    caller is left out. The answer has the columns `name`, `email`, `username`, `link` and `expires_at`.
    """
    chosen: Selection = tuple(selection["ids"]) if "ids" in selection else paging.user_filter(selection["filter"])
    now, cipher = runtime.now(), mails.required_cipher() if query["mail"] else None
    with transaction() as work:
        links = password_links.make_many(work, chosen, access.identity(), now, expected=selection.get("expected"))
        if cipher is not None:
            letters.send_links(work, links, cipher, now)
    return answer_file(links, query["format"])


def answer_file(links: Links, file_format: ExportFormat, *, for_spreadsheets: bool = False) -> Response:
    """Answer new links as a file, streamed."""
    found = link_files.rows(stream_rows(password_links.recipients(links)), links, public_url())
    chunks = link_files.written(found, file_format, for_spreadsheets=for_spreadsheets)
    return deadline.stream(chunks, content_type=exports.CONTENT_TYPES[file_format])
