"""The partitions of the trail, one for each month: made ahead, and dropped when they are old, by whoever writes next.

The work is a function of the database (migration 0014). Each process calls it once a day, in a short transaction of its own
before the one that writes: it needs locks that no request should hold for long.
"""

from __future__ import annotations

import logging
from datetime import date, datetime
from typing import Final
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError

from rollcall.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

_seen_to: Final[WeakKeyDictionary[Engine, date]] = WeakKeyDictionary()


def keep(engine: Engine, present: datetime, days: int) -> None:
    """See to the partitions of this month and the next, and drop those that are older than ``days``; once a day.

    No failure is the caller's: an event without a partition goes to the default one, and another day will do for the rest.
    """
    today = present.date()
    if _seen_to.get(engine) == today:
        return
    _seen_to[engine] = today  # first: what fails is not tried again by every request
    try:
        with engine.begin() as connection:
            failed = connection.scalar(select(func.security_events_keep(present, days)))
    except DBAPIError as error:
        failed = str(getattr(getattr(error.orig, "diag", None), "message_primary", None))
    except DatabaseUnavailable:
        return  # the request itself will say so
    if failed:
        log.warning("the partitions of security_events could not be kept: %s", failed)
