"""Deep health (R4): every part is asked, side by side, and none may take longer than its bound."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy import Engine

from rollcall.infra import probes
from rollcall.settings import Settings

log = logging.getLogger(__name__)

# Seconds that one check may take.
CHECK_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """A part of the service.

    :param provider: what it is, such as ``postgresql``.
    :param probe: raises when the part does not work. It bounds its own waits: a thread cannot be ended from outside.
    """

    provider: str
    probe: Callable[[], None]


def everything(settings: Settings, engine: Engine) -> dict[str, Check]:
    """The database, and Redis for each use that it is configured for."""
    checks = {"database": Check("postgresql", partial(probes.database, engine, CHECK_TIMEOUT))}
    if settings.cache_enabled and settings.cache_redis_url:
        checks["cache"] = Check("redis", partial(probes.redis, settings.cache_redis_url, CHECK_TIMEOUT))
    if settings.rate_limit_enabled and settings.rate_limit_redis_url:
        checks["rate_limiter"] = Check("redis", partial(probes.redis, settings.rate_limit_redis_url, CHECK_TIMEOUT))
    return checks


def readiness(engine: Engine) -> dict[str, Check]:
    """The database, reachable and migrated."""
    return {"database": Check("postgresql", partial(probes.migrated, engine, CHECK_TIMEOUT))}


def examine(checks: Mapping[str, Check]) -> tuple[bool, dict[str, dict[str, Any]]]:
    """Run all checks at once.

    :return: whether all passed, and for each ``{status, provider, latency_ms}``, with an ``error`` where it failed that
        names no host, user or credential.
    """
    answers: SimpleQueue[tuple[str, float, str | None]] = SimpleQueue()
    started = time.monotonic()
    for name, check in checks.items():
        Thread(target=_run, args=(name, check.probe, answers), name=f"health-{name}", daemon=True).start()
    report: dict[str, dict[str, Any]] = {
        name: {"status": "unhealthy", "provider": check.provider, "latency_ms": None, "error": "no answer in time"}
        for name, check in checks.items()
    }
    for _ in checks:
        try:
            name, seconds, error = answers.get(timeout=max(0.0, started + CHECK_TIMEOUT - time.monotonic()))
        except Empty:
            break
        report[name]["latency_ms"] = round(seconds * 1000, 2)
        if error is None:
            report[name]["status"] = "healthy"
            del report[name]["error"]
        else:
            report[name]["error"] = error
    return all(part["status"] == "healthy" for part in report.values()), report


def _run(name: str, probe: Callable[[], None], answers: SimpleQueue[tuple[str, float, str | None]]) -> None:
    started = time.monotonic()
    try:
        probe()
        error = None
    except Exception as failure:  # noqa: BLE001  (whatever it is, the part does not work)
        # The text of a driver's exception names hosts and users, so it goes nowhere.
        log.warning("health check %s failed: %s", name, type(failure).__name__)
        error = "not reachable"
    answers.put((name, time.monotonic() - started, error))
