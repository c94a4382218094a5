"""``/api/v1/metrics`` for superusers and ``/metrics`` for scrapers."""

from __future__ import annotations

from typing import Any

from flask import Response

from rollcall.api import access
from rollcall.api.blueprint import Blueprint
from rollcall.api.schemas.operation import PoolsSchema
from rollcall.infra import metrics, pool_metrics

blueprint = Blueprint("metrics", __name__, description="Metrics")


@blueprint.get("/api/v1/metrics/database")
@access.superuser
@blueprint.response(200, PoolsSchema)
@blueprint.errors()
def database_metrics() -> dict[str, Any]:
    """The use of the database pools, of all live workers and each"""
    return pool_metrics.snapshot()


@blueprint.get("/metrics")
@access.scraper
@blueprint.response(200, content_type="text/plain", description="Prometheus exposition over all workers.")
@blueprint.errors()
def exposition() -> Response:
    """Metrics for Prometheus

    For the bearer of `ROLLCALL_METRICS_TOKEN`, and of a superuser's API token. Without that setting also for this machine.
    """
    text, content_type = metrics.exposition()
    return Response(text, content_type=content_type)
