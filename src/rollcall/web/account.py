"""The first superuser, log-in and log-out, and the user's own profile."""

from __future__ import annotations

from typing import Any

from flask import abort, current_app, flash, redirect, request, url_for
from flask import session as cookie
from werkzeug import Response

from rollcall.api import client, mails, sign_in
from rollcall.api.client import transaction
from rollcall.api.schemas.auth import CredentialsSchema
from rollcall.api.schemas.users import RegistrationSchema, UserChangeSchema
from rollcall.errors import Conflict, InactiveAccount, InvalidCredentials, SetUpAlready, ValidationFailed, VersionChanged
from rollcall.infra import rate_limit, runtime
from rollcall.infra.database import session
from rollcall.models import UserRecord
from rollcall.services.events import trail
from rollcall.services.identity import accounts, attempts, rights
from rollcall.services.users import directory, email_changes, first_superuser
from rollcall.web import access, drafts, edits, sessions
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
    if not _is_set_up_link(token):
        abort(404)
    if not first_superuser.is_needed(session()):
        raise SetUpAlready
    return Form().page("setup.html")


@blueprint.post("/setup/<token>")
@access.anyone
def set_up(token: str) -> Response:
    """Create the first superuser and log in as this user."""
    if not _is_set_up_link(token):
        sign_in.guess_at_link("set-up link")
        abort(404)
    form = Form.sent()
    try:
        new = form.load(RegistrationSchema())
        with transaction() as work:
            user = first_superuser.create(work, new, runtime.now())
            name, password = new.username, new.password
            device, now = client.device(), runtime.now()
            opened = accounts.log_in(work, name, password, device=device, now=now, lifetime=sign_in.lifetime())
            attempts.remember(work, attempts.own_account(work, user.id, device.network, now), now)
    except (ValidationFailed, Conflict) as error:
        return form.refuse(error).page("setup.html")
    access.open_session(opened)
    flash("Rollcall is set up. You are its first superuser.")
    return redirect(url_for(".dashboard"))


def _is_set_up_link(token: str) -> bool:
    return first_superuser.is_link(str(current_app.secret_key), f"/setup/{token}")


@blueprint.get("/login")
@access.anyone
def log_in_form() -> Response:
    """Show the log-in form; ``next`` is where to go afterwards."""
    return Form().page("login.html", next=access.own_path(request.args.get("next")))


@blueprint.post("/login")
@access.anyone
def log_in() -> Response:
    """Open a session, and redirect to the page that required it; or show the form for the new password that is asked for."""
    form, target = Form.sent(), access.own_path(request.form.get("next"))
    try:
        opened = sign_in.log_in_or_link(**form.load(CredentialsSchema()), replaces=access.replaced_token())
    except (ValidationFailed, InvalidCredentials, InactiveAccount) as error:
        return form.refuse(error).page("login.html", next=target)
    if not isinstance(opened, str):
        return Form({"token": opened.token}).page("password_link.html", owner=opened.user, due=True)
    typed = drafts.held()
    access.open_session(opened)
    drafts.hold(typed)
    return redirect(target or url_for(".home"))


@blueprint.post("/logout")
@access.signed_in
def log_out() -> Response:
    """End this session."""
    me = access.identity()
    with transaction() as work:
        rights.confirm(work, me, runtime.now(), target=me.user.id)
        accounts.log_out(work, me, runtime.now())
    cookie.clear()
    flash("You are logged out.")
    return redirect(url_for(".log_in_form"))


@blueprint.get("/profile")
@access.signed_in
def profile() -> Response:
    """Show the user's own details and sessions."""
    me = directory.read_user(session(), access.identity().user.id)
    return _profile_page(Form(edits.shown(me, edits.DETAILS)), me)


@blueprint.post("/profile")
@access.signed_in
@rate_limit.per_caller("10/minute")
def change_profile() -> Response:
    """Change the user's own details."""
    form, me = Form.sent(), access.identity()
    try:
        changes = edits.changes(form.load(UserChangeSchema(only=(*edits.DETAILS, "current_password"))))
        with sign_in.own_password(changes, me.user.id, me.user.id), transaction() as work:
            now, cipher, versions = runtime.now(), mails.cipher(), edits.versions()
            _, waiting = email_changes.change_user(work, me.user.id, changes, me, now, cipher=cipher, versions=versions)
    except VersionChanged as error:
        person = directory.read_user(session(), me.user.id)
        return _profile_page(form, person, clashes=edits.merge(form, error, person, edits.DETAILS))
    except (ValidationFailed, Conflict) as error:
        return _profile_page(form.refuse(error), directory.read_user(session(), me.user.id))
    if waiting:
        flash(f"A mail is on its way to {waiting}. Your new address counts once you have opened the link in it.")
    else:
        flash("Your profile is saved." + (" You are logged out everywhere else." if "email" in changes else ""))
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
    form, me = Form.sent(), access.identity()
    try:
        changes = form.load(UserChangeSchema(only=("password", "current_password")))
        with sign_in.own_password(changes, me.user.id, me.user.id), transaction() as work:
            directory.change_user(work, me.user.id, changes, me, runtime.now())
    except ValidationFailed as error:
        return form.refuse(error).page("password.html", person=access.identity().user)
    flash("Your password is changed. You are logged out everywhere else.")
    return redirect(url_for(".profile"))


@blueprint.post("/profile/sessions")
@access.signed_in
def end_other_sessions() -> Response:
    """End all of the user's own sessions except this one."""
    me = access.identity()
    with transaction() as work:
        rights.confirm(work, me, runtime.now(), target=me.user.id)
        accounts.end_other_sessions(work, me.user, runtime.now(), keep=me.session_id)
    flash("You are logged out everywhere else.")
    return redirect(url_for(".profile"))


def _profile_page(form: Form, me: UserRecord, **context: Any) -> Response:
    changes = trail.recent(session(), me.id)
    return form.page("profile.html", person=me, changes=changes, **sessions.listed(me.id), **context)
