"""Metrics of the database pools of all live workers (R7)."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any, cast

from flask import Flask, current_app
from sqlalchemy import Engine, QueuePool, event

from rollcall.infra import metrics
from rollcall.infra.database import db

_STATES = ("pool_size", "checked_in", "checked_out", "overflow")


class _Publisher:
    """Publishes the counts of this process's pool whenever one has changed."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self._gauges: list[Any] = []
        self._published: tuple[int, ...] = ()

    def publish(self, *_: Any) -> None:
        if self.engine is None:  # the application is still being made
            return
        # engine.pool is replaced after a disconnect, so it is looked up each time.
        pool = cast(QueuePool, self.engine.pool)
        # SQLAlchemy counts overflow from -pool_size up; below 0 it only says that the pool is not yet full.
        counts = (pool.size(), pool.checkedin(), pool.checkedout(), max(0, pool.overflow()))
        told = (*counts, os.getpid())  # a forked worker has all of its own to tell
        if told != self._published:
            self._published = told
            if not self._gauges:  # not made sooner: the master, which only forks, would count as a worker
                self._gauges = [metrics.POOL.labels(state) for state in _STATES]
            for gauge, value in zip(self._gauges, counts, strict=True):
                gauge.set(value)


def init_app(app: Flask) -> None:
    """Publish at each checkout, so that what a long request holds is seen while it runs, and at the end of each request.

    Comes before the database in ``create_app``: teardown runs backwards, and a connection is back in the pool only when
    the session is gone.
    """
    publisher = app.extensions["rollcall-pool"] = _Publisher()
    app.teardown_appcontext(publisher.publish)


def watch(app: Flask) -> None:
    """Complete :func:`init_app` after the engine exists."""
    publisher: _Publisher = app.extensions["rollcall-pool"]
    with app.app_context():
        engine = db.engine
    publisher.engine = engine
    event.listen(engine, "checkout", publisher.publish)


def publish() -> None:
    """Publish the counts of this process now. A worker calls it when it starts."""
    publisher: _Publisher = current_app.extensions["rollcall-pool"]
    publisher.publish()


def leave() -> None:
    """Publish nothing of this process any more: it is no worker."""
    publisher: _Publisher = current_app.extensions["rollcall-pool"]
    publisher.engine = None


def snapshot() -> dict[str, Any]:
    """Return ``{pool_size, checked_in, checked_out, overflow, total_connections, workers: [{pid, …}]}``, summed over workers."""
    publish()
    workers: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(_STATES, 0))
    for family in metrics.registry().collect():
        if family.name == "rollcall_pool_connections":
            for sample in family.samples:
                pid = int(sample.labels.get("pid", os.getpid()))
                workers[pid][sample.labels["state"]] = int(sample.value)
    rows = [
        {"pid": pid, **counts, "total_connections": counts["checked_in"] + counts["checked_out"]}
        for pid, counts in sorted(workers.items())
    ]
    totals = {key: sum(row[key] for row in rows) for key in (*_STATES, "total_connections")}
    return {**totals, "workers": rows}
