"""``/health``: whether the service and its dependencies work."""

from __future__ import annotations

from typing import Any

import rollcall
from rollcall.api import access
from rollcall.api.blueprint import Blueprint
from rollcall.api.schemas.operation import HealthSchema, ProbeSchema
from rollcall.infra import runtime
from rollcall.infra.database import db
from rollcall.services import health

blueprint = Blueprint("health", __name__, url_prefix="/health", description="Health")


@blueprint.get("")
@access.anyone
@blueprint.response(200, HealthSchema)
@blueprint.alt_response(503, schema=HealthSchema, description="A dependency does not work, or stores nothing; its check says so.")
def deep_health() -> tuple[dict[str, Any], int]:
    """Check every configured dependency in parallel, within two seconds"""
    healthy, checks = health.examine(health.everything(runtime.settings(), db.engine))
    status = "healthy" if healthy else "unhealthy"
    report = {"status": status, "app_name": "Rollcall", "version": rollcall.__version__, "checks": checks}
    return report, 200 if healthy else 503


@blueprint.get("/live")
@access.anyone
@blueprint.response(200, ProbeSchema)
def live() -> dict[str, str]:
    """The process answers"""
    return {"status": "alive"}


@blueprint.get("/ready")
@access.anyone
@blueprint.response(200, ProbeSchema)
@blueprint.alt_response(503, schema=ProbeSchema, description="The database is unavailable, or older than this code.")
def ready() -> tuple[dict[str, str], int]:
    """The database answers and is migrated to this code's head or past it"""
    healthy, _ = health.examine(health.readiness(db.engine))
    return ({"status": "ready"}, 200) if healthy else ({"status": "not_ready"}, 503)
