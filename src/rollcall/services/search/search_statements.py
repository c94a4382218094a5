"""The statements of a search: see ``text_search`` for when each is used, and why.

Where the shape is placed, each has the parameters ``key`` and ``id``; for the others see ``search_shapes`` and ``search_walk``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from sqlalchemy import text

from rollcall.infra.reading import Statement
from rollcall.models.user import GROUPS, NAME_BEGINNINGS, RECORD_SQL, UNUSUAL
from rollcall.services.search.name_jumps import LAST
from rollcall.services.search.search_shapes import ASKED, Shape, window
from rollcall.services.search.search_walk import met, walk
from rollcall.services.statistics import tally

# The first and the last beginning that one of them, which may end in a group, stands for.
_FIRST_OF, _LAST_OF = (
    f"translate(beginning, '{''.join(GROUPS)}', '{''.join(letters[end] for letters in GROUPS.values())}')" for end in (0, -1)
)


@cache
def by_age(shape: Shape) -> Statement:
    """A page in the order of sign-up: how many were met, the sort key, the user; where there is no page, one row without a user.

    Parameters: ``needed``, the rows up to the end of the page; ``enough``, the number of matches after which the walk ends;
    ``skip``, ``take``; where it is placed ``edge``, the end of the place's day, and ``countable``, the ``enough`` of the total.
    """
    walks = [walk(shape, "met", "enough", ":needed")]
    in_window = "(SELECT count(*) FROM met_near) >= :needed OR (SELECT read FROM met_all)"
    if shape.placed:
        walks.append(walk(replace(shape, placed=False), "counted", "countable", "0"))
    return Statement(
        text(f"""
        WITH RECURSIVE {ASKED}, {", ".join(walks)}, met AS ({met("met", in_window)})
        SELECT total, key, {RECORD_SQL} FROM {"counted" if shape.placed else "met"}_total LEFT JOIN (
            SELECT id, key FROM met ORDER BY key {shape.direction}, id {shape.direction} OFFSET :skip LIMIT :take
        ) AS page ON true LEFT JOIN users ON users.id = page.id ORDER BY key {shape.direction}, page.id {shape.direction}
    """),  # noqa: S608  (all of it is our own text)
        prepared=True,
    )


@cache
def sample(shape: Shape) -> Statement:
    """All who match, or some of them, in no order: key and id, whether that is all, how many users the list has, about, and among
    which part of them these are all who match.

    Parameters: ``enough``, so many are met unless all are; ``few``, which is a sample if the window has so many; ``most``, how
    many of them a sample has at the most. The shape is of a search by name without a place.
    """
    in_window = "(SELECT count(*) FROM met_near) >= :few"
    ended = "(SELECT coalesce(max(found) < :enough, false) FROM met_walk)"  # all days passed, or all the rest looked up
    chosen = met("met", f"(SELECT read FROM met_all) OR {in_window} AND NOT (SELECT is_whole FROM whole)")  # noqa: S608
    return Statement(
        text(f"""
        WITH RECURSIVE {ASKED}, {walk(replace(shape, descending=True), "met", "enough", ":few")},
        reached AS (SELECT (min(edge) AT TIME ZONE 'UTC')::date AS day FROM met_walk WHERE edge < 'infinity'),
        -- By users and not by time: more or fewer may sign up than did once. A tally that is wrong may not fail a search.
        passed AS MATERIALIZED (
            SELECT sum(users) AS users FROM ({tally.by_day.element}) AS tally WHERE day >= (SELECT day FROM reached)
        ),
        tallied AS MATERIALIZED (SELECT sum(users) AS users FROM ({tally.of_all_days.element}) AS tally),
        whole AS MATERIALIZED (SELECT {ended} OR (SELECT read FROM met_all) AS is_whole),
        thinned AS MATERIALIZED (SELECT 1 + count(*) / :most AS by FROM met_near),
        list AS MATERIALIZED (
            SELECT greatest(1, reltuples) AS listed FROM pg_class WHERE oid = '{shape.listed_in}'::regclass
        )
        SELECT key, id, is_whole, listed, CASE
            WHEN {in_window} THEN least(1, :window / listed / by)
            ELSE least(1, greatest(total, (SELECT users FROM passed)) / greatest(1, (SELECT users FROM tallied)))
                * least(1, CAST(:enough AS numeric) / total)
        END::float AS share
        FROM (SELECT key, id, row_number() OVER () AS number FROM ({chosen}) AS met) AS met,
            whole, thinned, met_total, list
        WHERE number % by = 0
        LIMIT CASE WHEN (SELECT is_whole FROM whole) OR {in_window} THEN NULL ELSE :enough END
    """),  # noqa: S608
        prepared=True,
    )


@cache
def by_name(shape: Shape) -> Statement:
    """A page in the order of names: the sort key, the user.

    Parameters: ``window``; ``needed``, the rows up to the end of the page; ``jumps``, ``jump`` and ``further``, whether there is
    a name to jump to, which, and how many rows are read from there; ``before`` and ``enough``, the beginnings of the names up
    to there, and of those among whom there are surely enough (null: of all); ``crowds``, a tsquery for the crowds if ``before``
    has only these; ``skip``, ``take``.
    """
    here, there = ("<=", ">") if shape.descending else (">=", "<")
    beginnings = NAME_BEGINNINGS[shape.sort_by]
    # The conditions on the name, and on the states that are not looked up, come after the look-up. In it, the planner would
    # take them for a reason to read a large part of another index.
    columns = f"SELECT id, {shape.key} AS key, is_active, is_superuser FROM users"  # noqa: S608
    looked_up = f"{columns} WHERE {shape.nearly}"
    beyond = f"(key, id) {'<' if shape.descending else '>'} (:key, :id)" if shape.placed else "true"
    beyond = " AND ".join([beyond, *shape.filtered])
    start = "(SELECT count(*) FROM near) < :needed"
    too_few = "(SELECT count(*) FROM before) < :needed"
    both = "(SELECT count(*) FROM before) + (SELECT count(*) FROM jumped)"
    rows = window(
        shape,
        f"{shape.beyond} AND {shape.key} {here} :jump AND :jumps AND {start} AND {too_few}",
        "needed",
        rows="further",
    )
    return Statement(
        text(f"""
        WITH {ASKED},
        near AS MATERIALIZED ({window(shape, shape.beyond, "needed")}),
        -- Those that nobody's name has are many, and the index would look at each again for every user that it passes.
        held AS MATERIALIZED (
            SELECT array_agg(beginning) AS beginnings FROM unnest(CAST(:before AS text[])) AS beginning
            WHERE beginning = '{UNUSUAL}' OR EXISTS (
                SELECT FROM users WHERE {shape.key} >= rtrim({_FIRST_OF}) AND {shape.key} < {_LAST_OF} || '{LAST}'
            )
        ),
        upto AS MATERIALIZED (
            {looked_up} AND {beginnings} && (SELECT beginnings FROM held) AND :jumps AND {start}
            UNION {columns} WHERE {shape.nearly_apart} AND :jumps AND {start}
        ),
        before AS MATERIALIZED (SELECT id, key FROM upto WHERE key {there} :jump AND {beyond}),
        jumped AS MATERIALIZED ({rows}),
        everything AS MATERIALIZED (
            {looked_up} AND (CAST(:enough AS text[]) IS NULL OR {beginnings} && :enough) AND {start} AND {both} < :needed
        ),
        found AS (
            SELECT * FROM near WHERE (SELECT count(*) FROM near) >= :needed
            UNION ALL SELECT * FROM before WHERE {both} >= :needed
            UNION ALL SELECT * FROM jumped WHERE {both} >= :needed
            UNION ALL SELECT id, key FROM everything WHERE {beyond}
        )
        SELECT key, {RECORD_SQL}
        FROM (SELECT id, key FROM found ORDER BY key {shape.direction} OFFSET :skip LIMIT :take) AS page JOIN users USING (id)
        ORDER BY key {shape.direction}
    """),  # noqa: S608
        prepared=True,
    )


@cache
def users() -> Statement:
    """The users with these ``ids``."""
    return Statement(text(f"SELECT {RECORD_SQL} FROM users WHERE id = ANY (:ids)"), prepared=True)  # noqa: S608
