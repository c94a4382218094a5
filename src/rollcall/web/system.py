"""The system page: health checks, database connections of each worker, and rejected requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import make_response, render_template
from werkzeug import Response

from rollcall.infra import metrics, pool_metrics, runtime
from rollcall.infra.database import db, session
from rollcall.infra.metrics import Counted
from rollcall.services import health
from rollcall.settings import Settings
from rollcall.web import access
from rollcall.web.blueprint import blueprint

_REFRESH_SECONDS = 10
_PROVIDERS = {"postgresql": "PostgreSQL", "redis": "Redis"}


@dataclass(frozen=True, slots=True)
class Part:
    """A dependency of the service.

    :ivar state: ``works``, ``fails``, ``off``, or ``unchecked`` where no server is needed for it.
    :ivar latency: how long it took to answer, in milliseconds; ``None`` without an answer.
    :ivar error: what is wrong; empty where it works.
    """

    name: str
    state: str
    provider: str
    latency: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The rejected requests of one route.

    :ivar status: what they were answered.
    :ivar stuck_in: what a request spent its time in; empty for a rate limit.
    """

    route: str
    status: int
    stuck_in: str
    times: int


@blueprint.get("/dashboard/system")
@access.superuser
def system() -> Response:
    """Show the checks, the pools and the counters. A script refreshes them from this page every few seconds."""
    settings, counted = runtime.settings(), metrics.counted()
    session().rollback()  # the check takes a connection of the pool, which may have no second one
    _, checks = health.examine(health.everything(settings, db.engine))
    parts = _parts(settings, checks)
    page = render_template(
        "system.html",
        now=runtime.now(),
        refresh_seconds=_REFRESH_SECONDS,
        parts=parts,
        failing=[part for part in parts if part.state == "fails"],
        pools=pool_metrics.snapshot(),
        counted=counted,
        cache_enabled=settings.cache_enabled,
        hit_rate=_hit_rate(counted),
        refused=_refused(counted),
    )
    return make_response(page)


def _parts(settings: Settings, checks: Mapping[str, Mapping[str, Any]]) -> list[Part]:
    """Return all dependencies, including those without a check because they are off or need no server."""
    without = {
        "cache": (settings.cache_enabled, "Files on this machine"),
        "rate_limiter": (settings.rate_limit_enabled, "The memory of each worker"),
    }
    parts = []
    for key, name in (("database", "Database"), ("cache", "Cache"), ("rate_limiter", "Rate limits")):
        if key in checks:
            check = checks[key]
            state = "works" if check["status"] == "healthy" else "fails"
            parts.append(Part(name, state, _PROVIDERS[check["provider"]], check["latency_ms"], check.get("error", "")))
        else:
            enabled, provider = without[key]
            parts.append(Part(name, "unchecked", provider) if enabled else Part(name, "off", ""))
    return parts


def _hit_rate(counted: Counted) -> float | None:
    """Return the share of cache hits, 0 to 1, or ``None`` before the first lookup."""
    asked = counted.cache_hits + counted.cache_misses
    return counted.cache_hits / asked if asked else None


def _refused(counted: Counted) -> list[Refused]:
    """Return the rejected requests by route, the most frequent first."""
    refused = [Refused(route, 504, stuck_in, times) for (route, stuck_in), times in counted.timeouts.items()]
    refused += [Refused(route, 429, "", times) for route, times in counted.refusals.items()]
    return sorted(refused, key=lambda row: (-row.times, row.route, row.status, row.stuck_in))
