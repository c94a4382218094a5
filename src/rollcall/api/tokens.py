"""``/api/v1/tokens``: API tokens, with which programs call this interface."""

from __future__ import annotations

from typing import Any

from flask import jsonify

from rollcall.api import access
from rollcall.api.blueprint import Blueprint
from rollcall.api.client import transaction
from rollcall.api.schemas.tokens import (
    ApiTokenQuerySchema,
    ApiTokensSchema,
    CreatedApiTokenSchema,
    NewApiTokenSchema,
    represented,
)
from rollcall.errors import AccessDenied
from rollcall.infra import rate_limit, runtime
from rollcall.infra.database import session
from rollcall.services.identity import tokens
from rollcall.services.identity.tokens import NewToken
from rollcall.services.users import directory

blueprint = Blueprint("tokens", __name__, url_prefix="/api/v1/tokens", description="API tokens")


@blueprint.get("")
@access.signed_in
@blueprint.arguments(ApiTokenQuerySchema, location="query")
@blueprint.response(200, ApiTokensSchema)
@blueprint.errors(403, 404, 422)
def list_tokens(query: dict[str, int]) -> Any:
    """List one's API tokens

    Those that have not expired, the newest first. Superusers list another user's with `user_id`.
    """
    me = access.identity().user
    user_id = query.get("user_id", me.id)
    if user_id != me.id:
        if not me.is_superuser:
            raise AccessDenied
        directory.read_user(session(), user_id)
    return jsonify({"items": [represented(token) for token in tokens.of_user(session(), user_id, runtime.now())]})


@blueprint.post("")
@access.signed_in
@rate_limit.per_caller("10/minute")
@blueprint.arguments(NewApiTokenSchema)
@blueprint.response(201, CreatedApiTokenSchema)
@blueprint.errors(400, 403, 409, 413, 415, 422, 429)
def create_token(new: NewToken) -> Any:
    """Create an API token

    The answer has the token itself, which is shown only now. It opens what its scopes name, and never more than its owner may do
    at that moment. It ends when it expires, when it is revoked, and when its owner is deactivated or deleted. A user can have
    50 tokens (409).
    """
    me = access.identity()
    with transaction() as work:
        made, token = tokens.create(work, me.user.id, new, me, runtime.now())
    return jsonify(represented(made) | {"token": token}), 201


@blueprint.delete("/<user_id:token_id>")
@access.signed_in
@blueprint.response(204)
@blueprint.errors(403, 404)
def revoke_token(token_id: int) -> None:
    """Revoke an API token

    Superusers revoke everybody's, others their own. It ends at once, also for requests under way.
    """
    with transaction() as work:
        tokens.revoke(work, token_id, access.identity(), runtime.now())
