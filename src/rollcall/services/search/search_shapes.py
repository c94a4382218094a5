"""What the statements of a search have in common: their shape, on which nothing depends but their text, and a window of a list.

They are SQL text, in which a search that goes on from piece to piece reads best. Each is made once for each shape: all that is
asked for travels in parameters, of which the term has three, ``term``, ``gaps`` and ``letters``; ``ASKED`` makes of them what
is looked for. PostgreSQL plans it once for each connection, without a look at the term, so that no term can lead to a plan that
is bad for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollcall.models.user import GAPS, GRAMS, LETTERS, LONGEST_GRAM, STATES
from rollcall.services.search.list_order import SortBy

NAMES = {"username": "lower(username)", "email": "lower(email)"}

# Moments of the time of all sign-ups, from each of which on some rows make a sample.
_PARTS = 20
# Characters of a term that is looked up by few n-grams.
_LONG = 9
# The term as the search text holds it.
_FORM = "translate(lower(:term), :gaps, :letters)"


def _grams(form: str) -> str:
    """The n-grams by which a term is looked up: of three characters, or the term itself if it is shorter.

    Each is one more long list to go through. Of a long term every third and the last will do, which have all of its characters;
    of a shorter one, two of three, so that each begins with a character of the one before (``mar``, ``rin`` and ``ina``, which
    ``martina`` does not have). The planner works them out where it knows the term.
    Of an address they end with the @, or where little comes before that with the first characters of its domain: what follows may
    be everybody's, and the lists of such n-grams are gone through as a whole.
    """
    at = f"strpos({form}, '{LETTERS[GAPS.index('@')]}')"
    form = f"""left({form}, CASE
            WHEN {at} > {2 * LONGEST_GRAM} THEN {at} WHEN {at} > {LONGEST_GRAM} THEN {at} + {LONGEST_GRAM} ELSE length({form})
        END)"""
    cuts = [f"regexp_replace(substr({form}, {start}), '(...)|..?$', '\\1 ', 'g')" for start in (1, LONGEST_GRAM)]
    last = f"right({form}, {LONGEST_GRAM})"
    return f"""('''' || regexp_replace(CASE
                WHEN length({form}) < {LONGEST_GRAM} THEN {form}
                WHEN length({form}) < {_LONG} THEN {" || ".join(cuts)} || {last}
                ELSE {cuts[0]} || {last}
            END, ' +', ''' & ''', 'g') || '''')::tsquery"""


# For a statement: what matches as a pattern, and its n-grams. A table of one row, so that it is made once and not for each user.
ASKED = f"""asked AS MATERIALIZED (
            SELECT '%' || form || '%' AS pattern, {_grams("form")} AS grams FROM (SELECT {_FORM} AS form) AS term
        )"""  # noqa: S608
# For any other statement about users, with the same parameters: the condition that a user matches, and the ids of all who do as
# the index finds them. OFFSET keeps the planner from taking it for a condition on rows that it has found in another way: to make
# a user's n-grams takes 20 µs.
FOUND = f"search_text LIKE '%' || {_FORM} || '%'"
LOOK_UP = f"SELECT id FROM users AS held WHERE {GRAMS} @@ {_grams(_FORM)} OFFSET 0"  # noqa: S608
_ASKED_GRAMS = "(SELECT grams FROM asked)"
_MATCHES = "search_text LIKE (SELECT pattern FROM asked)"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a statement depends on, apart from its parameters.

    :param descending: the direction of the order in which the rows are met.
    :param states: the filter: columns, and which state is wanted.
    :param placed: only rows beyond a place in the order are wanted.
    """

    sort_by: SortBy
    descending: bool
    states: tuple[tuple[str, bool], ...]
    placed: bool

    @property
    def key(self) -> str:
        return f'{NAMES[self.sort_by]} COLLATE "C"' if self.sort_by in NAMES else "created_at"

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
    def listed_in(self) -> str:
        """What has as many rows as the list, but for states that most users are in: the table, or an index."""
        few = {"is_superuser": "ix_users_superusers_by_username", "NOT is_active": "ix_users_inactive_by_username"}
        return few[self.rare] if self.rare else "users"

    @property
    def read(self) -> str:
        """The condition that a row matches, of rows that are read in any case."""
        return " AND ".join([_MATCHES, *self.filtered])

    @property
    def indexed(self) -> str:
        """The same condition, as the index of the search serves it."""
        return self._indexed(self.states)

    @property
    def nearly(self) -> str:
        """The same without the states that most users are in: to look these up takes longer than to fetch some rows in vain."""
        return self._indexed(self._rare_states)

    @property
    def nearly_apart(self) -> str:
        """The same, but for users with one of the n-grams in the parameter ``crowds``; if that is null, of nobody."""
        return self._indexed(self._rare_states, f"({_ASKED_GRAMS} && !! CAST(:crowds AS tsquery))")

    @property
    def _rare_states(self) -> list[tuple[str, bool]]:
        return [(state, wanted) for state, wanted in self.states if wanted == (state == "is_superuser")]

    def _indexed(self, states: Sequence[tuple[str, bool]], grams: str = _ASKED_GRAMS) -> str:
        in_states = (f"{STATES[state]} @> ARRAY[{wanted}]" for state, wanted in states)
        return " AND ".join([f"{GRAMS} @@ {grams}", *in_states, _MATCHES])


def any_of(column: str, beginnings: Sequence[str]) -> str | None:
    """A tsquery for the users whose name begins in one of these ways, filled up as the index has them; ``None`` for none."""
    quoted = (beginning.replace("\\", "\\\\").replace("'", "''") for beginning in beginnings)
    return " | ".join(f"'{column}:{beginning}'" for beginning in quoted) or None


def window(shape: Shape, where: str, enough: str, *, rows: str = "window", by_age: bool = False) -> str:
    """The first matches in the next rows of the list, by name, or else in the order of sign-up."""
    # What an index has together may be the window's condition. Any other filter comes after the window, which would else be a
    # search through the whole table for its rows.
    inside = shape.rare or (shape.filtered[0] if by_age and shape.filtered else "true")
    # Names are unique: to sort by the id too would only cost time.
    order = f"created_at {shape.direction}, id {shape.direction}" if by_age else f"key {shape.direction}"
    # No more columns than the index has of them by name, so that it is read alone.
    columns = ", ".join(["id", *(["created_at"] if by_age else []), f"{shape.key} AS key", "search_text", *STATES])
    return f"""
        SELECT id, key FROM (
            SELECT {columns} FROM users WHERE {where} AND {inside} ORDER BY {order} LIMIT :{rows}
        ) AS listed WHERE {shape.read} ORDER BY {order} LIMIT :{enough}"""  # noqa: S608


def spread(shape: Shape) -> str:
    """The matches among as many rows as a window has, from all over the list: a sample of all users.

    The newest alone may be unlike all others, as those of an import are.
    """
    inside = shape.rare or next(iter(shape.filtered), "true")
    part = f"span / {_PARTS}"
    return f"""
        SELECT id, key FROM (
            SELECT min(created_at) AS oldest, max(created_at) - min(created_at) + interval '1 second' AS span FROM users
        ) AS moments CROSS JOIN generate_series(0, {_PARTS - 1}) AS number CROSS JOIN LATERAL (
            SELECT id, {shape.key} AS key, search_text, {", ".join(STATES)} FROM users
            WHERE created_at >= oldest + number * {part} AND created_at < oldest + (number + 1) * {part} AND {inside}
            ORDER BY created_at, id LIMIT :window / {_PARTS}
        ) AS listed WHERE {shape.read}"""  # noqa: S608
