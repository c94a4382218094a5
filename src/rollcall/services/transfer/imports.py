"""Importing users from a file: all or nothing, of any length.

The rows are checked one by one and staged in a temporary table; what only the set can tell (names that occur twice, or are
taken) is asked in SQL; then one transaction writes them all. Plain passwords are never staged: they stay in memory until the
rest of the file is known to be good, and are hashed between two transactions, so that none is open while it takes its
time (about 25 ms of CPU each: the memory that they take is the least of it).
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from rollcall.errors import Deadlock, RowsConflict, ValidationFailed
from rollcall.services.events.origin import OPERATOR, Origin
from rollcall.services.identity import passwords
from rollcall.services.transfer import bulk_copy, change_preview, staging
from rollcall.services.transfer import existing as matching
from rollcall.services.transfer.change_preview import UserChange
from rollcall.services.transfer.existing import Counts, Existing
from rollcall.services.transfer.row_files import FileFormat, Row, RowProblem, read_rows
from rollcall.services.transfer.writing import Writing
from rollcall.services.users.fields import NewUser, new_user

MAX_PROBLEMS: Final = 1_000
"""So many problems are kept; the others are counted."""
PASSWORDS_PER_BATCH: Final = 64
TRIES: Final = 5
"""How often rows are written where users may come and go meanwhile."""
WRITING: Final = 200e-6
"""Seconds for a row to be written with its entries in all indexes, as measured on two cores; for estimates."""

Progress = Callable[[str, int, int | None], None]
"""Called with the stage (``reading``, ``hashing``, ``writing``), the rows done, and the rows in all where that is known."""


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """Why a row cannot be imported.

    :ivar row: which user of the file, counted from 1.
    :ivar line: where it starts.
    :ivar field: empty where it is the whole row.
    """

    row: int
    line: int
    field: str
    type: str
    message: str


@dataclass(slots=True)
class ImportReport:
    """What became of an import: with problems, nothing was written.

    :ivar rows: users in the file.
    :ivar bad_rows: those of them with problems.
    :ivar created, changed, left: rows that created a user, changed one, left one as it was; in a rehearsal, that would have.
    :ivar operation_id: under which the import is listed and can be undone.
    :ivar changes: what the first of these changes are, in a rehearsal.
    :ivar superusers: how many of the valid rows are superusers.
    :ivar with_password, with_hash, without_password: how many of the valid rows have a plain password, a hash, or neither.
    :ivar problem_count: all problems; ``problems`` has the first ``MAX_PROBLEMS``.
    :ivar seconds: what reading and checking took.
    """

    rows: int = 0
    bad_rows: int = 0
    created: int = 0
    changed: int = 0
    left: int = 0
    changes: list[UserChange] = field(default_factory=list)
    operation_id: int | None = None
    superusers: int = 0
    with_password: int = 0
    with_hash: int = 0
    without_password: int = 0
    problem_count: int = 0
    problems: list[ImportProblem] = field(default_factory=list)
    seconds: float = 0.0

    def estimate(self) -> float:
        """About how many seconds an import of this rehearsed file will take here."""
        return self.seconds + self.rows * WRITING + passwords.estimate(self.with_password)


class Checked(NamedTuple):
    """A row of a file: valid, or with problems.

    :ivar place: which one, counted from 1.
    """

    place: int
    found: Row | RowProblem
    user: NewUser | None
    problems: list[ImportProblem]


def import_users(
    connection: Connection,
    source: BinaryIO,
    file_format: FileFormat,
    *,
    dry_run: bool,
    now: datetime,
    progress: Progress,
    check: Callable[[], None] = lambda: None,
    before_commit: Callable[[int], None] = lambda _: None,
    origin: Origin = OPERATOR,
    way: str = "command",
    building: Callable[[float], None] | None = None,
    existing: Existing = Existing.FAIL,
    file_name: str | None = None,
    run_id: UUID | None = None,
) -> ImportReport:
    """Import every user of a file, or none.

    This service makes its own short transactions, for it works between them. The last one alone touches ``users``.

    :param connection: with no transaction open; gets temporary tables.
    :param source: the open file; it is read once, forwards.
    :param dry_run: rehearse: everything but hashing passwords and writing.
    :param now: the present, with an offset: the sign-up time of users whose row has none.
    :param progress: called often.
    :param check: called often; what it raises (the deadline) ends the work, and nothing is written.
    :param before_commit: called with the number of users in the transaction that writes them.
    :param origin: who imports, and ``way``, how; recorded in the transaction that writes the users.
    :param building: see :func:`index_builds.after_load`.
    :param existing: what to do with rows whose users are there by e-mail address or username.
    :param file_name: for the list of operations; ``run_id``: the import in the browser.
    :return: what was created and changed, or every problem. Rows that are not valid are not looked at for taken names.
    :raises RowsConflict: somebody took a name while this was written, and is gone again.
    """
    report = ImportReport()
    waiting = _Passwords()
    started = time.monotonic()
    with connection.begin():
        staging.make(connection)
        matching.make(connection)
        for batch in _batches(_valid(checked(source, file_format, now), report, waiting)):
            check()
            staging.stage(connection, batch)
            progress("reading", report.rows, None)
        counts = _resolve(connection, existing, report)
        report.changes = change_preview.first(connection)
        skipped = matching.matched_places(connection) if existing is Existing.SKIP else set()
    report.seconds = time.monotonic() - started
    if report.problem_count or dry_run:
        if not report.problem_count:
            report.created, report.changed, report.left = counts
        return report
    waiting.forget(skipped)
    hashes = waiting.hashed(progress, check)
    with connection.begin():
        bulk_copy.prepare(connection)
        staging.stage_hashes(connection, waiting.places, hashes)

    def written(rows: int) -> None:
        progress("writing", rows, report.rows)
        check()

    written(0)
    writing = Writing(now, written, before_commit, origin, way, building, existing, file_name, run_id)
    for tries_left in reversed(range(TRIES if existing is not Existing.FAIL else 1)):
        try:
            counts, report.operation_id = writing.write(connection, superusers=report.superusers)
            report.created, report.changed, report.left = counts
            break
        except (IntegrityError, Deadlock) as error:
            # Somebody has taken a name since the check. With users who are there the import goes on, and so it tries again.
            if tries_left:
                continue
            with connection.begin():
                bulk_copy.prepare(connection)
                _resolve(connection, existing, report, among_rows=False)
            if not report.problem_count:  # … and is gone again: the caller may repeat.
                if isinstance(error, Deadlock):
                    raise
                raise RowsConflict([]) from error
    return report


def checked(source: BinaryIO, file_format: FileFormat, now: datetime) -> Iterator[Checked]:
    """The rows of a file, each held to what a valid user is."""
    for place, found in enumerate(read_rows(source, file_format), 1):
        if isinstance(found, RowProblem):
            problem = ImportProblem(place, found.line, found.field, found.type, found.message)
            yield Checked(place, found, None, [problem])
            continue
        try:
            yield Checked(place, found, new_user(found.values, now=now, text=file_format is FileFormat.CSV), [])
        except ValidationFailed as refusal:
            problems = [ImportProblem(place, found.line, each.field, each.type, each.message) for each in refusal.problems]
            yield Checked(place, found, None, problems)


def _valid(rows: Iterator[Checked], report: ImportReport, waiting: _Passwords) -> Iterator[tuple[int, int, NewUser]]:
    """The valid rows with their numbers and lines; the others go into the report."""
    for row in rows:
        report.rows = row.place
        if row.user is None:
            report.bad_rows += 1
            report.problem_count += len(row.problems)
            report.problems += row.problems[: MAX_PROBLEMS - len(report.problems)]
            continue
        report.superusers += row.user.is_superuser
        if row.user.password is not None:
            waiting.add(row.place, row.user.password)
            report.with_password += 1
        elif row.user.password_hash is not None:
            report.with_hash += 1
        else:
            report.without_password += 1
        yield row.place, row.found.line, row.user


def _batches(users: Iterator[tuple[int, int, NewUser]]) -> Iterator[list[tuple[int, int, NewUser]]]:
    while batch := list(islice(users, staging.ROWS_PER_STEP)):
        yield batch


def _resolve(connection: Connection, existing: Existing, report: ImportReport, *, among_rows: bool = True) -> Counts:
    """Find what only the set of rows can tell: names that occur twice, users who are there."""
    staging.find_clashes(connection, among_rows=among_rows, with_users=existing is Existing.FAIL)
    counts = matching.resolve(connection, existing)
    if existing is Existing.UPDATE:
        matching.find_clashes(connection)
    _report_clashes(connection, report)
    return counts


def _report_clashes(connection: Connection, report: ImportReport) -> None:
    count, rows = staging.count_clashes(connection)
    report.problem_count += count
    report.bad_rows += rows
    for clash in staging.first_clashes(connection, MAX_PROBLEMS):
        report.problems.append(ImportProblem(clash.place, clash.line, clash.field, clash.type, clash.message))
    report.problems.sort(key=lambda problem: problem.row)
    del report.problems[MAX_PROBLEMS:]


class _Passwords:
    """The plain passwords of an import, in memory and nowhere else."""

    def __init__(self) -> None:
        self.places = array("q")
        self._plain: list[str] = []

    def add(self, place: int, password: str) -> None:
        self.places.append(place)
        self._plain.append(password)

    def forget(self, places: Container[int]) -> None:
        """Forget the passwords of these rows."""
        kept = [(place, plain) for place, plain in zip(self.places, self._plain, strict=True) if place not in places]
        self.places = array("q", [place for place, _ in kept])
        self._plain = [plain for _, plain in kept]

    def hashed(self, progress: Progress, check: Callable[[], None]) -> list[str]:
        """Hash them on all cores, and forget them."""
        hashes: list[str] = []
        if self._plain:
            progress("hashing", 0, len(self._plain))
        for start in range(0, len(self._plain), PASSWORDS_PER_BATCH):
            batch = self._plain[start : start + PASSWORDS_PER_BATCH]
            hashes += passwords.hash_many(batch, check=check)
            progress("hashing", len(hashes), len(self._plain))
        self._plain.clear()
        return hashes
