"""The database's part of an import: temporary tables for the rows, the names that clash, and the writing.

Rows travel as JSON, in statements of bounded size: COPY is hardly faster, and could not be ended at a request's deadline
(infra/deadline). The tables belong to the connection and end with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from rollcall.errors import NAMES
from rollcall.services.transfer import bulk_copy
from rollcall.services.users.fields import NewUser

ROWS_PER_STEP: Final = 2_000
GIVEN: Final = {"full_name": 1, "is_active": 2, "is_superuser": 4, "created_at": 8, "password": 16}
"""The bit that says that a row has this field, in the column ``given``: an update changes no other."""

_MAKE: Final = text("""
    DROP TABLE IF EXISTS pg_temp.import_rows, pg_temp.import_hashes, pg_temp.import_clashes;
    CREATE TEMPORARY TABLE import_rows (
        place bigint, line bigint, email text, username text, full_name text, password_hash text,
        is_active boolean, is_superuser boolean, created_at timestamptz, id bigint, updated_at timestamptz,
        last_login_at timestamptz, given smallint
    );
    CREATE TEMPORARY TABLE import_hashes (place bigint, password_hash text);
    CREATE TEMPORARY TABLE import_clashes (place bigint, line bigint, field text, earlier bigint)
""")

_STAGE: Final = text("""
    INSERT INTO import_rows SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given (
        place bigint, line bigint, email text, username text, full_name text, password_hash text,
        is_active boolean, is_superuser boolean, created_at timestamptz, id bigint, updated_at timestamptz,
        last_login_at timestamptz, given smallint
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

_DROP_CLASHES: Final = text(
    "DELETE FROM import_rows WHERE place IN (SELECT place FROM import_clashes) RETURNING place, is_superuser"
)

# Ids in the order of the file, or in an empty installation those of the file, if each row has its own. The rows in the order of
# their names: of two imports of the same users at once, the second then waits for the first, where they could otherwise wait for
# each other.
_SORT: Final = text("""
    CREATE TEMPORARY TABLE import_sorted ON COMMIT DROP AS
    WITH kept AS MATERIALIZED (
        SELECT NOT EXISTS (SELECT FROM users) AND count(*) = count(DISTINCT id) AS keep FROM import_rows
    )
    SELECT row_number() OVER (ORDER BY user_name_key(username) COLLATE "C") AS turn, numbered.*
    FROM (
        SELECT CASE WHEN (SELECT keep FROM kept) THEN rows.id ELSE nextval(pg_get_serial_sequence('users', 'id')) END AS id,
               rows.email, rows.username, rows.full_name, coalesce(hashes.password_hash, rows.password_hash) AS password_hash,
               rows.is_active, rows.is_superuser, rows.created_at, rows.updated_at, rows.last_login_at
        FROM import_rows AS rows LEFT JOIN import_hashes AS hashes USING (place)
        WHERE NOT EXISTS (SELECT FROM import_matches WHERE import_matches.place = rows.place)
        ORDER BY rows.place
    ) AS numbered;
    CREATE INDEX ON import_sorted (turn);
    ANALYZE import_sorted
""")

_WRITE: Final = text("""
    INSERT INTO users (
        id, email, username, full_name, password_hash, is_active, is_superuser, created_at, updated_at, never_logged_in
    )
    SELECT id, email, username, full_name, password_hash, is_active, is_superuser, coalesce(created_at, :now),
           coalesce(updated_at, :now), last_login_at IS NULL
    FROM import_sorted WHERE turn > :done AND turn <= :upto ORDER BY turn
""")
_WRITE_LOGINS: Final = text("""
    INSERT INTO user_logins (user_id, last_login_at)
    SELECT id, last_login_at FROM import_sorted WHERE turn > :done AND turn <= :upto AND last_login_at IS NOT NULL ORDER BY turn
""")
# Ids of a file are not the sequence's.
_CONTINUE_IDS: Final = text("""
    SELECT setval(pg_get_serial_sequence('users', 'id'), id) FROM (SELECT max(id) AS id FROM import_sorted) AS last
    WHERE id > coalesce(pg_sequence_last_value(pg_get_serial_sequence('users', 'id')), 0)
""")


CREATED_IDS: Final = "SELECT id FROM import_sorted"
"""The ids of the new users, as SQL; once they are written, in the same transaction."""


class Clash(NamedTuple):
    """A row that another row or a stored user stands in the way of.

    :ivar field: whose value both have; empty: both rows belong to the same stored user.
    :ivar earlier: the line of the other row; ``None``: a stored user.
    """

    place: int
    line: int
    field: str
    earlier: int | None

    @property
    def type(self) -> str:
        if self.field not in ("", *NAMES):
            return "last_superuser"
        return "taken" if self.earlier is None else "duplicate"

    @property
    def message(self) -> str:
        if self.field not in ("", *NAMES):
            return "This would leave no active superuser who can log in."
        if not self.field:
            return f"Line {self.earlier} changes this user, too."
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
            "id": user.restored.id,
            "updated_at": user.restored.updated_at and user.restored.updated_at.isoformat(),
            "last_login_at": user.restored.last_login_at and user.restored.last_login_at.isoformat(),
            "given": _bits(user.given),
        }
        for place, line, user in users
    ]
    connection.execute(_STAGE, {"rows": json.dumps(rows)})


@lru_cache(maxsize=256)  # the rows of a file mostly give the same fields
def _bits(given: frozenset[str]) -> int:
    return sum(bit for name, bit in GIVEN.items() if name in given)


def find_clashes(connection: Connection, *, among_rows: bool, with_users: bool) -> None:
    """Find every row whose names are those of an earlier row (``among_rows``), or of a stored user (``with_users``)."""
    connection.execute(text("ANALYZE import_rows"))
    for query in [_DUPLICATES] * among_rows + [_TAKEN] * with_users:
        for name in ("email", "username"):
            connection.execute(text(query.format(field=name)))


def count_clashes(connection: Connection) -> tuple[int, int]:
    """Return how many clashes there are, and in how many rows."""
    clashes, rows = connection.execute(_COUNT_CLASHES).one()
    return clashes, rows


def drop_clashes(connection: Connection) -> tuple[set[int], int]:
    """Drop every staged row that clashes.

    :return: their places, and how many of them are superusers.
    """
    dropped = connection.execute(_DROP_CLASHES).all()
    return {place for place, _ in dropped}, sum(is_superuser for _, is_superuser in dropped)


def first_clashes(connection: Connection, most: int) -> list[Clash]:
    """Return the first clashes in the order of the file."""
    return [Clash(*row) for row in connection.execute(text(f"{_CLASHES} LIMIT :most"), {"most": most})]


def stream_clashes(connection: Connection) -> Iterator[Clash]:
    """Yield all clashes in the order of the file, in constant memory; in a transaction."""
    yield from (Clash(*row) for row in connection.execute(text(_CLASHES), execution_options={"yield_per": 1_000}))


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
        step = {"done": done, "upto": done + ROWS_PER_STEP}
        connection.execute(_WRITE, step | {"now": now})
        connection.execute(_WRITE_LOGINS, step)
        progress(min(done + ROWS_PER_STEP, rows))
    connection.execute(_CONTINUE_IDS)
