"""End one session from the list of a user's sessions."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, url_for
from werkzeug import Response

from rollcall.api.client import transaction
from rollcall.infra import runtime
from rollcall.infra.database import session
from rollcall.services.identity import accounts, rights
from rollcall.web import access
from rollcall.web.blueprint import blueprint

# A script that logs in on each run can have hundreds.
_SHOWN = 50


@blueprint.post("/profile/sessions/<user_id:session_id>/end")
@access.signed_in
def end_own_session(session_id: int) -> Response:
    """End one of the user's own sessions."""
    return _end(access.identity().user.id, session_id, url_for(".profile"))


@blueprint.post("/dashboard/users/<user_id:user_id>/sessions/<user_id:session_id>/end")
@access.superuser
def end_session(user_id: int, session_id: int) -> Response:
    """End one session of another user."""
    return _end(user_id, session_id, url_for(".show_user", user_id=user_id))


def _end(user_id: int, session_id: int, after: str) -> Response:
    with transaction() as work:
        rights.confirm_and_lock(work, access.identity(), runtime.now(), user_id)
        accounts.end_session(work, user_id, session_id, runtime.now())
    flash("The session is ended.")
    return redirect(after)


def listed(user_id: int) -> dict[str, Any]:
    """Return what ``_sessions.html`` shows of a user's open sessions: this one first, then the newest."""
    this = access.identity().session_id
    found = accounts.open_sessions(session(), user_id, runtime.now())
    ordered = sorted(found, key=lambda opened: opened.id != this)
    return {"sessions": ordered, "sessions_shown": ordered[:_SHOWN], "session_id": this}
