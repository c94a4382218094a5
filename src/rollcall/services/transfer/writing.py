"""The transaction that writes an import: all new users, all changes, and the event that tells of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from rollcall.errors import LastSuperuser
from rollcall.infra.database import committed
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.events.origin import Origin
from rollcall.services.transfer import bulk_copy, existing, index_builds, staging
from rollcall.services.transfer.existing import Counts, Existing


class Writing(NamedTuple):
    """How the staged rows of an import are written; see ``imports.import_users``.

    :ivar progress: called with the number of rows written so far.
    """

    now: datetime
    progress: Callable[[int], None]
    before_commit: Callable[[int], None]
    origin: Origin
    way: str
    building: Callable[[float], None] | None
    existing: Existing

    def write(self, connection: Connection, *, superusers: int) -> Counts:
        """Write everything in one transaction, or nothing.

        :param superusers: how many rows are superusers, for the event.
        :raises IntegrityError, Deadlock: somebody else has taken a name meanwhile.
        :raises LastSuperuser: meanwhile the change would leave no active superuser.
        """
        with committed(connection):
            bulk_copy.prepare(connection)
            counts = existing.resolve(connection, self.existing, lock=True)
            if self.existing is Existing.UPDATE and existing.leaves_nobody(connection):
                raise LastSuperuser
            with index_builds.after_load(connection, counts.created, building=self.building):
                staging.write(connection, counts.created, self.now, self.progress)
                existing.update(connection, counts.changed, self.now, self.origin, self._changed(counts.created))
            self.before_commit(counts.created)
            changes = {"way": self.way, "created": counts.created, "superusers": superusers}
            if self.existing is not Existing.FAIL:
                changes |= {"existing": str(self.existing), "changed": counts.changed, "left": counts.left}
            event = recording.write_on(connection, Kind.USERS_IMPORTED, self.now, self.origin, changes)
        recording.log_event(event)
        return counts

    def _changed(self, created: int) -> Callable[[int], None]:
        return lambda changed: self.progress(created + changed)
