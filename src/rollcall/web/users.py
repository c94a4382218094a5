"""The pages about users: the list, a new user, and one user."""

from __future__ import annotations

from typing import Any

from flask import flash, make_response, redirect, render_template, request, url_for
from werkzeug import Response

from rollcall.api import mails, sign_in
from rollcall.api.client import transaction
from rollcall.api.schemas.users import NewUserFormSchema, UserChangeSchema
from rollcall.errors import Conflict, LastSuperuser, ValidationFailed, VersionChanged
from rollcall.infra import runtime
from rollcall.infra.database import session
from rollcall.services.events import trail
from rollcall.services.identity import accounts
from rollcall.services.users import directory, email_changes, guards
from rollcall.web import access, edits, list_address, sessions, undo
from rollcall.web.actions import ACTIONS
from rollcall.web.blueprint import blueprint
from rollcall.web.forms import Form
from rollcall.web.user_list import UserList

_ONE = "/dashboard/users/<user_id:user_id>"
_EDITED = (*edits.DETAILS, "is_superuser")
_ACTION = f"{_ONE}/<any({', '.join(map(repr, ACTIONS))}):name>"


@blueprint.get("/dashboard/users")
@access.superuser
def list_users() -> Response:
    """Show the list that the URL describes."""
    with transaction() as work:
        shown = UserList(work, request.args)
    return make_response(render_template("users.html", list=shown, users=shown.users), shown.status)


@blueprint.get("/dashboard/users/new")
@access.superuser
def new_user() -> Response:
    """Show the form for a new user."""
    return Form({"is_active": "true"}).page("user_new.html")


@blueprint.post("/dashboard/users/new")
@access.superuser
def create_user() -> Response:
    """Create a user, and show the user."""
    form = Form.sent()
    try:
        new = form.load(NewUserFormSchema())
        with transaction() as work:
            created = directory.create_user(work, new, access.identity(), runtime.now())
    except (ValidationFailed, Conflict) as error:
        return form.refuse(error).page("user_new.html")
    flash(f"{created.username} is created.")
    return redirect(url_for(".show_user", user_id=created.id))


@blueprint.get(_ONE)
@access.superuser
def show_user(user_id: int) -> Response:
    """Show one user: the account, sessions and recent changes, the actions, and the form to edit the details."""
    shown = _shown(user_id)
    return Form(edits.shown(shown["person"], _EDITED)).page("user.html", **shown)


@blueprint.post(_ONE)
@access.superuser
def change_user(user_id: int) -> Response:
    """Change a user's details and role."""
    form = Form.sent()
    try:
        changes = edits.changes(form.load(UserChangeSchema(only=(*_EDITED, "current_password"))))
        me = access.identity()
        with sign_in.own_password(changes, user_id, me.user.id), transaction() as work:
            now, cipher, versions = runtime.now(), mails.cipher(), edits.versions()
            changed, waiting = email_changes.change_user(work, user_id, changes, me, now, cipher=cipher, versions=versions)
    except VersionChanged as error:
        shown = _shown(user_id)
        clashes = edits.merge(form, error, shown["person"], _EDITED)
        return form.page("user.html", clashes=clashes, **shown)
    except (ValidationFailed, Conflict) as error:
        return form.refuse(error).page("user.html", **_shown(user_id))
    flash(f"{changed.username} is saved." + (f" The address {waiting} waits for its confirmation." if waiting else ""))
    return redirect(url_for(".show_user", user_id=user_id))


@blueprint.get(f"{_ONE}/password")
@access.superuser
def password_form(user_id: int) -> Response:
    """Show the form for a user's password. The own password is changed in the profile."""
    if user_id == access.identity().user.id:
        return redirect(url_for(".own_password_form"))
    return Form().page("password.html", person=directory.get_user(session(), user_id))


@blueprint.post(f"{_ONE}/password")
@access.superuser
def set_password(user_id: int) -> Response:
    """Set a user's password, and end the sessions of that user."""
    form = Form.sent()
    try:
        changes = form.load(UserChangeSchema(only=("password", "must_change_password", "current_password")))
        me = access.identity()
        if user_id == me.user.id:
            del changes["must_change_password"]
        with sign_in.own_password(changes, user_id, me.user.id), transaction() as work:
            person = directory.change_user(work, user_id, changes, me, runtime.now())
    except ValidationFailed as error:
        return form.refuse(error).page("password.html", person=directory.get_user(session(), user_id))
    asked = " A new one is asked for at the next log-in." if changes.get("must_change_password") else ""
    flash(f"{person.username} has a new password, and is logged out everywhere.{asked}")
    return redirect(url_for(".show_user", user_id=user_id))


@blueprint.post(f"{_ONE}/activate")
@access.superuser
def activate_user(user_id: int) -> Response:
    """Let a user log in again."""
    with transaction() as work:
        was_active = directory.get_user(work, user_id).is_active
        person = directory.change_user(work, user_id, {"is_active": True}, access.identity(), runtime.now())
    undo.offer(f"{person.username} is active again.", "activate", [] if was_active else [user_id])
    return redirect(access.own_path(request.form.get("next")) or url_for(".show_user", user_id=user_id))


@blueprint.get(_ACTION)
@access.superuser
def ask(user_id: int, name: str) -> Response:
    """Show the consequences of an action, and ask for confirmation."""
    return Form().page("confirm.html", **_question(user_id, name, request.args.get("next")))


@blueprint.post(_ACTION)
@access.superuser
def act(user_id: int, name: str) -> Response:
    """Perform the confirmed action."""
    form, action, me = Form.sent(), ACTIONS[name], access.identity()
    try:
        with transaction() as work:
            person = directory.get_user(work, user_id)
            was_active, message = person.is_active, action.done.format(person.username)
            ending = len(accounts.open_sessions(work, user_id, runtime.now()))
            action.perform(work, person, me)
    except LastSuperuser as error:
        return form.refuse(error).page("confirm.html", **_question(user_id, name, request.form.get("next")))
    deactivated = name == "deactivate" and was_active and user_id != me.user.id
    undo.offer(message + undo.ended(ending) if deactivated else message, "deactivate", [user_id] if deactivated else [])
    after = list_address.current() if name == "delete" else url_for(".show_user", user_id=user_id)
    return redirect(access.own_path(request.form.get("next")) or after)


def _context(user_id: int) -> dict[str, Any]:
    person = directory.get_user(session(), user_id)
    return {
        "person": person,
        "own": person.id == access.identity().user.id,
        "last_superuser": guards.is_last_superuser(session(), person),
        **sessions.listed(user_id),
    }


def _shown(user_id: int) -> dict[str, Any]:
    """Return what ``user.html`` shows of a user, apart from the form."""
    return _context(user_id) | {"changes": trail.recent(session(), user_id)}


def _question(user_id: int, name: str, target: str | None) -> dict[str, Any]:
    context = _context(user_id)
    others = [opened for opened in context["sessions"] if name != "end-sessions" or opened.id != context["session_id"]]
    action = ACTIONS[name]
    return context | {
        "name": name,
        "action": action,
        "consequences": action.consequences(context["person"], len(others)),
        "next": access.own_path(target),
    }
