"""The walk of a search through the order of sign-up, as a part of its statements: see ``text_search`` for why.

Parameters beside the term's: ``window``, the rows of the list that are read first, and ``wide``, how many of the superusers;
``slice``, users in the first slice; ``many``, a term that has no more matches is rare.
"""

from __future__ import annotations

from rollcall.models.user import SIGN_UP_DAY, STATES
from rollcall.services.search.search_shapes import NAMES, Shape, spread, window

# A walk's first slice has at most so many days, and later slices at most so many times the days of the first.
_DAYS_AT_MOST = 64
_GROWTH = 8
# To find the matches of one day takes as long as to fetch so many that were looked up all at once.
_A_DAY = 5
# Of a term that a slice shows to be rare no more matches are looked up than so many times what is to be expected, and so many
# more: where there are, the slice has misled, as one does that is unlike the others.
_TIMES = 4
_MORE = 1_000
# Of superusers the window is widened where at least one in so many matches.
_ONE_IN = 200


def walk(shape: Shape, name: str, enough: str, needed: str) -> str:
    """Matches that come first in the order of sign-up: at least as many as are needed, and more or all of them for the count.

    First those in a window of the list. If they are not enough, those in slices of days, which the index finds without looking
    at any other day: each slice begins at the next day on which somebody signed up, so that empty years cost nothing. Once a
    slice has shown the term to be rare, all the rest comes at once, unless more than ``many`` match, or many more than expected.
    Where the window has as many as are needed, what follows is only counted, and no further than to ``enough``.
    For an order of names, where any of them will do, those that are met first are of all times.
    """
    if shape.descending:
        first, edge, days, next_edge = "max", "'infinity'", "first.day - number", "first.day - slice.width + 1"
        ahead, behind = "created_at < slice.edge", "created_at < walk.edge"
    else:
        first, edge, days, next_edge = "min", "'-infinity'", "first.day + number", "first.day + slice.width"
        ahead, behind = "created_at >= slice.edge", "created_at >= walk.edge"
    key_type = 'text[] COLLATE "C"' if shape.sort_by in NAMES else "timestamptz[]"
    near = f"(SELECT count(*) FROM {name}_near)"  # noqa: S608
    too_few = f"{near} < :{enough} AND NOT (SELECT read FROM {name}_all)"  # noqa: S608
    # By half of what may be looked up, since the first slice is a sample of chance.
    few = "slice.seen > 0 AND 2 * slice.found * slice.span <= :many * slice.seen"
    most = ":many"
    if shape.sort_by in NAMES:
        # It pays to know all who match; but a term of which a sample was met is not rare.
        few += f" AND {near} < {needed}"
    else:
        # And not where further slices cost less, one day as much as so many matches: all other days, and those that likely have
        # enough.
        few += f""" AND slice.found <= {_A_DAY} * slice.seen
                AND slice.found * slice.found * slice.span <= {_A_DAY} * (:{enough} - slice.found) * slice.seen * slice.seen"""
        most = f"least(:many, {_MORE} + {_TIMES} * slice.found * slice.span / slice.seen)::bigint"
    far = f"(SELECT count(*) FROM (SELECT id FROM {name}_far LIMIT {most} + 1) AS some_far)"  # noqa: S608
    return f"""
        {_nearest(shape, name, enough)},
        {name}_pace AS MATERIALIZED (
            SELECT span, 1 + least({_DAYS_AT_MOST - 1}, floor(:slice * span / users))::int AS days
            FROM (SELECT extract(epoch FROM max(created_at) - min(created_at))::float / 86400 AS span FROM users) AS moments,
                (SELECT greatest(1, reltuples) AS users FROM pg_class WHERE oid = 'users'::regclass) AS size
        ),
        {name}_far AS MATERIALIZED (
            SELECT id, key, created_at FROM (
                SELECT id, {shape.key} AS key, created_at, {", ".join(STATES)} FROM users
                WHERE {shape.nearly} AND {shape.beyond} AND {too_few} OFFSET 0
            ) AS looked_up WHERE {" AND ".join(["true", *shape.filtered])}
        ),
        {name}_walk AS (
            SELECT CAST({":edge" if shape.placed else edge} AS timestamptz) AS edge, days AS width, {_GROWTH} * days AS widest,
                span, 0 AS seen, 0::bigint AS found, NULL::bigint[] AS ids, NULL::{key_type} AS keys
            FROM {name}_pace WHERE {too_few}
            UNION ALL
            SELECT ({next_edge})::timestamp AT TIME ZONE 'UTC', least(2 * slice.width, slice.widest), slice.widest, slice.span,
                slice.seen + slice.width, slice.found + cardinality(hits.ids), hits.ids, hits.keys
            FROM {name}_walk AS slice
            CROSS JOIN LATERAL (SELECT ({first}(created_at) AT TIME ZONE 'UTC')::date AS day FROM users WHERE {ahead}) AS first
            CROSS JOIN LATERAL (SELECT array_agg({days}) AS days FROM generate_series(0, slice.width - 1) AS number) AS covered
            CROSS JOIN LATERAL (
                WITH matching AS MATERIALIZED (
                    SELECT id, {shape.key} AS key FROM users
                    WHERE {shape.indexed} AND {SIGN_UP_DAY} && covered.days AND {shape.beyond}
                )
                SELECT coalesce(array_agg(id), '{{}}') AS ids, array_agg(key) AS keys
                FROM (SELECT * FROM matching LIMIT CASE WHEN {near} >= {needed} THEN :{enough} END) AS listed
            ) AS hits
            WHERE slice.found < :{enough} AND first.day IS NOT NULL AND CASE WHEN {few} THEN {far} > {most} ELSE true END
        ),
        {name}_ended AS MATERIALIZED (
            SELECT edge FROM (SELECT * FROM {name}_walk ORDER BY seen DESC LIMIT 1) AS slice
            WHERE found < :{enough} AND CASE WHEN {few} THEN {far} <= {most} ELSE false END
        ),
        {name}_rest AS (
            SELECT id, key FROM {name}_ended AS walk
            -- OFFSET keeps the planner from looking at the far rows first, and so at all of them.
            CROSS JOIN LATERAL (SELECT * FROM {name}_far WHERE {behind} OFFSET 0) AS far
        ),
        {name}_total AS (
            SELECT greatest({near}, (SELECT max(found) FROM {name}_walk) + (
                SELECT count(*) FROM (SELECT id FROM {name}_rest LIMIT :{enough}) AS further
            )) AS total
        )"""  # noqa: S608


def met(name: str, in_window: str) -> str:
    """The rows that a walk has met: those of the window where this condition holds, else those of the slices."""
    return f"""
        SELECT id, key FROM {name}_near WHERE {in_window}
        UNION ALL SELECT unnest(ids), unnest(keys) FROM {name}_walk WHERE NOT ({in_window})
        UNION ALL SELECT id, key FROM {name}_rest WHERE NOT ({in_window})"""  # noqa: S608


def _nearest(shape: Shape, name: str, enough: str) -> str:
    """The matches in the window (or a sample of as many rows), and whether these are all because the list ends in it.

    Superusers are so few that the index of the search is no help where one in some hundred of them matches: it goes through the
    long lists of a common term for each. There the window is widened, which reads hundreds or thousands of them. How many of
    those who are inactive match, too, cannot be told from the first of them.
    """
    if "is_superuser" not in shape.filtered:
        near = spread(shape) if shape.sort_by in NAMES else window(shape, shape.beyond, enough, by_age=True)
        return f"{name}_near AS MATERIALIZED ({near}), {name}_all AS (SELECT false AS read)"
    common = "true" if len(shape.states) > 1 else f"{_ONE_IN} * count(*) >= :window"
    widened = f"(SELECT widened FROM {name}_first_count)"  # noqa: S608
    wide = window(shape, f"{shape.beyond} AND {widened}", enough, rows="wide", by_age=True)
    return f"""
        {name}_first AS MATERIALIZED ({window(shape, shape.beyond, enough, by_age=True)}),
        {name}_first_count AS MATERIALIZED (
            SELECT count(*) < :{enough} AND {common} AS widened FROM {name}_first
        ),
        {name}_near AS MATERIALIZED (
            SELECT id, key FROM {name}_first WHERE NOT {widened} UNION ALL SELECT id, key FROM ({wide}) AS wide
        ),
        {name}_all AS MATERIALIZED (
            SELECT CASE WHEN {widened} AND (SELECT count(*) FROM {name}_near) < :{enough} THEN NOT EXISTS (
                SELECT FROM users WHERE {shape.beyond} AND is_superuser ORDER BY created_at {shape.direction} OFFSET :wide LIMIT 1
            ) ELSE false END AS read
        )"""  # noqa: S608
