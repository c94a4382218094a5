"""Undo an activation or deactivation: the button in the message about it, and the undo itself."""

from __future__ import annotations

from collections.abc import Sequence

from flask import flash, redirect, request, url_for
from werkzeug import Response

from rollcall.api.client import transaction
from rollcall.infra import runtime
from rollcall.services.users import bulk_changes
from rollcall.services.users.bulk_changes import Changed
from rollcall.web import access, selection
from rollcall.web.blueprint import blueprint
from rollcall.web.wording import plural

# Activating, or not, by the name of the deed.
STATES = {"activate": True, "deactivate": False}
DEED = f"<any({', '.join(STATES)}):deed>"


def offer(message: str, deed: str, ids: Sequence[int]) -> None:
    """Show a message on the next page, with a button to undo the action.

    :param deed: what was done, of ``STATES``.
    :param ids: the users who were changed by it, at most ``SELECTED_AT_MOST``: they travel in the cookie. None: no offer.
    """
    if ids:
        flash((message, deed, list(ids)), "undo")  # type: ignore[arg-type]  # read by templates/base.html alone
    else:
        flash(message)


@blueprint.post(f"/dashboard/users/undo/{DEED}")
@access.superuser
def undo(deed: str) -> Response:
    """Set the users back to their previous status."""
    ids, state = selection.given_ids(request.form), not STATES[deed]
    with transaction() as work:
        changed = bulk_changes.change(work, ids, access.identity(), runtime.now(), is_active=state)
    flash(f"Undone: {who(changed)} {'active' if state else 'inactive'} again.{_left(len(ids) - len(changed.ids))}")
    return redirect(access.own_path(request.form.get("next")) or url_for(".list_users"))


def ended(sessions: int) -> str:
    """Return a sentence about the ended sessions, which an undo does not restore."""
    return f" {plural(sessions, 'session')} ended, which Undo does not bring back." if sessions else ""


def who(changed: Changed) -> str:
    """``ann is``, or ``12 users are``."""
    if changed.username is not None:
        return f"{changed.username} is"
    return f"{plural(len(changed.ids), 'user')} are" if changed.ids else "nobody is"


def _left(count: int) -> str:
    return f" {plural(count, 'other')} had changed again meanwhile, or {'is' if count == 1 else 'are'} gone." if count else ""
