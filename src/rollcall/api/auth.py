"""``/api/v1/auth``: registration and sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import jsonify

from rollcall.api import access, client, log_ins
from rollcall.api.blueprint import Blueprint
from rollcall.api.client import transaction
from rollcall.api.schemas.auth import CredentialsSchema, LogoutQuerySchema, TokenSchema
from rollcall.api.schemas.users import RegistrationSchema, UserSchema, represented
from rollcall.errors import RegistrationClosed
from rollcall.infra import rate_limit, runtime
from rollcall.infra.database import session
from rollcall.models import User
from rollcall.services.identity import accounts
from rollcall.services.users import directory
from rollcall.services.users.fields import NewUser

blueprint = Blueprint("auth", __name__, url_prefix="/api/v1/auth", description="Registration and sessions")


@blueprint.post("/register")
@access.anyone
@rate_limit.per_address("5/hour", "register")
@blueprint.arguments(RegistrationSchema)
@blueprint.response(201, UserSchema)
@blueprint.errors(400, 403, 409, 413, 415, 422, 429)
def register(new: NewUser) -> User:
    """Create one's own account

    Closed (403) where the operator has switched registration off.
    """
    if not runtime.settings().registration_enabled:
        raise RegistrationClosed
    with transaction() as work:
        return directory.create_user(work, new, runtime.now())


@blueprint.post("/login")
@access.anyone
@rate_limit.per_address(rate_limit.LOG_IN_LIMIT, "login")
@blueprint.arguments(CredentialsSchema)
@blueprint.response(200, TokenSchema)
@blueprint.errors(400, 401, 403, 413, 415, 422, 429)
def log_in(credentials: dict[str, str]) -> dict[str, Any]:
    """Open a session

    Answers alike, and in like time, for an unknown user and a wrong password (401); a deactivated user with the right
    password gets 403.
    """
    lifetime = timedelta(minutes=runtime.settings().session_minutes)
    account = accounts.tried(session(), credentials["username"])
    limit = rate_limit.per_account_tried(rate_limit.LOG_IN_LIMIT, "login", account)
    with log_ins.recorded(credentials["username"]), limit, transaction() as work:
        token = accounts.log_in(work, **credentials, device=client.device(), now=runtime.now(), lifetime=lifetime)
    return {"access_token": token, "token_type": "bearer", "expires_in": int(lifetime.total_seconds())}


@blueprint.post("/logout")
@access.signed_in
@blueprint.arguments(LogoutQuerySchema, location="query")
@blueprint.response(204)
@blueprint.errors(422)
def log_out(query: dict[str, bool]) -> None:
    """End this session, or all of the user's"""
    with transaction() as work:
        accounts.log_out(work, access.identity(), runtime.now(), everywhere=query["all"])


@blueprint.get("/me")
@access.signed_in
@rate_limit.limiter.limit("30/minute")
@blueprint.response(200, UserSchema)
@blueprint.errors(429)
def me() -> Any:
    """The user who asks"""
    return jsonify(represented(access.identity().user))
