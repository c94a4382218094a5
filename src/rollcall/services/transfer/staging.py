"""The database's part of an import: temporary tables for the rows, the names that clash, and the writing.

Rows travel as JSON, in statements of bounded size: COPY is hardly faster, and could not be ended at a request's deadline
(infra/deadline). The tables belong to the connection and end with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from rollcall.errors import NAMES
from rollcall.services.transfer import bulk_copy
from rollcall.services.users.fields import NewUser

ROWS_PER_STEP: Final = 2_000

_MAKE: Final = text("""
    DROP TABLE IF EXISTS pg_temp.import_rows, pg_temp.import_hashes, pg_temp.import_clashes;
    CREATE TEMPORARY TABLE import_rows (
        place bigint, line bigint, email text, username text, full_name text, password_hash text,
        is_active boolean, is_superuser boolean, created_at timestamptz
    );
    CREATE TEMPORARY TABLE import_hashes (place bigint, password_hash text);
    CREATE TEMPORARY TABLE import_clashes (place bigint, line bigint, field text, earlier bigint)
""")

_STAGE: Final = text("""
    INSERT INTO import_rows SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given (
        place bigint, line bigint, email text, username text, full_name text, password_hash text,
        is_active boolean, is_superuser boolean, created_at timestamptz
    )
""")

_STAGE_HASHES: Final = text("""
    INSERT INTO import_hashes
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given (place bigint, password_hash text)
""")

# Rows that have a name in common with an earlier row.
_DUPLICATES: Final = """
    WITH repeated AS (
        SELECT user_name_key({field}) COLLATE "C" AS key, min(place) AS first FROM import_rows GROUP BY 1 HAVING count(*) > 1
    )
    INSERT INTO import_clashes SELECT rows.place, rows.line, '{field}', firsts.line
    FROM repeated JOIN import_rows AS rows ON user_name_key(rows.{field}) COLLATE "C" = repeated.key
    JOIN import_rows AS firsts ON firsts.place = repeated.first
    WHERE rows.place > repeated.first
"""

# Rows whose name a stored user has.
_TAKEN: Final = """
    INSERT INTO import_clashes SELECT rows.place, rows.line, '{field}', NULL
    FROM import_rows AS rows JOIN users ON user_name_key(users.{field}) COLLATE "C" = user_name_key(rows.{field}) COLLATE "C"
"""

_CLASHES: Final = "SELECT place, line, field, earlier FROM import_clashes ORDER BY place, field, earlier"
_COUNT_CLASHES: Final = text("SELECT count(*), count(DISTINCT place) FROM import_clashes")

_DROP_CLASHES: Final = text("""
    WITH dropped AS (
        DELETE FROM import_rows WHERE place IN (SELECT place FROM import_clashes) RETURNING is_superuser
    )
    SELECT count(*) FILTER (WHERE is_superuser) FROM dropped
""")

# Ids in the order of the file; the rows in the order of their names: of two imports of the same users at once, the second
# then waits for the first, where they could otherwise wait for each other.
_SORT: Final = text("""
    CREATE TEMPORARY TABLE import_sorted ON COMMIT DROP AS
    SELECT row_number() OVER (ORDER BY user_name_key(username) COLLATE "C") AS turn, numbered.*
    FROM (
        SELECT nextval(pg_get_serial_sequence('users', 'id')) AS id, rows.email, rows.username, rows.full_name,
               coalesce(hashes.password_hash, rows.password_hash) AS password_hash,
               rows.is_active, rows.is_superuser, rows.created_at
        FROM import_rows AS rows LEFT JOIN import_hashes AS hashes USING (place)
        ORDER BY rows.place
    ) AS numbered;
    CREATE INDEX ON import_sorted (turn);
    ANALYZE import_sorted
""")

_WRITE: Final = text("""
    INSERT INTO users (id, email, username, full_name, password_hash, is_active, is_superuser, created_at, updated_at)
    SELECT id, email, username, full_name, password_hash, is_active, is_superuser, coalesce(created_at, :now), :now
    FROM import_sorted WHERE turn > :done AND turn <= :upto ORDER BY turn
""")


class Clash(NamedTuple):
    """A row whose name another row or a stored user has.

    :ivar earlier: the line of the other row; ``None``: a stored user.
    """

    place: int
    line: int
    field: str
    earlier: int | None

    @property
    def type(self) -> str:
        return "taken" if self.earlier is None else "duplicate"

    @property
    def message(self) -> str:
        label = NAMES[self.field]
        return f"This {label} is already in use." if self.earlier is None else f"Line {self.earlier} has this {label}, too."


def make(connection: Connection) -> None:
    """Make the tables, empty, and allow the transaction what a bulk needs. The caller commits, here and below."""
    bulk_copy.prepare(connection)
    connection.execute(_MAKE)


def stage(connection: Connection, users: Sequence[tuple[int, int, NewUser]]) -> None:
    """Keep valid rows, each with its place and line in the file; without plain passwords."""
    rows = [
        {
            "place": place,
            "line": line,
            "email": user.email,
            "username": user.username,
            "full_name": user.full_name,
            "password_hash": user.password_hash,
            "is_active": user.is_active,
            "is_superuser": user.is_superuser,
            "created_at": user.created_at and user.created_at.isoformat(),
        }
        for place, line, user in users
    ]
    connection.execute(_STAGE, {"rows": json.dumps(rows)})


def find_clashes(connection: Connection, *, among_rows: bool = True) -> tuple[int, int]:
    """Find every row whose names are taken, or are those of an earlier row.

    :param among_rows: whether to look for the latter.
    :return: how many clashes there are, and in how many rows.
    """
    connection.execute(text("ANALYZE import_rows"))
    for query in (_DUPLICATES, _TAKEN) if among_rows else (_TAKEN,):
        for name in ("email", "username"):
            connection.execute(text(query.format(field=name)))
    clashes, rows = connection.execute(_COUNT_CLASHES).one()
    return clashes, rows


def drop_clashes(connection: Connection) -> int:
    """Drop every staged row that clashes.

    :return: how many of them are superusers.
    """
    superusers: int = connection.execute(_DROP_CLASHES).scalar_one()
    return superusers


def first_clashes(connection: Connection, most: int) -> list[Clash]:
    """The first clashes in the order of the file."""
    return [Clash(*row) for row in connection.execute(text(f"{_CLASHES} LIMIT :most"), {"most": most})]


def stream_clashes(connection: Connection) -> Iterator[Clash]:
    """All clashes in the order of the file, in constant memory; in a transaction."""
    yield from (Clash(*row) for row in connection.execute(text(_CLASHES).execution_options(yield_per=1_000)))


def stage_hashes(connection: Connection, places: Sequence[int], hashes: Sequence[str]) -> None:
    """Keep the hashes of the rows' plain passwords."""
    for start in range(0, len(hashes), ROWS_PER_STEP):
        end = start + ROWS_PER_STEP
        pairs = zip(places[start:end], hashes[start:end], strict=True)
        rows = [{"place": place, "password_hash": hashed} for place, hashed in pairs]
        connection.execute(_STAGE_HASHES, {"rows": json.dumps(rows)})


def write(connection: Connection, rows: int, now: datetime, progress: Callable[[int], None]) -> None:
    """Write the rows into ``users``.

    :param rows: how many there are.
    :param progress: called with the number of rows written so far.
    """
    connection.execute(_SORT)
    for done in range(0, rows, ROWS_PER_STEP):
        connection.execute(_WRITE, {"now": now, "done": done, "upto": done + ROWS_PER_STEP})
        progress(min(done + ROWS_PER_STEP, rows))
