"""The rows of an import whose users are there already: to refuse, to leave alone, or to update.

A row belongs to the stored user who has its e-mail address or its username. The rows are in the temporary table of ``staging``;
here two more are kept: ``import_matches`` (which user a row belongs to) and ``import_changes`` (what an update would change, old
and new). They are made when the file is checked, and made anew in the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from rollcall.services.events import recording
from rollcall.services.events.origin import Origin
from rollcall.services.identity import attempts, rights
from rollcall.services.transfer.staging import GIVEN, ROWS_PER_STEP


class Existing(StrEnum):
    """What an import does with users who are there by e-mail address or username."""

    FAIL = "fail"
    SKIP = "skip"
    UPDATE = "update"


class Counts(NamedTuple):
    """How many rows create a user, change one, and leave one as it is."""

    created: int
    changed: int
    left: int


CHANGED_IDS: Final = "SELECT user_id FROM import_changes"
"""The ids of the users who change, as SQL."""
FIELDS: Final = ("email", "username", "full_name", "is_active", "is_superuser", "created_at")
"""What an update may change, beside the password."""

_MATCH: Final = text("""
    TRUNCATE pg_temp.import_matches, pg_temp.import_changes;
    INSERT INTO import_matches SELECT place, line, user_id, bool_or(by_email) FROM (
        SELECT rows.place, rows.line, users.id AS user_id, true AS by_email
        FROM import_rows AS rows
        JOIN users ON user_name_key(users.email) COLLATE "C" = user_name_key(rows.email) COLLATE "C"
        UNION ALL
        SELECT rows.place, rows.line, users.id, false
        FROM import_rows AS rows
        JOIN users ON user_name_key(users.username) COLLATE "C" = user_name_key(rows.username) COLLATE "C"
    ) AS found GROUP BY 1, 2, 3;
    ANALYZE pg_temp.import_matches
""")
# Rows that belong to two users, and rows that belong to the same user as an earlier one.
_AMBIGUOUS: Final = text("""
    INSERT INTO import_clashes
    SELECT place, min(line), 'username', NULL FROM import_matches GROUP BY place HAVING count(*) > 1;
    INSERT INTO import_clashes
    SELECT later.place, later.line, '', first.line
    FROM (SELECT user_id, min(place) AS place FROM import_matches GROUP BY 1 HAVING count(*) > 1) AS repeated
    JOIN import_matches AS first ON first.user_id = repeated.user_id AND first.place = repeated.place
    JOIN import_matches AS later ON later.user_id = repeated.user_id AND later.place > repeated.place
    WHERE NOT EXISTS (SELECT FROM import_clashes WHERE import_clashes.place = later.place)
""")
_LOCK: Final = text("SELECT FROM users WHERE id IN (SELECT user_id FROM import_matches) ORDER BY id FOR NO KEY UPDATE")

# An e-mail address in place of a username is no new name for a user who has one.
_NEW_USERNAME: Final = """
    CASE WHEN NOT by_email OR rows.username <> rows.email THEN rows.username
         WHEN users.username = users.email THEN rows.email ELSE users.username END
"""
_NEW: Final = {
    "email": "rows.email",
    "username": _NEW_USERNAME,
    **{
        name: f"CASE WHEN rows.given & {GIVEN[name]} <> 0 THEN rows.{name} ELSE users.{name} END"
        for name in ("full_name", "is_active", "is_superuser", "created_at")
    },
}
_OLD_AND_NEW: Final = ", ".join(f"users.{name} AS old_{name}, {new} AS new_{name}" for name, new in _NEW.items())
_COMPARE: Final = text(f"""
    INSERT INTO import_changes
    SELECT row_number() OVER (ORDER BY user_id), * FROM (
        SELECT place, line, users.id AS user_id, {_OLD_AND_NEW},
               coalesce(hashes.password_hash, rows.password_hash) AS new_hash, users.password_hash IS NOT NULL AS has_password,
               rows.given & {GIVEN["password"]} <> 0
               OR coalesce(rows.password_hash <> coalesce(users.password_hash, ''), false) AS password
        FROM import_matches JOIN import_rows AS rows USING (place, line) JOIN users ON users.id = user_id
        LEFT JOIN import_hashes AS hashes USING (place)
    ) AS compared
    WHERE password OR {" OR ".join(f"old_{name} IS DISTINCT FROM new_{name}" for name in FIELDS)};
    ANALYZE pg_temp.import_changes
""")  # noqa: S608  (column names of our own)
_MAKE: Final = f"""
    DROP TABLE IF EXISTS pg_temp.import_matches, pg_temp.import_changes;
    CREATE TEMPORARY TABLE import_matches (place bigint, line bigint, user_id bigint, by_email boolean);
    CREATE TEMPORARY TABLE import_changes (
        turn bigint, place bigint, line bigint, user_id bigint,
        {
    ", ".join(
        f"old_{name} {kind}, new_{name} {kind}"
        for name, kind in {
            "email": "text",
            "username": "text",
            "full_name": "text",
            "is_active": "boolean",
            "is_superuser": "boolean",
            "created_at": "timestamptz",
        }.items()
    )
},
        new_hash text, has_password boolean, password boolean
    )
"""
# Who can administer Rollcall now, and who could afterwards. Who has no password cannot log in.
_ADMINISTERED: Final = "SELECT EXISTS (SELECT FROM users WHERE is_superuser AND is_active AND password_hash IS NOT NULL)"
_LEAVES_NOBODY: Final = text(f"""
    SELECT ({_ADMINISTERED}) AND NOT EXISTS (
        SELECT FROM users WHERE is_superuser AND is_active AND password_hash IS NOT NULL
        AND NOT EXISTS (SELECT FROM import_changes WHERE user_id = users.id)
    ) AND NOT EXISTS (
        SELECT FROM import_changes WHERE new_is_superuser AND new_is_active AND (has_password OR password)
    )
""")  # noqa: S608
_LAST_SUPERUSERS: Final = text("""
    INSERT INTO import_clashes
    SELECT place, line, CASE WHEN new_is_superuser THEN 'is_active' ELSE 'is_superuser' END, NULL FROM import_changes
    WHERE old_is_superuser AND old_is_active AND NOT (new_is_superuser AND new_is_active)
""")
_COUNT: Final = text("""
    SELECT (SELECT count(*) FROM import_rows) - count(*) AS created, (SELECT count(*) FROM import_changes) AS changed,
           count(*) - (SELECT count(*) FROM import_changes) AS left
    FROM (SELECT DISTINCT place FROM import_matches) AS matched
""")
_UPDATE: Final = text(f"""
    UPDATE users SET {", ".join(f"{name} = new_{name}" for name in FIELDS)},
           password_hash = coalesce(new_hash, password_hash), updated_at = greatest(:now, updated_at + interval '1 microsecond')
    FROM import_changes WHERE users.id = user_id AND turn > :done AND turn <= :upto
""")  # noqa: S608
_END_SESSIONS: Final = text("""
    DELETE FROM sessions USING import_changes
    WHERE sessions.user_id = import_changes.user_id AND (password OR old_is_active AND NOT new_is_active)
""")
_END_TOKENS: Final = text("""
    DELETE FROM api_tokens USING import_changes
    WHERE api_tokens.user_id = import_changes.user_id AND old_is_active AND NOT new_is_active
""")
_NEW_PASSWORDS: Final = text("SELECT user_id FROM import_changes WHERE password")
_RECORD: Final = f"""
    SELECT user_id, old_username, changes FROM (
        SELECT turn, user_id, old_username, jsonb_strip_nulls(jsonb_build_object({
    ", ".join(
        f"'{name}', CASE WHEN old_{name} IS DISTINCT FROM new_{name} THEN jsonb_build_array(old_{name}, new_{name}) END"
        for name in FIELDS
    )
})) AS changes
        FROM import_changes
    ) AS described WHERE changes <> '{{}}' ORDER BY turn
"""  # noqa: S608
_RECORD_PASSWORDS: Final = """
    SELECT user_id, old_username, jsonb_build_object('password', true) FROM import_changes WHERE password ORDER BY turn
"""


def make(connection: Connection) -> None:
    """Make the tables, empty. The caller commits."""
    connection.execute(text(_MAKE))


def resolve(connection: Connection, mode: Existing, *, lock: bool = False) -> Counts:
    """Find the users to whom the staged rows belong, and what an update would change. The caller commits.

    :param mode: what is done with them; with ``fail`` every row is one to create.
    :param lock: hold what was found until the end of the transaction, in the order of locks.
    """
    if mode is not Existing.FAIL:
        if lock and mode is Existing.UPDATE:
            rights.lock_superusers(connection)
        connection.execute(_MATCH)
        if mode is Existing.UPDATE:
            if lock:
                connection.execute(_LOCK)
            connection.execute(_COMPARE)
    return count(connection)


def count(connection: Connection) -> Counts:
    """Return how many of the staged rows create, change and leave users, as ``resolve`` has found."""
    return Counts(*connection.execute(_COUNT).one())


def find_clashes(connection: Connection) -> None:
    """Add the rows of an update that cannot be carried out to ``import_clashes``."""
    connection.execute(_AMBIGUOUS)
    if connection.execute(_LEAVES_NOBODY).scalar_one():
        connection.execute(_LAST_SUPERUSERS)


def leaves_nobody(connection: Connection) -> bool:
    """Return whether the update would leave no active superuser who can log in."""
    found: bool = connection.execute(_LEAVES_NOBODY).scalar_one()
    return found


def matched_places(connection: Connection) -> set[int]:
    """Return the places of the rows whose users are there."""
    return set(connection.scalars(text("SELECT place FROM import_matches")))


def update(connection: Connection, count: int, now: datetime, origin: Origin, progress: Callable[[int], None]) -> None:
    """Change the users of ``import_changes``, end sessions and API tokens where that is due, and record each change.

    The caller commits.

    :param count: how many users change.
    :param progress: called with the number of users changed so far.
    """
    for done in range(0, count, ROWS_PER_STEP):
        connection.execute(_UPDATE, {"now": now, "done": done, "upto": done + ROWS_PER_STEP})
        progress(min(done + ROWS_PER_STEP, count))
    connection.execute(_END_SESSIONS)
    connection.execute(_END_TOKENS)
    attempts.forget_all(connection, list(connection.scalars(_NEW_PASSWORDS)))
    recording.write_changes_on(connection, now, origin, _RECORD, _RECORD_PASSWORDS)
