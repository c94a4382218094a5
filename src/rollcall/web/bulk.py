"""Activate or deactivate many users: those selected in the list, or all that match a filter."""

from __future__ import annotations

from flask import flash, redirect, request
from werkzeug import Response

from rollcall.api.client import transaction
from rollcall.errors import SelectionChanged
from rollcall.infra import deadline, runtime
from rollcall.infra.database import session
from rollcall.services.users import bulk_changes
from rollcall.services.users.bulk_changes import Selection
from rollcall.web import access, list_query, selection, undo
from rollcall.web.blueprint import blueprint
from rollcall.web.forms import Form
from rollcall.web.undo import DEED, STATES

_ADDRESS = f"/dashboard/users/<any(selected, matching):whom>/{DEED}"


@blueprint.get(_ADDRESS)
@access.superuser
def ask_many(whom: str, deed: str) -> Response:
    """Show how many users would change and what that means, and ask for confirmation."""
    chosen = selection.asked(whom)
    return _question(Form(), whom, chosen, deed) if chosen else selection.nobody()


@blueprint.post(_ADDRESS)
@access.superuser
@deadline.limit(times=10)
def change_many(whom: str, deed: str) -> Response:
    """Change the users if the number is still the confirmed one. Otherwise ask again."""
    form, chosen, me, state = Form.sent(), selection.asked(whom), access.identity(), STATES[deed]
    try:
        with transaction() as work:
            changed = bulk_changes.change(work, chosen, me, runtime.now(), is_active=state, expected=selection.confirmed())
    except SelectionChanged as error:
        return _question(form.refuse(error), whom, chosen, deed)
    message = f"{undo.who(changed)} {'active again' if state else 'deactivated'}."
    if whom == "selected":
        undo.offer(message + undo.ended(changed.sessions), deed, changed.ids)
    else:
        flash(message)
    return redirect(selection.back(whom))


def _question(form: Form, whom: str, chosen: Selection, deed: str) -> Response:
    seen = bulk_changes.preview(session(), chosen, access.identity(), runtime.now(), is_active=STATES[deed])
    return form.page(
        "bulk.html",
        deed=deed,
        seen=seen,
        at_most=bulk_changes.AT_MOST,
        filters=[label for _, label in list_query.labels(request.args)],
        gone=len(chosen) - seen.selected if isinstance(chosen, tuple) else 0,
        selected=whom == "selected",
        back=selection.back(whom),
    )
