"""The Prometheus metrics. Under gunicorn each worker writes its own into a shared folder, and a scrape sums them.

If no folder is writable, each worker keeps its metrics in memory, and a scrape shows those of one worker.
"""

from __future__ import annotations

import time
from collections import Counter as Multiset
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from rollcall.infra import metrics_file

metrics_file.install()

REQUESTS = Histogram(
    "rollcall_request_seconds",
    "Requests answered, by route and status, and the time they took.",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
TIMEOUTS = Counter(
    "rollcall_request_timeouts_total",
    "Requests that passed their deadline, by route and by what they were stuck in.",
    ["route", "stuck_in"],
)
REFUSALS = Counter("rollcall_rate_limit_refusals_total", "Requests refused by a rate limit, by route.", ["route"])
CACHE_HITS = Counter("rollcall_cache_hits_total", "Values served from the cache.")
CACHE_MISSES = Counter("rollcall_cache_misses_total", "Values that had to be computed.")
CACHE_FAILURES = Counter("rollcall_cache_failures_total", "Failures of the cache's store; each value was computed instead.")
POOL = Gauge(
    "rollcall_pool_connections",
    "Connections of each worker's database pool, by state.",
    ["state"],
    multiprocess_mode="liveall",
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def init_app(app: Flask) -> None:
    """Measure every request of the application."""

    @app.before_request
    def _start() -> None:
        g.started_at = time.perf_counter()

    @app.after_request
    def _observe(response: Response) -> Response:
        method = request.method if request.method in _METHODS else "other"
        taken = time.perf_counter() - g.get("started_at", time.perf_counter())
        REQUESTS.labels(method, route(), str(response.status_code)).observe(taken)
        return response


def route() -> str:
    """Return the rule of the current request as a label. A path with ids would make an unbounded number of labels."""
    return request.url_rule.rule if request.url_rule else "unmatched"


class _Workers(MultiProcessCollector):
    """Skips empty files, of a worker that is starting or was killed while it started."""

    def collect(self) -> Any:
        files = [str(path) for path in Path(self._path).glob("*.db") if _size(path)]
        return self.merge(files, accumulate=True)  # type: ignore[no-untyped-call]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # of a worker that has just ended
        return 0


def registry() -> CollectorRegistry:
    """Return the metrics of all workers under gunicorn, else of this process."""
    gathered = CollectorRegistry()
    try:
        _Workers(gathered)  # type: ignore[no-untyped-call]
    except ValueError:  # gunicorn.conf.py has set no folder for them: there is one process
        return REGISTRY
    return gathered


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of timeouts and refusals since the service started, over all workers.

    :ivar timeouts: by route and by what the request was stuck in.
    :ivar refusals: by route.
    """

    cache_hits: int
    cache_misses: int
    cache_failures: int
    timeouts: Mapping[tuple[str, str], int]
    refusals: Mapping[str, int]


def counted() -> Counted:
    """Return the counts for the system page."""
    plain: Multiset[str] = Multiset()
    timeouts: Multiset[tuple[str, str]] = Multiset()
    refusals: Multiset[str] = Multiset()
    for family in registry().collect():
        for name, labels, value, *_ in family.samples:
            if name == "rollcall_request_timeouts_total":
                timeouts[labels["route"], labels["stuck_in"]] += int(value)
            elif name == "rollcall_rate_limit_refusals_total":
                refusals[labels["route"]] += int(value)
            elif name.startswith("rollcall_cache_") and name.endswith("_total"):
                plain[name.removeprefix("rollcall_").removesuffix("_total")] += int(value)
    return Counted(plain["cache_hits"], plain["cache_misses"], plain["cache_failures"], timeouts, refusals)


def exposition() -> tuple[bytes, str]:
    """Return the text for a scraper, and its content type (Prometheus exposition format)."""
    return generate_latest(registry()), CONTENT_TYPE_LATEST
