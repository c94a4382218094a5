"""Read the counts of users from the tally, and maintain it: merge its deltas, check it, rebuild it.

Reads never write, so that they work on a read-only server. A read that finds many unmerged deltas sets a flag, and the next
transaction of this process that has written anything merges them before its COMMIT.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

from sqlalchemy import Integer, Subquery, Table, func, literal_column, select, text, true, union_all
from sqlalchemy.orm import Session

from rollcall.infra import database, reading
from rollcall.models import user_tally, user_tally_deltas, user_tally_totals

# Deltas are merged when there are more. To sum 500 takes a tenth of a millisecond.
FOLD_ABOVE = 500
# Cap on the deltas of one merge, so that it takes milliseconds.
FOLD_AT_MOST = 20_000


def _with_deltas(counts: Table) -> Subquery:
    """Select the counts and the deltas that are not merged yet. The column ``deltas`` is 1 for a delta and 0 for a count.

    A statement locks its tables in the order in which it names them. The order is everywhere the same (users, deltas, counts),
    so a reader and a ``TRUNCATE`` cannot deadlock.
    """
    deltas = select(*(user_tally_deltas.c[column.name] for column in counts.c), literal_column("1", Integer).label("deltas"))
    return union_all(deltas, select(counts, literal_column("0", Integer).label("deltas"))).subquery("tally")


by_day = _with_deltas(user_tally)
of_all_days = _with_deltas(user_tally_totals)

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
    WITH counted AS MATERIALIZED ({_RECOUNT}),
    tallied AS (
        SELECT day, is_active, is_superuser, sum(users)::bigint AS users
        FROM (
            SELECT * FROM user_tally_deltas
            UNION ALL SELECT 'infinity', is_active, is_superuser, users FROM user_tally_deltas
            UNION ALL SELECT * FROM user_tally
            UNION ALL SELECT 'infinity', * FROM user_tally_totals
        ) AS rows GROUP BY 1, 2, 3
    ),
    expected AS (
        SELECT * FROM counted
        UNION ALL SELECT 'infinity', is_active, is_superuser, sum(users)::bigint FROM counted GROUP BY 2, 3
    )
    SELECT nullif(day, 'infinity') AS day, is_active, is_superuser,
        coalesce(tallied.users, 0) AS tallied, coalesce(expected.users, 0) AS counted
    FROM expected FULL JOIN tallied USING (day, is_active, is_superuser)
    WHERE coalesce(tallied.users, 0) <> coalesce(expected.users, 0)
    ORDER BY 1, 2, 3
""")  # noqa: S608  (all of it is our own text)


@dataclass(frozen=True, slots=True)
class Difference:
    """A group of users whose number differs between the tally and the table.

    :param day: the UTC day on which they were created; ``None``: all days, compared with the totals.
    """

    day: date | None
    is_active: bool
    is_superuser: bool
    tallied: int
    counted: int


def count(session: Session, *, is_active: bool | None = None, is_superuser: bool | None = None) -> int:
    """Return the exact number of users from the tally.

    :param is_active: only users with this status; ``None``: both.
    :param is_superuser: only superusers, or only the others; ``None``: both.
    """
    [(users, deltas)] = reading.rows(session, _counting(is_active, is_superuser))
    note_deltas(deltas)
    return int(users)


@cache
def _counting(is_active: bool | None, is_superuser: bool | None) -> reading.Statement:
    # Compiled once for each of the nine combinations: every list needs one.
    query = select(func.coalesce(func.sum(of_all_days.c.users), 0), func.coalesce(func.sum(of_all_days.c.deltas), 0))
    if is_active is not None:
        query = query.where(of_all_days.c.is_active == is_active)
    if is_superuser is not None:
        query = query.where(of_all_days.c.is_superuser == is_superuser)
    return reading.Statement(query, prepared=True)


@dataclass(frozen=True, slots=True)
class Place:
    """The position of the row with a given number in a list by creation time.

    :param total: the number of users that match the filters.
    :param day: the UTC day on which the row's user was created; ``None``: the list has fewer rows.
    :param skip: the number of users before the row, counted from that day on in the order of the list.
    """

    total: int
    day: date | None
    skip: int


def locate(
    session: Session,
    offset: int,
    *,
    descending: bool,
    is_active: bool | None = None,
    is_superuser: bool | None = None,
    first_day: date | None = None,
    before_day: date | None = None,
) -> Place:
    """Find the day of the row number ``offset`` (from 0) in a list by creation time.

    :param first_day: only days from this one on; ``before_day``: only days before this one.
    """
    states = {"is_active": is_active, "is_superuser": is_superuser}
    asked = [by_day.c[column] == state for column, state in states.items() if state is not None]
    asked += [by_day.c.day >= first_day] if first_day is not None else []
    asked += [by_day.c.day < before_day] if before_day is not None else []
    days = (
        select(by_day.c.day, func.sum(by_day.c.users).label("users"), func.sum(by_day.c.deltas).label("deltas"))
        .where(*asked)
        .group_by(by_day.c.day)
        .cte("days")
    )
    order = days.c.day.desc() if descending else days.c.day.asc()
    running = select(days.c.day, days.c.users, func.sum(days.c.users).over(order_by=order).label("upto")).subquery("running")
    first = select(running).where(running.c.upto > offset).order_by(running.c.upto).limit(1).subquery("first")
    totals = select(
        func.coalesce(func.sum(days.c.users), 0).label("total"), func.coalesce(func.sum(days.c.deltas), 0).label("deltas")
    ).subquery("totals")
    row = session.execute(select(totals, first).select_from(totals.outerjoin(first, true()))).one()
    note_deltas(row.deltas)
    if row.day is None:
        return Place(int(row.total), None, 0)
    return Place(int(row.total), row.day, int(offset - (row.upto - row.users)))


@dataclass(frozen=True, slots=True)
class Days:
    """A range of UTC days and the number of users who signed up on them; ``first`` is ``None`` where there is no such day."""

    first: date | None
    last: date | None
    users: int

    def __iter__(self) -> Iterator[date]:
        if self.first is not None and self.last is not None:
            yield from (self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1))


_HOLDING = """
    WITH days AS (
        SELECT day, sum(users) AS users FROM (SELECT * FROM user_tally UNION ALL SELECT * FROM user_tally_deltas) AS tally
        WHERE is_active = ANY (:is_active) AND is_superuser = ANY (:is_superuser) AND day {beyond} :start
        GROUP BY day HAVING sum(users) > 0
    ),
    running AS (SELECT day, users, sum(users) OVER (ORDER BY day {direction}) AS upto FROM days)
    SELECT min(day), max(day), coalesce(max(upto), 0)::bigint FROM running WHERE upto - users < :wanted
"""


def days_holding(
    session: Session,
    users: int,
    start: date | None,
    *,
    descending: bool,
    is_active: bool | None = None,
    is_superuser: bool | None = None,
) -> Days:
    """Return the fewest days on which so many users signed up: the newest ones, or the oldest.

    :param start: the day from which on, in that direction; ``None``: the first or last of all.
    """
    edge = date.max if descending else date.min
    [row] = reading.rows(
        session,
        _days_holding(descending),
        wanted=users,
        start=start or edge,
        is_active=[True, False] if is_active is None else [is_active],
        is_superuser=[True, False] if is_superuser is None else [is_superuser],
    )
    return Days(*row)


@cache
def _days_holding(descending: bool) -> reading.Statement:
    beyond, direction = ("<=", "DESC") if descending else (">=", "ASC")
    return reading.Statement(text(_HOLDING.format(beyond=beyond, direction=direction)), prepared=True)


def midnight(day: date) -> datetime:
    """Return the time at which a UTC day begins."""
    return datetime.combine(day, time(), UTC)


class _Noted:
    """Whether a read of this process has found many deltas since the last merge."""

    many = False


def note_deltas(deltas: int) -> None:
    """Let the next writer of this process merge the deltas if a read summed more than ``FOLD_ABOVE``."""
    if deltas > FOLD_ABOVE:
        _Noted.many = True


def fold_noted(session: Session) -> None:
    """Merge deltas if many were noted and this transaction has written something. Called before each COMMIT."""
    # A transaction without an id has written nothing. On a read-only server it cannot write.
    if _Noted.many and session.scalar(text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")):
        _Noted.many = False
        fold(session)


database.before_commit.append(fold_noted)


def fold(session: Session) -> None:
    """Merge at most ``FOLD_AT_MOST`` deltas into the counts. The caller commits.

    It is safe beside writers and other merges: it skips deltas that another merge has locked, locks the counts in one order,
    and is one statement, so that a reader sees either all previous rows or all new rows.
    """
    session.execute(_FOLD, {"most": FOLD_AT_MOST})


def verify(session: Session) -> list[Difference]:
    """Compare the tally with a count of the table, in one statement and so in one snapshot.

    :return: every group whose numbers differ.
    """
    return [Difference(*row) for row in session.execute(_DIFFERENCES)]


def repair(session: Session) -> None:
    """Rebuild the tally from the table. Writers of users wait until the caller commits."""
    session.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))
    session.execute(text("TRUNCATE user_tally_deltas, user_tally"))
    session.execute(text(f"INSERT INTO user_tally (day, is_active, is_superuser, users) {_RECOUNT}"))
