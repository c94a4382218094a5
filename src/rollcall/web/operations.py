"""The page of operations: imports and changes of several users, who made them, when, and a button to undo each."""

from __future__ import annotations

from uuid import UUID

from flask import flash, make_response, redirect, render_template, request, url_for
from werkzeug import Response

from rollcall.api.client import transaction
from rollcall.errors import OperationUndone
from rollcall.infra import deadline, runtime
from rollcall.infra.database import session
from rollcall.models import Operation
from rollcall.services.users import operations, undo
from rollcall.web import access
from rollcall.web.blueprint import blueprint
from rollcall.web.wording import plural

_SHOWN = 50
_ID_DIGITS = 18


@blueprint.get("/dashboard/operations")
@access.superuser
def list_operations() -> Response:
    """Show the latest operations, or with ``before`` those before an id."""
    before = request.args.get("before", "")
    valid = before.isascii() and before.isdigit() and len(before) <= _ID_DIGITS
    part = operations.listed(session(), _SHOWN, before=int(before) if valid else None)
    return make_response(render_template("operations.html", operations=part.operations, older=part.older, newest=not valid))


@blueprint.post("/dashboard/operations/<user_id:operation_id>/undo")
@access.superuser
@deadline.limit(times=10)
def undo_operation(operation_id: int) -> Response:
    """Undo an operation, and say for how many users."""
    target = access.own_path(request.form.get("next")) or url_for(".list_operations")
    try:
        with transaction() as work:
            undone = undo.undo(work, operation_id, access.identity(), runtime.now())
    except OperationUndone:
        flash("This operation was undone before.", "error")
        return redirect(target)
    left = f" {plural(undone.left, 'user')} had been changed or used since, and stay." if undone.left else ""
    flash(f"Undone for {plural(undone.restored, 'user')}.{left}")
    return redirect(target)


def of_import(run_id: UUID) -> Operation | None:
    """Return the operation of an import in the browser, for its page."""
    return operations.of_run(session(), run_id)
