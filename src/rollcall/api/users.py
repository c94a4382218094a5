"""``/api/v1/users``: people, one by one, in pages and in bulk."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, url_for

from rollcall.api import access, mails, paging, sign_in
from rollcall.api.blueprint import Blueprint
from rollcall.api.client import transaction
from rollcall.api.schemas.users import (
    ExportQuerySchema,
    ListQuerySchema,
    NewUserSchema,
    UserChangeSchema,
    UserPageSchema,
    UserSchema,
    represented,
)
from rollcall.api.versions import ETAG, IF_MATCH, required_versions, versioned
from rollcall.infra import bodies, deadline, rate_limit, runtime
from rollcall.infra.database import session, stream_rows
from rollcall.services.search import user_search
from rollcall.services.transfer import exports
from rollcall.services.users import directory, email_changes
from rollcall.services.users.fields import NewUser

blueprint = Blueprint("users", __name__, url_prefix="/api/v1/users", description="People")

LOCATION = {"Location": {"schema": {"type": "string"}, "description": "The user's address"}}


@blueprint.get("")
@access.superuser
@blueprint.arguments(ListQuerySchema, location="query")
@blueprint.response(200, UserPageSchema)
@blueprint.errors(422)
def list_users(query: dict[str, Any]) -> Any:
    """List users: filter, search, sort, page

    Filters combine with AND. `next_cursor` and `prev_cursor`, and the `Link` header (RFC 8288), lead on at the same cost
    on the last page as on the first; `page` numbers work as well.
    """
    page, headers = paging.user_page(session(), query)
    return jsonify(page | {"items": [represented(user) for user in page["items"]]}), headers


@blueprint.post("")
@access.superuser
@blueprint.arguments(NewUserSchema)
@blueprint.response(201, UserSchema, headers=LOCATION | ETAG)
@blueprint.errors(400, 409, 413, 415, 422)
def create_user(new: NewUser) -> Any:
    """Create a user

    With a password, or with `password_hash` of another system, or with neither: then nobody can log in as this user until a
    password is set.
    """
    with transaction() as work:
        user = directory.create_user(work, new, access.identity(), runtime.now())
    response = versioned(user, 201)
    response.headers["Location"] = url_for("users.get_user", user_id=user.id)
    return response


@blueprint.post("/bulk")
@access.superuser
@bodies.large
@blueprint.arguments(NewUserSchema(many=True))
@blueprint.response(201, UserSchema(many=True))
@blueprint.errors(400, 409, 413, 415, 422)
@deadline.limit(times=10)
def create_users(rows: list[NewUser]) -> Any:
    """Create many users, or none

    One transaction: if any row is not valid (422) or its names are taken (409), nothing is written, and `details` names
    every such row (`body.3.email`). A row may carry `password_hash` instead of `password`, or neither. It may take ten times as
    long as other requests, since it hashes the passwords; a 504 says in `details` how many of them fit.
    """
    with transaction() as work:
        made = directory.create_users(work, rows, access.identity(), runtime.now(), deadline.check)
    return jsonify([represented(user) for user in made]), 201


@blueprint.get("/export")
@access.superuser
@blueprint.arguments(ExportQuerySchema, location="query")
@blueprint.response(200, content_type="text/csv", description="The users, as CSV or NDJSON, streamed.")
@blueprint.errors(422)
@deadline.limit(times=20)
def export_users(query: dict[str, Any]) -> Response:
    """Export every user that matches the list's filters"""
    chosen = paging.user_filter(query)
    with transaction() as work:
        exports.record(work, query["format"], runtime.now(), chosen.plain)
    rows = stream_rows(user_search.exported(session(), chosen))
    chunks = exports.export_rows(rows, query["format"])
    return deadline.stream(chunks, content_type=exports.CONTENT_TYPES[query["format"]])


@blueprint.get("/<user_id:user_id>")
@access.signed_in
@rate_limit.per_caller("20/minute")
@access.self_or_superuser
@blueprint.response(200, UserSchema, headers=ETAG)
@blueprint.errors(404, 429)
def get_user(user_id: int) -> Any:
    """One user

    A request with the `ETag` in `If-None-Match` is answered 304 while the user stays the same.
    """
    return versioned(directory.read_user(session(), user_id))


@blueprint.patch("/<user_id:user_id>")
@access.signed_in
@rate_limit.per_caller("10/minute")
@access.self_or_superuser
@blueprint.arguments(UserChangeSchema)
@blueprint.response(200, UserSchema, headers=ETAG)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.errors(400, 404, 409, 412, 413, 415, 422, 429)
def change_user(changes: dict[str, Any], user_id: int) -> Any:
    """Change a user

    Users change their own username and full name, and, with `current_password`, their own e-mail address and password.
    Superusers also change others' fields, passwords without it, `is_active` and `is_superuser`. A deactivation and a new
    password end the user's sessions; a new e-mail address of one's own ends one's other sessions. Where mail is set up, that
    address counts once its user has opened the link that is mailed to it; until then the answer has the old one.

    With the `ETag` of the
    user in `If-Match`, nothing is written (412) if somebody has changed the user meanwhile.
    """
    me = access.identity()
    with sign_in.own_password(changes, user_id, me.user.id), transaction() as work:
        now, cipher, versions = runtime.now(), mails.cipher(), required_versions()
        user, _ = email_changes.change_user(work, user_id, changes, me, now, cipher=cipher, versions=versions)
    return versioned(user)


@blueprint.delete("/<user_id:user_id>")
@access.signed_in
@rate_limit.per_caller("5/minute")
@access.superuser
@blueprint.response(204)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.errors(404, 409, 412, 429)
def delete_user(user_id: int) -> None:
    """Delete a user

    With the `ETag` of the user in `If-Match`, nothing is deleted (412) if somebody has changed the user meanwhile.
    """
    with transaction() as work:
        directory.delete_user(work, user_id, access.identity(), runtime.now(), versions=required_versions())
