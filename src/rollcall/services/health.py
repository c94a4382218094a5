"""Health checks (R4). All dependencies are checked in parallel, each with its own timeout."""

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

from rollcall.errors import DatabaseUnavailable
from rollcall.infra import causes, deadline, probes, throttled_log
from rollcall.settings import Settings

log = logging.getLogger(__name__)

# Seconds that one check may take at most.
CHECK_TIMEOUT = 2.0
# The checks' share of the request's own limit where that is shorter: the rest is for the answer.
_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Check:
    """How one dependency is checked.

    :param provider: what it is, such as ``postgresql``.
    :param probe: takes its timeout in seconds, and raises when the dependency does not work. It bounds its own waits,
        since a thread cannot be ended from outside.
    """

    provider: str
    probe: Callable[[float], None]


def everything(settings: Settings, engine: Engine) -> dict[str, Check]:
    """Return the checks of the database, and of Redis for each use that it is configured for."""
    checks = {"database": Check("postgresql", partial(probes.database, engine))}
    if settings.cache_enabled and settings.cache_redis_url:
        checks["cache"] = Check("redis", partial(probes.redis, settings.cache_redis_url))
    if settings.rate_limit_enabled and settings.rate_limit_redis_url:
        checks["rate_limiter"] = Check("redis", partial(probes.redis, settings.rate_limit_redis_url))
    return checks


def readiness(engine: Engine) -> dict[str, Check]:
    """Return the check that the database is reachable and migrated."""
    return {"database": Check("postgresql", partial(probes.migrated, engine))}


def examine(checks: Mapping[str, Check]) -> tuple[bool, dict[str, dict[str, Any]]]:
    """Run all checks at once.

    :return: whether all passed, and for each ``{status, provider, latency_ms}``, with an ``error`` where it failed that
        names no host, user or credential.
    """
    answers: SimpleQueue[tuple[str, float, str | None]] = SimpleQueue()
    started = time.monotonic()
    left = deadline.remaining()
    seconds = CHECK_TIMEOUT if left is None else min(CHECK_TIMEOUT, left * _SHARE)
    for name, check in checks.items():
        Thread(target=_run, args=(name, partial(check.probe, seconds), answers), name=f"health-{name}", daemon=True).start()
    report: dict[str, dict[str, Any]] = {
        name: {"status": "unhealthy", "provider": check.provider, "latency_ms": None, "error": "no answer in time"}
        for name, check in checks.items()
    }
    for _ in checks:
        try:
            name, taken, error = answers.get(timeout=max(0.0, started + seconds - time.monotonic()))
        except Empty:
            break
        report[name]["latency_ms"] = round(taken * 1000, 2)
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
    except probes.Unwritable:
        error = "cannot be written"
    except probes.NotMigrated:
        error = "not migrated"
    except Exception as failure:  # noqa: BLE001  (whatever it is, the dependency does not work)
        # The text of a driver's exception names hosts and users, so it is neither logged nor returned.
        cause = causes.logged(failure) if isinstance(failure, DatabaseUnavailable) else type(failure).__name__
        throttled_log.warn(log, f"health {name} {cause}", "health check %s failed: %s", name, cause)
        error = "not reachable"
    answers.put((name, time.monotonic() - started, error))
