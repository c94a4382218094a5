"""``/api/v1/auth``: registration and sessions."""

from __future__ import annotations

from typing import Any

from flask import Response

from rollcall.api import access, mails, sign_in
from rollcall.api.blueprint import Blueprint
from rollcall.api.client import transaction
from rollcall.api.schemas.auth import ForgotPasswordSchema, LoginSchema, LogoutQuerySchema, TokenSchema
from rollcall.api.schemas.users import RegistrationSchema, UserSchema
from rollcall.api.versions import ETAG, versioned
from rollcall.errors import RegistrationClosed
from rollcall.infra import rate_limit, runtime
from rollcall.infra.database import session
from rollcall.models import UserRecord
from rollcall.services.identity import accounts, rights
from rollcall.services.users import directory, letters
from rollcall.services.users.fields import NewUser

blueprint = Blueprint("auth", __name__, url_prefix="/api/v1/auth", description="Registration and sessions")


@blueprint.post("/register")
@access.anyone
@rate_limit.per_address("5/hour", "register")
@blueprint.arguments(RegistrationSchema)
@blueprint.response(201, UserSchema)
@blueprint.errors(400, 403, 409, 413, 415, 422, 429)
def register(new: NewUser) -> UserRecord:
    """Create one's own account

    Closed (403) where the operator has switched registration off.
    """
    if not runtime.settings().registration_enabled:
        raise RegistrationClosed
    with transaction() as work:
        return directory.create_user(work, new, None, runtime.now())


@blueprint.post("/login")
@access.anyone
@blueprint.arguments(LoginSchema)
@blueprint.response(200, TokenSchema)
@blueprint.errors(400, 401, 403, 413, 415, 422, 429)
def log_in(credentials: dict[str, str]) -> dict[str, Any]:
    """Open a session

    Answers alike, and in like time, for an unknown user and a wrong password (401); a deactivated user with the right
    password gets 403. Failures are counted: 10 in 5 minutes for each client network and for each account at it, and 100 in a
    row for each account. A network from which the user has logged in within 30 days only counts its own failures at the account.

    Where an administrator asks for a new password, the right one alone gets 403 (`details[0].type` is
    `password_change_required`). The same request with a `new_password` replaces the password and opens the session.
    """
    token = sign_in.log_in(**credentials)
    return {"access_token": token, "token_type": "bearer", "expires_in": int(sign_in.lifetime().total_seconds())}


@blueprint.post("/forgot-password")
@access.anyone
@rate_limit.per_address("10/hour", "forgot-password")
@blueprint.arguments(ForgotPasswordSchema)
@blueprint.response(202)
@blueprint.errors(400, 404, 413, 415, 422, 429)
def forgot_password(query: dict[str, str]) -> Response:
    """Mail a password link to an address

    Answers alike, and in like time, whether the address is a user's or nobody's: it is looked up later, when the mail is sent.
    404 where mail is not set up.
    """
    mails.require_set_up()
    with transaction() as work:
        letters.forgot_password(work, query["email"], runtime.now())
    return Response(status=202)


@blueprint.post("/logout")
@access.signed_in
@blueprint.arguments(LogoutQuerySchema, location="query")
@blueprint.response(204)
@blueprint.errors(422)
def log_out(query: dict[str, bool]) -> None:
    """End this session, or all of the user's"""
    me = access.identity()
    with transaction() as work:
        rights.confirm(work, me, runtime.now(), target=me.user.id)
        accounts.log_out(work, me, runtime.now(), everywhere=query["all"])


@blueprint.get("/me")
@access.signed_in
@rate_limit.limiter.limit("30/minute")
@blueprint.response(200, UserSchema, headers=ETAG)
@blueprint.errors(429)
def me() -> Any:
    """The caller"""
    return versioned(directory.read_user(session(), access.identity().user.id))
