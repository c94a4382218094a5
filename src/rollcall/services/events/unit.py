"""The unit of work whose events tell where they come from: what the edges open instead of the bare transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy.orm import Session

from rollcall.infra import database
from rollcall.services.events import origin as origins
from rollcall.services.events import partitions, recording
from rollcall.services.events.origin import Origin


@contextmanager
def transaction(origin: Origin, now: datetime, keep_days: int) -> Iterator[Session]:
    """Commits when the block ends, rolls back when it raises; what it recorded is logged once it has committed.

    :param keep_days: how long events are kept (``ROLLCALL_EVENTS_DAYS``).
    """
    database.db.session().commit()  # gives back the connection of reads before, of which a small pool has no second
    partitions.keep(database.db.engine, now, keep_days)
    with database.transaction() as work:
        origins.attach(work, origin)
        recording.forget_unlogged(work)
        yield work
    recording.log_committed(work)
