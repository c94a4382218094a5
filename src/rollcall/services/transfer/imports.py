"""Importing users from a file: all or nothing, of any length.

The rows are checked one by one and staged in a temporary table; what only the set can tell (names that occur twice, or are
taken) is asked in SQL; then one transaction writes them all. Plain passwords are never staged: they stay in memory until the
rest of the file is known to be good, and are hashed between two transactions, so that none is open while it takes its
time (about 25 ms of CPU each: the memory that they take is the least of it).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from rollcall.errors import Deadlock, FieldProblem, RowsConflict, ValidationFailed
from rollcall.services.events.origin import OPERATOR, Origin
from rollcall.services.identity import passwords
from rollcall.services.transfer import bulk_copy, change_preview, staging
from rollcall.services.transfer import existing as matching
from rollcall.services.transfer.change_preview import UserChange
from rollcall.services.transfer.existing import Counts, Existing
from rollcall.services.transfer.plain_passwords import PlainPasswords, Progress
from rollcall.services.transfer.reading import Reading
from rollcall.services.transfer.row_files import Row, RowProblem
from rollcall.services.transfer.user_files import Description, UserFile
from rollcall.services.transfer.writing import Writing
from rollcall.services.users.fields import NewUser, new_user

MAX_PROBLEMS: Final = 1_000
"""So many problems are kept; the others are counted."""
TRIES: Final = 5
"""How often rows are written where users may come and go meanwhile."""
WRITING: Final = 200e-6
"""Seconds for a row to be written with its entries in all indexes, as measured on two cores; for estimates."""


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """Why a row cannot be imported.

    :ivar row: which user of the file, counted from 1; 0: the whole file.
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
    :ivar file_problems: problems of the whole file, with which nothing of it can be imported.
    :ivar problem_count: all problems; ``problems`` has the first ``MAX_PROBLEMS``.
    :ivar seconds: what reading and checking took.
    :ivar file: how the file was understood; ``None``: it is not readable.
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
    file_problems: int = 0
    problem_count: int = 0
    problems: list[ImportProblem] = field(default_factory=list)
    seconds: float = 0.0
    file: Description | None = None

    def estimate(self) -> float:
        """About how many seconds an import of this rehearsed file will take here."""
        return self.seconds + self.rows * WRITING + passwords.estimate(self.with_password)


class Checked(NamedTuple):
    """A row of a file: valid, or with problems.

    :ivar place: which one, counted from 1; 0: the whole file.
    """

    place: int
    found: Row | RowProblem
    user: NewUser | None
    problems: list[ImportProblem]


def import_users(
    connection: Connection,
    source: BinaryIO,
    reading: Reading,
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
    only_good: bool = False,
    file_name: str | None = None,
    run_id: UUID | None = None,
) -> ImportReport:
    """Import every user of a file, or none.

    This service makes its own short transactions, for it works between them. The last one alone touches ``users``.

    :param connection: with no transaction open; gets temporary tables.
    :param source: the open file; it is read once, forwards.
    :param reading: how to read it.
    :param dry_run: rehearse: everything but hashing passwords and writing.
    :param now: the present, with an offset: the sign-up time of users whose row has none.
    :param progress: called often.
    :param check: called often; what it raises (the deadline) ends the work, and nothing is written.
    :param before_commit: called with the number of users in the transaction that writes them.
    :param origin: who imports, and ``way``, how; recorded in the transaction that writes the users.
    :param building: see :func:`index_builds.after_load`.
    :param existing: what to do with rows whose users are there by e-mail address or username.
    :param only_good: import the good rows although others are bad, unless something is wrong with the whole file.
    :param file_name: for the list of operations; ``run_id``: the import in the browser.
    :return: what was created and changed, or every problem. Rows that are not valid are not looked at for taken names.
    :raises RowsConflict: somebody took a name while this was written, and is gone again.
    """
    report = ImportReport()
    work = _Import(connection, existing, only_good, report, progress, check)
    started = time.monotonic()
    counts = work.check_rows(UserFile(source, reading, now=now, check=check), now)
    report.seconds = time.monotonic() - started
    if report.problem_count and (not only_good or report.file_problems):
        return report
    if dry_run or not any(counts):
        report.created, report.changed, report.left = counts
        return report
    work.write_rows(Writing(now, work.written, before_commit, origin, way, building, existing, file_name, run_id))
    return report


def checked(file: UserFile, now: datetime) -> Iterator[Checked]:
    """Check each row of a file against what a valid user is.

    What is wrong with the whole file comes with the place 0.
    """
    place = 0
    for found in file.rows():
        place += isinstance(found, Row) or found.is_row
        if isinstance(found, RowProblem):
            at = place if found.is_row else 0
            yield Checked(at, found, None, [ImportProblem(at, found.line, found.field, found.type, found.message)])
            continue
        user = None
        problems = list(found.problems)
        try:
            user = new_user(found.values, now=now)
        except ValidationFailed as refusal:
            problems += _new(refusal.problems, found, file.missing)
        listed = [ImportProblem(place, found.line, each.field, each.type, each.message) for each in problems]
        yield Checked(place, found, None if problems else user, listed)


def _new(problems: Iterable[FieldProblem], row: Row, missing: set[str]) -> list[FieldProblem]:
    """Leave out what was said already: that a column is missing, or that its value is not understood."""
    known = missing | {problem.field for problem in row.problems}
    return [problem for problem in problems if not (problem.type == "missing" and problem.field in known)]


def _valid(rows: Iterator[Checked], report: ImportReport, waiting: PlainPasswords) -> Iterator[tuple[int, int, NewUser]]:
    """Yield the valid rows with their numbers and lines; the others go into the report."""
    for row in rows:
        report.rows = max(report.rows, row.place)
        if row.user is None:
            report.bad_rows += bool(row.problems) and row.place > 0
            report.file_problems += row.place == 0
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


@dataclass(frozen=True, slots=True)
class _Import:
    """An import under way: its rows are in the temporary tables of the connection."""

    connection: Connection
    existing: Existing
    only_good: bool
    report: ImportReport
    progress: Progress
    check: Callable[[], None]
    waiting: PlainPasswords = field(default_factory=PlainPasswords)

    def check_rows(self, file: UserFile, now: datetime) -> Counts:
        """Check every row, and stage those that are valid."""
        with self.connection.begin():
            staging.make(self.connection)
            matching.make(self.connection)
            for batch in _batches(_valid(checked(file, now), self.report, self.waiting)):
                self.check()
                staging.stage(self.connection, batch)
                self.progress("reading", self.report.rows, None)
            counts = self._resolve()
            self.report.changes = change_preview.first(self.connection)
            if self.existing is Existing.SKIP:
                self.waiting.forget(matching.matched_places(self.connection))
        self.report.file = file.description
        return counts

    def write_rows(self, writing: Writing) -> None:
        """Hash the passwords, and write the staged rows; all of them, or none."""
        hashes = self.waiting.hashed(self.progress, self.check)
        with self.connection.begin():
            bulk_copy.prepare(self.connection)
            staging.stage_hashes(self.connection, self.waiting.places, hashes)
        self.written(0)
        report = self.report
        # Where a row whose name is taken does not end the import, it goes on without that row.
        may_go_on = self.only_good or self.existing is not Existing.FAIL
        for tries_left in reversed(range(TRIES if may_go_on else 1)):
            try:
                counts, report.operation_id = writing.write(self.connection, superusers=report.superusers)
            except (IntegrityError, Deadlock) as error:
                # Somebody has taken a name since the check.
                if self.only_good or not tries_left:
                    with self.connection.begin():
                        bulk_copy.prepare(self.connection)
                        self._resolve(among_rows=False)
                if not tries_left and not report.problem_count:  # … and is gone again: the caller may repeat.
                    if isinstance(error, Deadlock):
                        raise
                    raise RowsConflict([]) from error
            else:
                report.created, report.changed, report.left = counts
                return

    def written(self, rows: int) -> None:
        """Tell of the rows written, and end the work where it is to end."""
        self.progress("writing", rows, self.report.rows)
        self.check()

    def _resolve(self, *, among_rows: bool = True) -> Counts:
        """Find what only the set of rows can tell: names that occur twice, users who are there."""
        staging.find_clashes(self.connection, among_rows=among_rows, with_users=self.existing is Existing.FAIL)
        counts = matching.resolve(self.connection, self.existing)
        if self.existing is Existing.UPDATE:
            matching.find_clashes(self.connection)
        _report_clashes(self.connection, self.report)
        if not self.only_good:
            return counts
        places, superusers = staging.drop_clashes(self.connection)
        self.report.superusers -= superusers
        self.waiting.forget(places)
        return matching.resolve(self.connection, self.existing)


def _report_clashes(connection: Connection, report: ImportReport) -> None:
    count, rows = staging.count_clashes(connection)
    report.problem_count += count
    report.bad_rows += rows
    for clash in staging.first_clashes(connection, MAX_PROBLEMS):
        report.problems.append(ImportProblem(clash.place, clash.line, clash.field, clash.type, clash.message))
    report.problems.sort(key=lambda problem: problem.row)
    del report.problems[MAX_PROBLEMS:]
