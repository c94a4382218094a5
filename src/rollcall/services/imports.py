"""Importing users from a file: all or nothing, of any length.

The rows are checked one by one and staged in a temporary table; what only the set can tell (names that occur twice, or are
taken) is asked in SQL; then one INSERT writes them all. Plain passwords are never staged: they stay in memory until the
rest of the file is known to be good, and are hashed between two transactions, so that none is open while it takes its
time (about 25 ms of CPU each: the memory that they take is the least of it).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import BinaryIO, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from rollcall.errors import ValidationFailed
from rollcall.services import bulk_copy, passwords
from rollcall.services.row_files import FileFormat, RowProblem, read_rows
from rollcall.services.user_fields import NewUser, new_user

MAX_PROBLEMS: Final = 1_000
"""So many problems are kept; the others are counted."""
ROWS_PER_COPY: Final = 5_000
PASSWORDS_PER_BATCH: Final = 64

Progress = Callable[[str, int, int | None], None]
"""Called with the stage (``reading``, ``hashing``, ``writing``), the rows done, and the rows in all where that is known."""

_STAGING: Final = """
    DROP TABLE IF EXISTS pg_temp.import_rows, pg_temp.import_hashes;
    CREATE TEMPORARY TABLE import_rows (
        place bigint, line bigint, email text, username text, full_name text, password_hash text,
        is_active boolean, is_superuser boolean, created_at timestamptz
    );
    CREATE TEMPORARY TABLE import_hashes (place bigint, password_hash text)
"""

# Rows that have a name in common with an earlier row.
_DUPLICATES: Final = """
    WITH repeated AS (
        SELECT lower({field}) COLLATE "C" AS key, min(place) AS first FROM import_rows GROUP BY 1 HAVING count(*) > 1
    )
    SELECT rows.place, rows.line, firsts.line AS earlier, count(*) OVER () AS total
    FROM repeated JOIN import_rows AS rows ON lower(rows.{field}) COLLATE "C" = repeated.key
    JOIN import_rows AS firsts ON firsts.place = repeated.first
    WHERE rows.place > repeated.first ORDER BY rows.place LIMIT :most
"""

# Rows whose name a stored user has.
_TAKEN: Final = """
    SELECT rows.place, rows.line, NULL AS earlier, count(*) OVER () AS total
    FROM import_rows AS rows JOIN users ON lower(users.{field}) COLLATE "C" = lower(rows.{field}) COLLATE "C"
    ORDER BY rows.place LIMIT :most
"""

_WRITE: Final = text("""
    INSERT INTO users (email, username, full_name, password_hash, is_active, is_superuser, created_at, updated_at)
    SELECT rows.email, rows.username, rows.full_name, coalesce(hashes.password_hash, rows.password_hash),
           rows.is_active, rows.is_superuser, coalesce(rows.created_at, :now), :now
    FROM import_rows AS rows LEFT JOIN import_hashes AS hashes USING (place)
    ORDER BY rows.place
""")


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
    :ivar created: users written; in a rehearsal, those that would have been.
    :ivar problem_count: all problems; ``problems`` has the first ``MAX_PROBLEMS`` of each check.
    """

    rows: int = 0
    created: int = 0
    problem_count: int = 0
    problems: list[ImportProblem] = field(default_factory=list)

    def add(self, problem: ImportProblem) -> None:
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def import_users(
    connection: Connection,
    source: BinaryIO,
    file_format: FileFormat,
    *,
    dry_run: bool,
    now: datetime,
    progress: Progress,
) -> ImportReport:
    """Import every user of a file, or none.

    This service makes its own short transactions, for it works between them. The last one alone touches ``users``.

    :param connection: with no transaction open; gets temporary tables.
    :param source: the open file; it is read once, forwards.
    :param dry_run: rehearse: everything but hashing passwords and writing.
    :param now: the present, with an offset: the sign-up time of users whose row has none.
    :param progress: called often.
    :return: what was created, or every problem. Rows that are not valid are not looked at for taken names.
    """
    report = ImportReport()
    waiting = _Passwords()
    with connection.begin():
        bulk_copy.prepare(connection)
        connection.execute(text(_STAGING))
        _stage(connection, _checked(source, file_format, now, report), waiting, progress, report)
        connection.execute(text("ANALYZE import_rows"))
        _find_clashes(connection, report, _DUPLICATES, _TAKEN)
    if report.problem_count or dry_run:
        report.created = 0 if report.problem_count else report.rows
        return report
    hashes = waiting.hashed(progress)
    progress("writing", 0, report.rows)
    try:
        with connection.begin():
            bulk_copy.prepare(connection)
            _copy_hashes(connection, waiting.places, hashes)
            report.created = connection.execute(_WRITE, {"now": now}).rowcount
            bulk_copy.settle(connection)
    except IntegrityError:
        # Somebody has taken a name since the check.
        with connection.begin():
            bulk_copy.prepare(connection)
            _find_clashes(connection, report, _TAKEN)
        if not report.problem_count:  # … and is gone again.
            raise
    return report


def _checked(
    source: BinaryIO, file_format: FileFormat, now: datetime, report: ImportReport
) -> Iterator[tuple[int, int, NewUser]]:
    """The valid rows with their numbers and lines; the others go into the report."""
    for found in read_rows(source, file_format):
        report.rows += 1
        if isinstance(found, RowProblem):
            report.add(ImportProblem(report.rows, found.line, found.field, found.type, found.message))
            continue
        try:
            yield report.rows, found.line, new_user(found.values, now=now, text=file_format is FileFormat.CSV)
        except ValidationFailed as refusal:
            for problem in refusal.problems:
                report.add(ImportProblem(report.rows, found.line, problem.field, problem.type, problem.message))


def _stage(
    connection: Connection,
    users: Iterator[tuple[int, int, NewUser]],
    waiting: _Passwords,
    progress: Progress,
    report: ImportReport,
) -> None:
    while batch := list(islice(users, ROWS_PER_COPY)):
        lines = []
        for place, line, user in batch:
            if user.password is not None:
                waiting.add(place, user.password)
            row = (place, line, user.email, user.username, user.full_name, user.password_hash)
            lines.append(bulk_copy.line((*row, user.is_active, user.is_superuser, user.created_at)))
        bulk_copy.copy(connection, "import_rows", "".join(lines))
        progress("reading", report.rows, None)


def _find_clashes(connection: Connection, report: ImportReport, *queries: str) -> None:
    for name, label in (("email", "e-mail address"), ("username", "username")):
        for query in queries:
            rows = connection.execute(text(query.format(field=name)), {"most": MAX_PROBLEMS}).all()
            for row in rows:
                if row.earlier is None:
                    code, message = "taken", f"This {label} is already in use."
                else:
                    code, message = "duplicate", f"Line {row.earlier} has this {label}, too."
                report.add(ImportProblem(row.place, row.line, name, code, message))
            report.problem_count += (rows[0].total if rows else 0) - len(rows)
    report.problems.sort(key=lambda problem: problem.row)


def _copy_hashes(connection: Connection, places: array[int], hashes: list[str]) -> None:
    for start in range(0, len(hashes), ROWS_PER_COPY):
        end = start + ROWS_PER_COPY
        pairs = zip(places[start:end], hashes[start:end], strict=True)
        bulk_copy.copy(connection, "import_hashes", "".join(map(bulk_copy.line, pairs)))


class _Passwords:
    """The plain passwords of an import, in memory and nowhere else."""

    def __init__(self) -> None:
        self.places = array("q")
        self._plain: list[str] = []

    def add(self, place: int, password: str) -> None:
        self.places.append(place)
        self._plain.append(password)

    def hashed(self, progress: Progress) -> list[str]:
        """Hash them on all cores, and forget them."""
        hashes: list[str] = []
        for start in range(0, len(self._plain), PASSWORDS_PER_BATCH):
            batch = self._plain[start : start + PASSWORDS_PER_BATCH]
            hashes += passwords.hash_many(batch, check=_go_on)
            progress("hashing", len(hashes), len(self._plain))
        self._plain.clear()
        return hashes


def _go_on() -> None:
    """An import has no deadline: whoever started it may interrupt it."""
