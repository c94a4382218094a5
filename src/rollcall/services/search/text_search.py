"""Finding any part of a name among ten million users, in any order.

A term that everybody has is found by reading the list: the page is full after some rows. A term that few have is found by an
index, which knows the rows for each three letters. The terms between them are the hard ones: hundred thousand matches are too
many to fetch and sort, and they may be far from the beginning of the list. So the index of the search also holds what the
list is ordered by, coarsely, and a search goes through the order piece by piece:

- In the order of sign-up it *walks*: from slice to slice of days, newest first, until it has found enough. The rows of some
  days lie together, so the index passes all others over, and a slice without a match costs a tenth of a millisecond.
- Some slices tell how common the term is. What they show to be rare is looked up at once, without any more slices.
- The same walk counts: it ends where more than ``COUNT_AT_MOST`` have been found, and else has met all users that match.
- In the order of names the same walk comes first. If it has met all that match they are sorted, and that is all. Otherwise
  they are a *sample*; of a common term, one of users of all times. The list is read from its start, in an index that includes
  what is searched; if that does not fill the page, the sample tells at which name there are likely enough matches: the list is
  read from there, and what comes before there is looked up in the index of the search, which knows how names begin. Where nearly
  all who match have names that begin alike (``maria`` by e-mail address), these would be all names up to there, so it is asked
  for the others who match instead. What is found does not depend on the guess: where it was wrong, everything that can be on the
  page is looked up.

The worst that remains is a term whose first matches are far into the order of names, and users who all signed up on the same
day, which is one slice (docs/PERFORMANCE.md has figures).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, text
from sqlalchemy.orm import Session

from rollcall.errors import FieldError
from rollcall.infra import reading
from rollcall.models import User, UserRecord
from rollcall.models.user import GAPS, LETTERS
from rollcall.services.search import list_order, name_jumps, search_statements
from rollcall.services.search.list_order import Position, SortBy, SortOrder
from rollcall.services.search.name_jumps import Sample
from rollcall.services.search.search_shapes import FOUND, LOOK_UP, Shape, any_of
from rollcall.services.statistics.tally import midnight

# Matches are counted up to here; above, the total is "more than".
COUNT_AT_MOST = 200
# Users in the first slice of a walk, at the average number of sign-ups a day; the slices grow, up to eight times that. One in
# which everybody matches is fetched in some 10 to 50 ms, one in which nobody does is passed in 0.1 ms.
SLICE = 16_384
# A term with no more matches is rare: a walk that has come so far looks at all of them at once, which takes some 30 ms.
MANY = 10_000
# Rows of the list that are read before the index is asked: by sign-up in the table, where they lie together; by name in their
# index, some 0.3 µs each, up to as many as fill the page if those who match are everywhere in the order. More of those who are
# few, since the index of the search takes longer for them. And as many may be read from where the sample promises enough.
WINDOW = 1_000
WINDOW_BY_NAME = 20_000
WINDOW_OF_FEW = 10_000
WINDOW_BY_SAMPLE = 100_000
# Rows from all over the list that are looked at for a sample.
WINDOW_OF_ALL = 5_000
# And so many of the superusers, if the term is a common one; few services have more of them.
WIDE = 25_000
# Matches that make a sample: among those rows no fewer and no more than these; and of what a walk has met, no more than that.
FEW = 50
MOST = 2_000
SAMPLE = COUNT_AT_MOST
TERM_MAX = 100

_NOT_IN_A_TERM = re.compile("[\0-\x1f\x7f\ud800-\udfff]")

_Rows = list[tuple[UserRecord, Any]]


@dataclass(frozen=True, slots=True)
class Total:
    """How many users match; ``exact`` is false where there are more."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A term, the states that are asked for by column name, and the order."""

    term: str
    states: Mapping[str, bool]
    sort_by: SortBy
    sort_order: SortOrder


def term(value: str) -> str:
    """Check a search term: 1 to 100 code points, none of them a control character or a lone surrogate.

    :return: the term in Unicode's NFC, as names and addresses are stored.
    :raises FieldError: ``too_short``, ``too_long`` or ``invalid_characters``.
    """
    if not value:
        raise FieldError("too_short", "A search has at least one character.")
    if len(value) > TERM_MAX:
        raise FieldError("too_long", f"A search has at most {TERM_MAX} characters.")
    if _NOT_IN_A_TERM.search(value):
        raise FieldError("invalid_characters", "A search has no control characters.")
    return unicodedata.normalize("NFC", value)


def found(session: Session, term: str) -> ColumnElement[bool]:
    """The condition that a user is found by a term, for statements about all who are.

    They are looked up in the index, unless there are so many that the planner would rather read the whole table.
    """
    asked = {"term": term, "gaps": GAPS, "letters": LETTERS}
    matching = text(FOUND).bindparams(**asked)
    plan = session.scalar(text(f"EXPLAIN (FORMAT JSON) {LOOK_UP}"), asked)
    if "Seq Scan" in str(plan):
        return and_(matching)
    return and_(matching, User.id.in_(text(LOOK_UP).bindparams(**asked).columns(User.id)))


def page(session: Session, query: Query, position: Position | None, offset: int, size: int) -> tuple[_Rows, Total]:
    """Users that match, in order, up to one more than ``size``; and how many match in all.

    :param position: where to go on; ``None``: from the start, ``offset`` rows into it.
    :return: the users, each with its sort key, in the order in which they were met (backwards where the position is).
    """
    order = list_order.of(query.sort_by, query.sort_order, backwards=position is not None and position.backwards)
    shape = Shape(query.sort_by, order.descending, tuple(query.states.items()), placed=position is not None)
    asked = {
        "term": query.term,
        "gaps": GAPS,
        "letters": LETTERS,
        "slice": SLICE,
        "many": MANY,
        "wide": WIDE,
        "skip": offset,
        "take": size + 1,
    }
    if position is not None:
        asked |= {"key": position.key, "id": position.id}
    find = _by_age if query.sort_by == "created_at" else _by_name
    return find(session, shape, asked, position)


def _by_age(session: Session, shape: Shape, asked: dict[str, Any], position: Position | None) -> tuple[_Rows, Total]:
    needed = asked["skip"] + asked["take"]
    more = {"window": WINDOW + needed, "needed": needed, "enough": needed, "countable": COUNT_AT_MOST + 1}
    if position is None:
        more["enough"] = max(needed, COUNT_AT_MOST + 1)  # the walk that finds the page counts too
    elif isinstance(position.key, datetime):
        day = position.key.astimezone(UTC).date()
        more["edge"] = midnight(day + timedelta(days=1) if shape.descending else day)
    rows = reading.rows(session, search_statements.by_age(shape), **asked, **more)
    return [(UserRecord(*user), key) for _, key, *user in rows if user[0] is not None], _total(rows[0][0])


def _by_name(session: Session, shape: Shape, asked: dict[str, Any], position: Position | None) -> tuple[_Rows, Total]:
    needed = asked["skip"] + asked["take"]
    more = {"window": WINDOW_OF_ALL, "enough": SAMPLE + 1, "few": FEW, "most": MOST}
    met = reading.rows(session, search_statements.sample(replace(shape, placed=False)), **asked | more)
    is_whole, listed, share = met[0][2:] if met else (True, 1, 1)
    if is_whole:
        places = sorted(((key, user_id) for key, user_id, *_ in met), reverse=shape.descending)
        if position is not None:
            here = (position.key, position.id)
            places = [place for place in places if (place < here if shape.descending else place > here)]
        return _users(session, places[asked["skip"] : needed]), _total(len(met))
    start = None if position is None else str(position.key)
    sample = Sample([name for name, *_ in met], share)
    jump = name_jumps.choose(sample, needed, descending=shape.descending, start=start)
    # Those in a crowd are far into the list. Others fill the page soon, or are not to be found at this end of the order.
    evenly = int(2 * needed * share * listed / len(met))
    window = evenly if evenly <= WINDOW_BY_NAME and not jump.crowds else 0
    rows = reading.rows(
        session,
        search_statements.by_name(shape),
        **asked,
        window=max(window, WINDOW_OF_FEW if shape.rare else WINDOW) + needed,
        needed=needed,
        jumps=bool(jump.name),
        jump=jump.name,
        before=jump.before,
        crowds=any_of(shape.sort_by, jump.crowds),
        enough=jump.enough,
        further=WINDOW_BY_SAMPLE,
    )
    return [(UserRecord(*user), key) for key, *user in rows], _total(SAMPLE + 1)


def _total(met: int) -> Total:
    return Total(min(met, COUNT_AT_MOST), met <= COUNT_AT_MOST)


def _users(session: Session, places: Sequence[tuple[Any, int]]) -> _Rows:
    found = reading.rows(session, search_statements.users(), ids=[user_id for _, user_id in places]) if places else []
    users = {user[0]: UserRecord(*user) for user in found}
    return [(users[user_id], key) for key, user_id in places if user_id in users]  # one may just have been deleted
