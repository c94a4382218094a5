"""``/api/v1/operations``: changes of many users at once, and their undo."""

from __future__ import annotations

from typing import Any

from flask import jsonify

from rollcall.api import access
from rollcall.api.blueprint import Blueprint
from rollcall.api.client import transaction
from rollcall.api.schemas.operations import UndoneSchema
from rollcall.infra import deadline, runtime
from rollcall.services.users import undo

blueprint = Blueprint("operations", __name__, url_prefix="/api/v1/operations", description="Operations")


@blueprint.post("/<user_id:operation_id>/undo")
@access.superuser
@blueprint.response(200, UndoneSchema)
@blueprint.errors(404, 409)
@deadline.limit(times=10)
def undo_operation(operation_id: int) -> Any:
    """Undo an operation

    For those of its users whom nobody has changed or used since. Users whom an import has created are deleted; those whom it has
    updated stay as they are. An activation or deactivation is reversed. An operation can be undone once (409).
    """
    with transaction() as work:
        undone = undo.undo(work, operation_id, access.identity(), runtime.now())
    return jsonify(undone._asdict())
