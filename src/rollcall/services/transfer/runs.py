"""Imports in the browser: a file is checked, then exactly that file is imported, once; and its progress can be seen.

The file may hold plain passwords, so it is not kept between the two: its sender sends it again, and it has to be the same
to the byte.

An import holds a lock of its connection's session for as long as it is under way, so that nobody has to guess: whoever
finds neither a result nor the lock knows that it was interrupted. (A sign of life, written every now and then, cannot be
given while a long statement runs, and is believed for some time after a crash.)
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import BinaryIO, Final
from uuid import UUID, uuid4

from sqlalchemy import Connection, select, text
from sqlalchemy.orm import Session

from rollcall.errors import FieldProblem, ValidationFailed
from rollcall.models import ImportRun
from rollcall.services.events.origin import Origin
from rollcall.services.identity import rights
from rollcall.services.identity.accounts import Identity
from rollcall.services.transfer import existing, imports, remembered, uploads
from rollcall.services.transfer.existing import Counts, Existing
from rollcall.services.transfer.imports import ImportReport
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.remembered import Plan
from rollcall.services.transfer.user_files import Description

GOOD_FOR: Final = timedelta(hours=1)
"""So long after its check a file may be imported: what was free then may be taken later."""
KEPT_FOR: Final = timedelta(days=7)
BETWEEN_SIGNS: Final = 0.5
"""Seconds between two reports of progress, at the least."""

_FORGET: Final = text("DELETE FROM import_runs WHERE checked_at < :before")
_NOTE: Final = text("""
    INSERT INTO import_runs (
        id, user_id, digest, file_name, file_format, reading, checked_at, stage, done, total, rows, existing, only_good
    ) VALUES (
        :run, :user_id, :digest, :file_name, :file_format, CAST(:reading AS jsonb), :now, 'checked', 0, :rows, :rows,
        :existing, :only_good
    )
""")
_LOCK: Final = text("SELECT pg_try_advisory_lock(hashtextextended(CAST(:run AS text), 0))")
# How a lock of 64 bits appears in the view: PostgreSQL manual, pg_locks.
_IS_LOCKED: Final = text("""
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (CAST(classid AS bigint) << 32) | CAST(objid AS bigint) = hashtextextended(CAST(:run AS text), 0)
    )
""")
# Also one that was refused, or interrupted.
_BEGIN: Final = text("""
    UPDATE import_runs SET stage = 'reading', done = 0, started_at = :now, finished_at = NULL, error = NULL
    WHERE id = :run AND created IS NULL
""")
_PROGRESS: Final = text("UPDATE import_runs SET stage = :stage, done = :done, total = :total WHERE id = :run")
_DONE: Final = text("""
    UPDATE import_runs SET created = :created, changed = :changed, unchanged = :left, finished_at = :now
    WHERE id = :run AND created IS NULL
""")
_REFUSED: Final = text("UPDATE import_runs SET error = :error, finished_at = :now WHERE id = :run")


@dataclass(frozen=True, slots=True)
class Run:
    """An import as its page shows it.

    :ivar state: ``checked`` (and not begun), ``running``, ``done``, ``refused`` or ``interrupted``.
    :ivar existing: what it does with users who are there already.
    :ivar only_good: whether it leaves the bad rows out.
    :ivar left_out: the rows that it left out.
    """

    id: UUID
    file_name: str
    reading: Reading
    state: str
    stage: str
    done: int
    total: int
    started_at: datetime | None
    finished_at: datetime | None
    created: int
    changed: int
    unchanged: int
    left_out: int
    error: str
    existing: Existing
    only_good: bool


def digest(source: BinaryIO) -> bytes:
    """Return the SHA-256 of a file, in constant memory; it is left at its beginning."""
    running = hashlib.sha256()
    while chunk := source.read(1 << 16):
        running.update(chunk)
    source.seek(0)
    return running.digest()


def note(
    session: Session, by: Identity, *, file_digest: bytes, file_name: str, plan: Plan, report: ImportReport, now: datetime
) -> UUID:
    """Record that a superuser has checked a file of which something can be imported. The caller commits.

    :param report: of the check. If it has problems, the import leaves the bad rows out.
    :raises InvalidToken, AccessDenied: ``by`` has meanwhile lost the right to import.
    :return: the name under which it may be imported.
    """
    rights.confirm(session, by, now, superuser=True)
    session.execute(_FORGET, {"before": now - KEPT_FOR})
    run = uuid4()
    values = {"run": run, "user_id": by.user.id, "digest": file_digest, "file_name": file_name, "rows": report.rows, "now": now}
    values |= {"existing": plan.existing, "only_good": report.problem_count > 0}
    file_format = report.file.opened.file_format if report.file else FileFormat.CSV
    session.execute(_NOTE, {**values, "file_format": file_format, "reading": json.dumps(remembered.to_json(plan.reading))})
    return run


def remember(session: Session, by: Identity, file: Description, plan: Plan, now: datetime) -> None:
    """Keep a superuser's choices for the next file with these columns, and for the file of its bad rows. The caller commits.

    The file of bad rows has no columns of passwords and hashes.

    :raises InvalidToken, AccessDenied: ``by`` has meanwhile lost the right to import.
    """
    rights.confirm(session, by, now, superuser=True)
    remembered.keep(session, by.user.id, file.columns, plan, now)
    columns = uploads.Layout.of(file).columns
    if file.opened.is_table and set(columns) != set(file.columns):
        mapping = {name: column for name, column in plan.reading.mapping.items() if name not in uploads.SECRETS}
        remembered.keep(session, by.user.id, columns, plan._replace(reading=replace(plan.reading, mapping=mapping)), now)


def require(session: Session, run_id: UUID | None, user_id: int, file_digest: bytes, now: datetime) -> Run:
    """Return the run under which a user may import this file.

    :raises ValidationFailed: this user has not checked this file within the last hour.
    """
    row = run_id and session.get(ImportRun, run_id)
    if not row or row.user_id != user_id:
        raise _refuse("not_checked", "This file was not checked. Check it first.")
    if row.digest != file_digest:
        raise _refuse("another_file", "This is not the file that was checked, or it was changed since. Check it first.")
    if now >= row.checked_at + GOOD_FOR:
        raise _refuse("expired", "The check was more than an hour ago. Check the file again.")
    return _shown(row, running=False)


def perform(
    connection: Connection,
    aside: Connection,
    source: BinaryIO,
    run: Run,
    by: Identity,
    *,
    clock: Callable[[], datetime],
    check: Callable[[], None],
    origin: Origin,
) -> ImportReport | None:
    """Import a file that was checked, unless that has been done, or is being done, already.

    :param connection: the import's own; the lock of this run stays with it until it ends.
    :param aside: another one, which commits each statement, for the signs of progress.
    :param run: what ``require`` has found for this very file.
    :param by: the superuser who began it.
    :param origin: who imports it, for the trail.
    :param check: called often; what it raises (the deadline) ends the import, and nothing is written.
    :raises InvalidToken, AccessDenied: ``by`` has meanwhile lost the right to import; nothing is written.
    :return: what has become of it, or ``None`` where this run is somebody else's to finish, or finished. It is refused if it
        has problems and counts nobody.
    """
    with connection.begin():
        if not connection.execute(_LOCK, {"run": run.id}).scalar_one():
            return None
        if not connection.execute(_BEGIN, {"run": run.id, "now": clock()}).rowcount:
            return None

    def finish(_created: int) -> None:
        # At the end: nobody who takes rights away should have to wait for a whole import.
        rights.confirm(connection, by, clock(), superuser=True)
        connection.execute(_DONE, {"run": run.id, "now": clock(), **existing.count(connection)._asdict()})

    report = imports.import_users(
        connection,
        source,
        run.reading,
        dry_run=False,
        now=clock(),
        progress=_Signs(aside, run),
        check=check,
        before_commit=finish,
        origin=origin,
        way="page",
        existing=run.existing,
        only_good=run.only_good,
        file_name=run.file_name,
        run_id=run.id,
    )
    if is_refused(report):
        aside.execute(_REFUSED, {"run": run.id, "error": _why(report), "now": clock()})
    elif not counted(report):  # there was nobody to write, so there was no transaction to say so
        aside.execute(_DONE, {"run": run.id, "now": clock(), **Counts(0, 0, 0)._asdict()})
    return report


def counted(report: ImportReport) -> int:
    """Return how many rows were or would be imported, or belong to users who stay as they are."""
    return report.created + report.changed + report.left


def is_refused(report: ImportReport) -> bool:
    """Return whether an import wrote nothing because of problems."""
    return bool(report.problem_count) and not counted(report)


def find(session: Session, run_id: UUID, user_id: int) -> Run | None:
    """Return a user's own import; nobody sees another's."""
    # First: a run that is not under way now has its result, if there is one, in the row that is read next.
    running = session.execute(_IS_LOCKED, {"run": run_id}).scalar_one()
    row = session.get(ImportRun, run_id, populate_existing=True)
    return _shown(row, running=running) if row is not None and row.user_id == user_id else None


def recent(session: Session, user_id: int, most: int) -> list[Run]:
    """Return a user's latest imports."""
    own = select(ImportRun.id).where(ImportRun.user_id == user_id, ImportRun.started_at.is_not(None))
    ids = session.scalars(own.order_by(ImportRun.started_at.desc(), ImportRun.id).limit(most)).all()
    return [run for run_id in ids if (run := find(session, run_id, user_id)) is not None]


def _refuse(code: str, message: str) -> ValidationFailed:
    return ValidationFailed([FieldProblem("file", code, message)])


def _why(report: ImportReport) -> str:
    first = report.problems[0]
    field = f"{first.field}: " if first.field else ""
    rest = f" (And {report.problem_count - 1:,} more.)" if report.problem_count > 1 else ""
    return f"Line {first.line}: {field}{first.message}{rest}"


def _shown(row: ImportRun, *, running: bool) -> Run:
    if row.created is not None:
        state = "done"
    elif row.error is not None:
        state = "refused"
    elif running:
        state = "running"
    else:
        state = "checked" if row.started_at is None else "interrupted"
    return Run(
        id=row.id,
        file_name=row.file_name,
        reading=remembered.from_json(row.reading),
        state=state,
        stage=row.stage,
        done=row.done,
        total=row.total,
        started_at=row.started_at,
        finished_at=row.finished_at,
        created=row.created or 0,
        changed=row.changed,
        unchanged=row.unchanged,
        left_out=max(0, row.rows - (row.created or 0) - row.changed - row.unchanged) if row.only_good else 0,
        error=row.error or "",
        existing=Existing(row.existing),
        only_good=row.only_good,
    )


class _Signs:
    """Writes how far an import is, now and then."""

    def __init__(self, connection: Connection, run: Run) -> None:
        self._connection = connection
        self._run = run
        self._stage = ""
        self._next = 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if stage == self._stage and now < self._next:
            return
        self._stage, self._next = stage, now + BETWEEN_SIGNS
        values = {"run": self._run.id, "stage": stage, "done": done, "total": total or self._run.total}
        self._connection.execute(_PROGRESS, values)
