"""The statements of a search: see ``text_search`` for when each is used, and why.

They are SQL text, in which a walk through slices reads best, and each is made once for each shape of a search: all that is
asked for travels in parameters. Common to all are ``term``, ``gaps`` and ``letters``; of the walk ``slice`` (users in its
first slice) and ``many`` (a term that has no more matches is rare); and where the shape is placed ``key`` and ``id``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from sqlalchemy import text

from rollcall.infra.reading import Statement
from rollcall.models import UserRecord
from rollcall.models.user import NAME_BEGINNINGS, SHORT_GRAMS, SIGN_UP_DAY, STATES
from rollcall.services.list_order import SortBy

# A walk's first slice has at most so many days, and later slices at most so many times the days of the first.
_DAYS_AT_MOST = 64
_GROWTH = 8

_NAMES = {"username": "lower(username)", "email": "lower(email)"}
_RECORD = ", ".join(f"users.{column}" for column in UserRecord._fields)
_FORM = "translate(lower(:term), :gaps, :letters)"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a statement depends on, apart from its parameters.

    :param descending: the direction of the order in which the rows are met.
    :param states: the filter: columns, and which state is wanted.
    :param short: the term is too short for trigrams.
    :param placed: only rows beyond a place in the order are wanted.
    """

    sort_by: SortBy
    descending: bool
    states: tuple[tuple[str, bool], ...]
    short: bool
    placed: bool

    @property
    def key(self) -> str:
        return f'{_NAMES[self.sort_by]} COLLATE "C"' if self.sort_by in _NAMES else "created_at"

    @property
    def direction(self) -> str:
        return "DESC" if self.descending else "ASC"

    @property
    def beyond(self) -> str:
        """The condition that a row lies beyond the place."""
        return f"({self.key}, id) {'<' if self.descending else '>'} (:key, :id)" if self.placed else "true"

    @property
    def filtered(self) -> list[str]:
        return [state if wanted else f"NOT {state}" for state, wanted in self.states]

    @property
    def rare(self) -> str | None:
        """The state that few users are in, if the filter has one; there are indexes by name of these users alone."""
        return next((state for state in ("is_superuser", "NOT is_active") if state in self.filtered), None)

    @property
    def read(self) -> str:
        """The condition that a row matches, of rows that are read in any case."""
        return " AND ".join([f"search_text LIKE '%' || {_FORM} || '%'", *self.filtered])

    @property
    def indexed(self) -> str:
        """The same condition, as the index of the search serves it."""
        found = f"{SHORT_GRAMS} @> ARRAY[{_FORM}]" if self.short else f"search_text LIKE '%' || {_FORM} || '%'"
        return " AND ".join([found, *(f"{STATES[state]} @> ARRAY[{wanted}]" for state, wanted in self.states)])


@cache
def by_age(shape: Shape) -> Statement:
    """A page in the order of sign-up: how many were met, the sort key, the user; where there is no page, one row without a user.

    Parameters: ``window``; ``enough``, the number of matches after which the walk ends; ``skip``, ``take``; and where it is
    placed ``edge``, the end of the place's day, and ``countable``, the ``enough`` of the total.
    """
    walks = [_walk(shape, "met", "enough", ":skip + :take")]
    if shape.placed:
        walks.append(_walk(replace(shape, placed=False), "counted", "countable", "0"))
    return Statement(
        text(f"""
        WITH RECURSIVE {", ".join(walks)}, met AS ({_met("met", "(SELECT count(*) FROM met_near) >= :skip + :take")})
        SELECT total, key, {_RECORD} FROM {"counted" if shape.placed else "met"}_total LEFT JOIN (
            SELECT id, key FROM met ORDER BY key {shape.direction}, id {shape.direction} OFFSET :skip LIMIT :take
        ) AS page ON true LEFT JOIN users ON users.id = page.id ORDER BY key {shape.direction}, page.id {shape.direction}
    """)  # noqa: S608  (all of it is our own text)
    )


@cache
def sample(shape: Shape) -> Statement:
    """Some of the newest matches, in no order; each with how many were met, in which part of all days, and how many users are.

    Where fewer than ``enough`` were met, they are all that match. Parameters: ``window``; ``enough``; ``few``, which is a
    sample if the window has so many; ``take``. The shape is of a search by name without a place.
    """
    in_window = "(SELECT count(*) FROM met_near) >= :few"
    return Statement(
        text(f"""
        WITH RECURSIVE {_walk(replace(shape, descending=True), "met", "enough", ":few")},
        reached AS (SELECT min(edge) AS edge FROM met_walk WHERE edge < 'infinity')
        SELECT key, id, total, CASE
            WHEN {in_window} THEN least(1, :window / users)
            WHEN EXISTS (SELECT FROM met_rest) THEN least(1, CAST(:take AS numeric) / total)
            ELSE least(1, (1 + extract(epoch FROM newest - edge)) / (1 + extract(epoch FROM newest - oldest)))
                * least(1, CAST(:take AS numeric) / total)
        END::float AS share, users
        FROM ({_met("met", f"{in_window} AND (SELECT total FROM met_total) >= :enough")}) AS met, met_total, met_pace, reached
        LIMIT :take
    """)  # noqa: S608
    )


@cache
def by_name(shape: Shape) -> Statement:
    """A page in the order of names: the sort key, the user.

    Parameters: ``window``; ``needed``, the rows up to the end of the page; ``jumps``, ``jump`` and ``further``, whether there is
    a name to jump to, which, and how many rows are read from there; ``before`` and ``enough``, the beginnings of the names up
    to there, and of those among whom there are surely enough (null: of all); ``skip``, ``take``.
    """
    here, there = ("<=", ">") if shape.descending else (">=", "<")
    beginnings = NAME_BEGINNINGS[shape.sort_by]
    # The conditions on the name come after the look-up. In it, the planner would take them for a reason to read a large part
    # of the index by name.
    looked_up = f"SELECT id, {shape.key} AS key FROM users WHERE {shape.indexed}"  # noqa: S608
    beyond = f"(key, id) {'<' if shape.descending else '>'} (:key, :id)" if shape.placed else "true"
    start = "(SELECT count(*) FROM near) < :needed"
    too_few = "(SELECT count(*) FROM before) < :needed"
    both = "(SELECT count(*) FROM before) + (SELECT count(*) FROM jumped)"
    window = _window(
        shape,
        f"{shape.beyond} AND {shape.key} {here} :jump AND :jumps AND {start} AND {too_few}",
        "needed",
        rows="further",
    )
    return Statement(
        text(f"""
        WITH near AS MATERIALIZED ({_window(shape, shape.beyond, "needed")}),
        upto AS MATERIALIZED ({looked_up} AND {beginnings} && :before AND :jumps AND {start}),
        before AS MATERIALIZED (SELECT * FROM upto WHERE key {there} :jump AND {beyond}),
        jumped AS MATERIALIZED ({window}),
        everything AS MATERIALIZED (
            {looked_up} AND (CAST(:enough AS text[]) IS NULL OR {beginnings} && :enough) AND {start} AND {both} < :needed
        ),
        found AS (
            SELECT * FROM near WHERE (SELECT count(*) FROM near) >= :needed
            UNION ALL SELECT * FROM before WHERE {both} >= :needed
            UNION ALL SELECT * FROM jumped WHERE {both} >= :needed
            UNION ALL SELECT * FROM everything WHERE {beyond}
        )
        SELECT key, {_RECORD}
        FROM (SELECT id, key FROM found ORDER BY key {shape.direction} OFFSET :skip LIMIT :take) AS page JOIN users USING (id)
        ORDER BY key {shape.direction}
    """)  # noqa: S608
    )


@cache
def users() -> Statement:
    """The users with these ``ids``."""
    return Statement(text(f"SELECT {_RECORD} FROM users WHERE id = ANY (:ids)"))  # noqa: S608


def _window(shape: Shape, where: str, enough: str, *, rows: str = "window", by_age: bool = False) -> str:
    """The first matches in the next rows of the list, by name, or else in the order of sign-up."""
    # What an index has together may be the window's condition. Any other filter comes after the window, which would else be a
    # search through the whole table for its rows.
    inside = shape.rare or (shape.filtered[0] if by_age and shape.filtered else "true")
    # Names are unique: to sort by the id too would only cost time.
    order = f"created_at {shape.direction}, id {shape.direction}" if by_age else f"key {shape.direction}"
    columns = ", ".join(["id", "created_at", f"{shape.key} AS key", "search_text", *STATES])
    return f"""
        SELECT id, key FROM (
            SELECT {columns} FROM users WHERE {where} AND {inside} ORDER BY {order} LIMIT :{rows}
        ) AS listed WHERE {shape.read} ORDER BY {order} LIMIT :{enough}"""  # noqa: S608


def _walk(shape: Shape, name: str, enough: str, needed: str) -> str:
    """Matches that come first in the order of sign-up: at least as many as are needed, and more or all of them for the count.

    First those in a window of the list. If they are not enough, those in slices of days, which the index finds without looking
    at any other day: each slice begins at the next day on which somebody signed up, so that empty years cost nothing. Once the
    slices are at their widest and have shown the term to be rare, all the rest comes at once, unless more than ``many`` match.
    Where the window has as many as are needed, what follows is only counted, and no further than to ``enough``.
    """
    if shape.descending:
        first, edge, days, next_edge = "max", "'infinity'", "first.day - number", "first.day - slice.width + 1"
        ahead, behind = "created_at < slice.edge", "created_at < walk.edge"
    else:
        first, edge, days, next_edge = "min", "'-infinity'", "first.day + number", "first.day + slice.width"
        ahead, behind = "created_at >= slice.edge", "created_at >= walk.edge"
    key_type = 'text[] COLLATE "C"' if shape.sort_by in _NAMES else "timestamptz[]"
    near = f"(SELECT count(*) FROM {name}_near)"  # noqa: S608
    few = "slice.width = slice.widest AND slice.found * slice.span <= :many * slice.seen"
    far = f"(SELECT count(*) FROM (SELECT id FROM {name}_far LIMIT :many + 1) AS some_far)"  # noqa: S608
    return f"""
        {name}_near AS MATERIALIZED ({_window(shape, shape.beyond, enough, by_age=True)}),
        {name}_pace AS MATERIALIZED (
            SELECT newest, oldest, users, span, 1 + least({_DAYS_AT_MOST - 1}, floor(:slice * span / users))::int AS days
            FROM (
                SELECT max(created_at) AS newest, min(created_at) AS oldest,
                    extract(epoch FROM max(created_at) - min(created_at))::float / 86400 AS span
                FROM users
            ) AS moments, (SELECT greatest(1, reltuples) AS users FROM pg_class WHERE oid = 'users'::regclass) AS size
        ),
        {name}_far AS MATERIALIZED (
            SELECT id, {shape.key} AS key, created_at FROM users WHERE {shape.indexed} AND {shape.beyond} AND {near} < :{enough}
        ),
        {name}_walk AS (
            SELECT CAST({":edge" if shape.placed else edge} AS timestamptz) AS edge, days AS width, {_GROWTH} * days AS widest,
                span, 0 AS seen, 0::bigint AS found, NULL::bigint[] AS ids, NULL::{key_type} AS keys
            FROM {name}_pace WHERE {near} < :{enough}
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
            WHERE slice.found < :{enough} AND first.day IS NOT NULL AND CASE WHEN {few} THEN {far} > :many ELSE true END
        ),
        {name}_ended AS MATERIALIZED (
            SELECT edge FROM (SELECT * FROM {name}_walk ORDER BY seen DESC LIMIT 1) AS slice
            WHERE found < :{enough} AND CASE WHEN {few} THEN {far} <= :many ELSE false END
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


def _met(name: str, in_window: str) -> str:
    """The rows that a walk has met: those of the window where this condition holds, else those of the slices."""
    return f"""
        SELECT id, key FROM {name}_near WHERE {in_window}
        UNION ALL SELECT unnest(ids), unnest(keys) FROM {name}_walk WHERE NOT ({in_window})
        UNION ALL SELECT id, key FROM {name}_rest WHERE NOT ({in_window})"""  # noqa: S608
