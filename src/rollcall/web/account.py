"""The first superuser, log-in and log-out, and the user's own profile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import abort, current_app, flash, redirect, request, url_for
from flask import session as cookie
from werkzeug import Response

from rollcall.api import client
from rollcall.api.schemas.auth import CredentialsSchema
from rollcall.api.schemas.users import RegistrationSchema, UserChangeSchema
from rollcall.errors import Conflict, InactiveAccount, InvalidCredentials, SetUpAlready, ValidationFailed
from rollcall.infra import rate_limit, runtime
from rollcall.infra.database import session, transaction
from rollcall.services.identity import accounts
from rollcall.services.users import directory, first_superuser, history
from rollcall.web import access, drafts, sessions
from rollcall.web.blueprint import blueprint
from rollcall.web.forms import Form


@blueprint.get("/")
@access.signed_in
def home() -> Response:
    """Redirect to the dashboard, or to the profile of a plain user."""
    return redirect(url_for(".dashboard" if access.identity().user.is_superuser else ".profile"))


@blueprint.get("/setup/<token>")
@access.anyone
def set_up_form(token: str) -> Response:
    """Show the form for the first superuser, as long as there is none."""
    _require_set_up_link(token)
    if not first_superuser.is_needed(session()):
        raise SetUpAlready
    return Form().page("setup.html")


@blueprint.post("/setup/<token>")
@access.anyone
@rate_limit.per_address(rate_limit.LOG_IN_LIMIT, "setup")
def set_up(token: str) -> Response:
    """Create the first superuser and log in as this user."""
    _require_set_up_link(token)
    form = Form.sent()
    try:
        new = form.load(RegistrationSchema())
        with transaction() as work:
            first_superuser.create(work, new, runtime.now())
            name, password = new.username, new.password
            opened = accounts.log_in(work, name, password, device=client.device(), now=runtime.now(), lifetime=_lifetime())
    except (ValidationFailed, Conflict) as error:
        return form.refuse(error).page("setup.html")
    access.open_session(opened)
    flash("Rollcall is set up. You are its first superuser.")
    return redirect(url_for(".dashboard"))


def _require_set_up_link(token: str) -> None:
    if not first_superuser.is_link(str(current_app.secret_key), f"/setup/{token}"):
        abort(404)


@blueprint.get("/login")
@access.anyone
def log_in_form() -> Response:
    """Show the log-in form; ``next`` is where to go afterwards."""
    return Form().page("login.html", next=access.own_path(request.args.get("next")))


@blueprint.post("/login")
@access.anyone
@rate_limit.per_address(rate_limit.LOG_IN_LIMIT, "login")
def log_in() -> Response:
    """Open a session, and redirect to the page that required it."""
    form, target = Form.sent(), access.own_path(request.form.get("next"))
    try:
        given = form.load(CredentialsSchema())
        account = accounts.tried(session(), given["username"])
        with rate_limit.per_account_tried(rate_limit.LOG_IN_LIMIT, "login", account), transaction() as work:
            opened = accounts.log_in(work, **given, device=client.device(), now=runtime.now(), lifetime=_lifetime())
    except (ValidationFailed, InvalidCredentials, InactiveAccount) as error:
        return form.refuse(error).page("login.html", next=target)
    typed = drafts.held()
    access.open_session(opened)
    drafts.hold(typed)
    return redirect(target or url_for(".home"))


def _lifetime() -> timedelta:
    return timedelta(minutes=runtime.settings().session_minutes)


@blueprint.post("/logout")
@access.signed_in
def log_out() -> Response:
    """End this session."""
    with transaction() as work:
        accounts.log_out(work, access.identity())
    cookie.clear()
    flash("You are logged out.")
    return redirect(url_for(".log_in_form"))


@blueprint.get("/profile")
@access.signed_in
def profile() -> Response:
    """Show the user's own details and sessions."""
    return Form(_details()).page("profile.html", **_profile_context())


@blueprint.post("/profile")
@access.signed_in
@rate_limit.per_caller("10/minute")
def change_profile() -> Response:
    """Change the user's own details."""
    form = Form.sent()
    try:
        changes = form.load(UserChangeSchema(only=("email", "username", "full_name")))
        with transaction() as work:
            directory.change_user(work, access.identity().user.id, changes, access.identity(), runtime.now())
    except (ValidationFailed, Conflict) as error:
        return form.refuse(error).page("profile.html", **_profile_context())
    flash("Your profile is saved.")
    return redirect(url_for(".profile"))


@blueprint.get("/profile/password")
@access.signed_in
def own_password_form() -> Response:
    """Show the form for the user's own password."""
    return Form().page("password.html", person=access.identity().user)


@blueprint.post("/profile/password")
@access.signed_in
@rate_limit.per_caller("10/minute")
def change_own_password() -> Response:
    """Change the user's own password, and end the other sessions."""
    form = Form.sent()
    try:
        changes = form.load(UserChangeSchema(only=("password", "current_password")))
        with transaction() as work:
            directory.change_user(work, access.identity().user.id, changes, access.identity(), runtime.now())
    except ValidationFailed as error:
        return form.refuse(error).page("password.html", person=access.identity().user)
    flash("Your password is changed. You are logged out everywhere else.")
    return redirect(url_for(".profile"))


@blueprint.post("/profile/sessions")
@access.signed_in
def end_other_sessions() -> Response:
    """End all of the user's own sessions except this one."""
    with transaction() as work:
        accounts.end_sessions(work, access.identity().user.id, keep=access.identity().session_id)
    flash("You are logged out everywhere else.")
    return redirect(url_for(".profile"))


def _details() -> dict[str, Any]:
    user = access.identity().user
    return {"email": user.email, "username": user.username, "full_name": user.full_name}


def _profile_context() -> dict[str, Any]:
    me = access.identity()
    return {
        "person": me.user,
        "changes": history.recent(session(), me.user.id),
        **sessions.listed(me.user.id),
    }
