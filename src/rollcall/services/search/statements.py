"""The statements of a search. Each does one thing, so none depends on an estimate of the planner.

A term travels in parameters: ``word_0`` … of the longest words, for which the index has trigrams, and ``more_words``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Float,
    Integer,
    Select,
    Text,
    all_,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.visitors import replacement_traverse

from rollcall.infra.reading import Statement
from rollcall.models import RECORD, User
from rollcall.models.user import CHARACTERS, DAY_STATUSES, STATUSES
from rollcall.services.search import filters
from rollcall.services.search.list_order import Order

INDEXED_WORDS: Final = 3
"""Words that the index is searched for; the rows found are filtered by all others."""
_KEPT: Final = 256  # statements, of the many combinations of filters
_INDEXED: Final[dict[str, Any]] = {
    "characters": CHARACTERS.contains,
    "days": DAY_STATUSES.overlap,
    "statuses": STATUSES.overlap,
}
_TYPES: Final[dict[str, Any]] = {"characters": ARRAY(Text), "days": ARRAY(Integer), "statuses": ARRAY(Integer)}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the text of a statement depends on.

    :ivar order: in which the matches are found.
    :ivar filters: names of filters; those of a status with its value.
    :ivar words: how many words the term has, at most ``INDEXED_WORDS``.
    :ivar placed: only rows after a position, the parameters ``key`` and ``id``, are found.
    """

    order: Order
    filters: tuple[tuple[str, bool | None], ...]
    words: int
    placed: bool

    @property
    def listed(self) -> ColumnElement[bool]:
        """The rows of the list. The text has the value of a status, so that PostgreSQL can use an index of that status alone."""
        conditions = filters.with_names([name for name, value in self.filters if value is None])
        conditions += [
            getattr(User, name) if value else ~getattr(User, name) for name, value in self.filters if value is not None
        ]
        if self.placed:
            key_type = DateTime(timezone=True) if self.order.tied else Text()
            conditions.append(self.order.beyond_row(bindparam("key", type_=key_type), bindparam("id", type_=BigInteger)))
        return and_(true(), *conditions)

    def matching(self, searched: ColumnElement[Any]) -> ColumnElement[bool]:
        """Return the rows whose text has every word."""
        words = [searched.like(bindparam(f"word_{number}", type_=Text)) for number in range(self.words)]
        return and_(*words, searched.like(all_(bindparam("more_words", type_=ARRAY(Text)))))

    def places(self, *more: Any) -> Select[Any]:
        """Select the sort key and the id, for the position of each row."""
        return select(self.order.key.label("key"), User.id, *more)

    def statement(self, query: Select[Any]) -> Statement:
        # A connection keeps what it has prepared, so only the usual combinations of filters are.
        return Statement(query, prepared=all(value is not None for _, value in self.filters))


@lru_cache(_KEPT)
def window(shape: Shape) -> Statement:
    """Read the first rows of the list, parameter ``rows``.

    Returns ``(rows read, sort key, id)`` for each match, in any order; without a match one row without key and id.
    """
    listed = _materialized(
        shape.places(User.search_text).where(shape.listed).order_by(*shape.order.clauses()).limit(_number("rows")), "listed"
    )
    read = select(func.count().label("rows")).select_from(listed).subquery("read")
    matches = read.outerjoin(listed, shape.matching(listed.c.search_text))
    return shape.statement(select(read.c.rows, listed.c.key, listed.c.id).select_from(matches))


# Of 40 to 200 pages, with some 25 rows each: half a percent of the pages where that is between them.
_SHARE: Final[ColumnElement[float]] = literal_column(
    """(
    SELECT least(1, least(200, greatest(40, pages / 200)) / greatest(pages, 1)::float)
    FROM (SELECT pg_relation_size('users') / current_setting('block_size')::bigint AS pages) AS size)""",
    Float,
)


@lru_cache(_KEPT)
def sample(shape: Shape) -> Statement:
    """Count in a part of the table: ``(share of its pages, rows of the list, matches)``. They are always the same pages."""
    users: Any = User.__table__
    sampled = users.tablesample(func.system(100 * _SHARE), seed=literal_column("0"))

    def of_sample(element: Any, **_: Any) -> Any:
        return sampled.c[element.name] if isinstance(element, Column) and element.table is users else None

    listed, matching = (
        replacement_traverse(condition, {}, of_sample)
        for condition in (shape.listed, shape.matching(User.__table__.c.search_text))
    )
    counts: Any = (_SHARE, func.count().filter(listed), func.count().filter(and_(listed, matching)))
    return shape.statement(select(*counts).select_from(sampled))


@lru_cache(_KEPT)
def look_up(shape: Shape, keys: tuple[str, ...]) -> Statement:
    """Find the first ``needed`` matches by the search index: ``(sort key, id)``, in order.

    :param keys: what the index is searched for beside the words; each is a parameter: ``characters``, ``days``, ``statuses``.
    """
    by_index = (_INDEXED[key](bindparam(key, type_=_TYPES[key])) for key in keys)
    # All matches first: the planner would otherwise hope to meet some soon in the order of the list.
    met = _materialized(shape.places().where(shape.listed, shape.matching(User.__table__.c.search_text), *by_index), "met")
    return shape.statement(
        select(met.c.key, met.c.id).order_by(*shape.order.clauses(met.c.key, met.c.id)).limit(_number("needed"))
    )


@lru_cache(_KEPT)
def places_of(shape: Shape) -> Statement:
    """Return ``(sort key, id)`` of the users with the parameter ``ids`` who are in the list."""
    return shape.statement(shape.places().where(shape.listed, User.id == any_(bindparam("ids", type_=ARRAY(BigInteger)))))


@cache
def users() -> Statement:
    """Return the users with the parameter ``ids``, in that order."""
    ids = bindparam("ids", type_=ARRAY(BigInteger))
    return Statement(select(*RECORD).where(User.id == any_(ids)).order_by(func.array_position(ids, User.id)), prepared=True)


def _materialized(query: Select[Any], name: str) -> CTE:
    return query.cte(name).prefix_with("MATERIALIZED")


def _number(name: str) -> Any:
    return bindparam(name, type_=BigInteger)
