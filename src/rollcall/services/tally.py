"""The counts of users, read from the tally that triggers keep; and its care: folding, checking, rebuilding."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Integer, func, literal_column, select, text, union_all
from sqlalchemy.orm import Session

from rollcall.models import user_tally, user_tally_deltas

# Reading 2,000 deltas takes less than a millisecond; past them, a reader folds.
FOLD_ABOVE = 2_000
# How many deltas one fold takes at the most, so that it stays a matter of milliseconds.
FOLD_AT_MOST = 20_000

# Both tables together, each row with the number of deltas that it is (0 or 1).
rows = union_all(
    select(user_tally, literal_column("0", Integer).label("deltas")),
    select(user_tally_deltas, literal_column("1", Integer).label("deltas")),
).subquery("tally")

_RECOUNT = """
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, is_active, is_superuser, count(*) AS users
    FROM users GROUP BY 1, 2, 3
"""

_FOLD = text("""
    WITH taken AS (
        DELETE FROM user_tally_deltas
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM user_tally_deltas LIMIT :most FOR UPDATE SKIP LOCKED))
        RETURNING day, is_active, is_superuser, users
    )
    INSERT INTO user_tally AS kept (day, is_active, is_superuser, users)
    SELECT day, is_active, is_superuser, sum(users) FROM taken
    GROUP BY 1, 2, 3 HAVING sum(users) <> 0 ORDER BY 1, 2, 3
    ON CONFLICT (day, is_active, is_superuser) DO UPDATE SET users = kept.users + excluded.users
""")

_DIFFERENCES = text(f"""
    SELECT day, is_active, is_superuser, coalesce(tallied.users, 0) AS tallied, coalesce(counted.users, 0) AS counted
    FROM (
        SELECT day, is_active, is_superuser, sum(users)::bigint AS users
        FROM (SELECT * FROM user_tally UNION ALL SELECT * FROM user_tally_deltas) AS both_tables
        GROUP BY 1, 2, 3
    ) AS tallied
    FULL JOIN ({_RECOUNT}) AS counted USING (day, is_active, is_superuser)
    WHERE coalesce(tallied.users, 0) <> coalesce(counted.users, 0)
    ORDER BY 1, 2, 3
""")  # noqa: S608  (all of it is our own text)


@dataclass(frozen=True, slots=True)
class Difference:
    """A group of users of which the tally and the table tell different numbers."""

    day: date
    is_active: bool
    is_superuser: bool
    tallied: int
    counted: int


def count(session: Session, *, is_active: bool | None = None, is_superuser: bool | None = None) -> int:
    """How many users there are, exactly, without counting them. The caller commits, since it may fold.

    :param is_active: only users in this state; ``None``: both.
    :param is_superuser: likewise.
    """
    query = select(func.coalesce(func.sum(rows.c.users), 0), func.coalesce(func.sum(rows.c.deltas), 0))
    if is_active is not None:
        query = query.where(rows.c.is_active == is_active)
    if is_superuser is not None:
        query = query.where(rows.c.is_superuser == is_superuser)
    users, deltas = session.execute(query).one()
    fold_many(session, deltas)
    return int(users)


def fold_many(session: Session, deltas: int) -> None:
    """Fold if a reader has met many deltas: who reads them has the use of it. The caller commits."""
    if deltas > FOLD_ABOVE:
        fold(session)


def fold(session: Session) -> None:
    """Fold deltas into the counts, at most ``FOLD_AT_MOST`` of them; the caller commits.

    Safe beside any writer and other folds: a delta that somebody else folds is passed over, the counts are locked in
    one order, and a reader sees all of the old rows or all of the new.
    """
    session.execute(_FOLD, {"most": FOLD_AT_MOST})


def verify(session: Session) -> list[Difference]:
    """Count the table and hold the tally against it, in one statement and so at one moment.

    :return: every group in which they differ; empty when all is well.
    """
    return [Difference(*row) for row in session.execute(_DIFFERENCES)]


def repair(session: Session) -> None:
    """Rebuild the tally from the table. Writers of users wait until the caller commits."""
    session.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))
    session.execute(text("TRUNCATE user_tally_deltas, user_tally"))
    session.execute(text(f"INSERT INTO user_tally (day, is_active, is_superuser, users) {_RECOUNT}"))
