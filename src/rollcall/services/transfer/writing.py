"""The transaction that writes an import: all new users, all changes, and the event that tells of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from rollcall.errors import LastSuperuser
from rollcall.infra.database import committed
from rollcall.models.import_run import FILE_NAME_MAX
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.events.origin import Origin
from rollcall.services.transfer import bulk_copy, existing, index_builds, staging
from rollcall.services.transfer.existing import Counts, Existing
from rollcall.services.users import operations


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
    file_name: str | None
    run_id: UUID | None

    def write(self, connection: Connection, *, superusers: int) -> tuple[Counts, int | None]:
        """Write everything in one transaction, or nothing.

        :param superusers: how many rows are superusers, for the event.
        :return: what was done, and the id of the operation, if anything was.
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
            operation_id = self._record(connection, counts)
            self.before_commit(counts.created)
            changes = {"way": self.way, "created": counts.created, "superusers": superusers}
            if self.existing is not Existing.FAIL:
                changes |= {"existing": str(self.existing), "changed": counts.changed, "left": counts.left}
            event = recording.write_on(connection, Kind.USERS_IMPORTED, self.now, self.origin, changes)
        recording.log_event(event)
        return counts, operation_id

    def _record(self, connection: Connection, counts: Counts) -> int | None:
        if not counts.created + counts.changed:
            return None
        queries = staging.CREATED_IDS, existing.CHANGED_IDS if counts.changed else None
        return operations.record_import(
            connection,
            self.now,
            self.origin.actor,
            (counts.created, counts.changed),
            queries,
            file_name=self.file_name and self.file_name[:FILE_NAME_MAX],
            run_id=self.run_id,
        )

    def _changed(self, created: int) -> Callable[[int], None]:
        return lambda changed: self.progress(created + changed)
