"""Compare the headings of columns, and find the row that has them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from rollcall.services.transfer import sources
from rollcall.services.users.field_names import is_repeatable

_SEPARATORS: Final = re.compile(r"[\s_\-\u2010-\u2015]+")
_BRACKETS: Final = re.compile(r"\s*\[([^\[\]]*)\]\s*")
_NOTES: Final = frozenset({"required", "readonly", "uploadonly"})
# A header row has to have one of these, whatever the source: somebody to address or to name.
_IDENTITY: Final = ("email", "username")
_LONGEST: Final = 60


def key(heading: str) -> str:
    """Return a heading as it is compared: without case, accents, spaces, hyphens and underscores."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", heading.casefold()) if not unicodedata.combining(each))
    return _SEPARATORS.sub("", plain)


def keys(heading: str) -> list[str]:
    """Return all ways in which a heading may be meant.

    Templates add a note or the name of the property: ``Email [Required]``, ``Name [displayName] Required``.
    """
    found = [key(heading)]
    if parts := _BRACKETS.findall(heading):
        found.append(key(_BRACKETS.split(heading)[0]))
        found += [each for part in parts if key(part) not in _NOTES for each in (f"[{key(part)}]", key(part))]
    return list(dict.fromkeys(found))


def paths(alternative: str) -> list[str]:
    """Return the paths of an alternative of a source, without what is to be done with their values."""
    bare = alternative.removeprefix("!")
    prefix, colon, rest = bare.partition(":")
    if colon and prefix in PREFIXES:
        bare = rest
    return bare.split("+")


PREFIXES: Final = frozenset(
    {"until", "set", "utc", "hash", "plain", "address", "ad"} | {"auth0", "okta", "firebase", "keycloak", "discourse", "aspnet"}
)


@cache
def _identities() -> frozenset[str]:
    return frozenset(
        key(path)
        for source in sources.BY_NAME.values()
        for name in _IDENTITY
        for alternative in source.fields.get(name, ())
        for path in paths(alternative)
    ) - {"configvalue"}


def is_header(cells: Sequence[str], chosen: Iterable[str] = ()) -> bool:
    """Return whether a row names the columns, and is nobody's data.

    :param chosen: the keys of columns that the caller has named.
    """
    named = [cell.strip() for cell in cells if cell.strip()]
    if any("@" in cell for cell in named):
        return False
    known = _identities() | set(chosen)
    return any(each in known for cell in named for each in keys(cell))


def score(cells: Sequence[str]) -> int:
    """Return how many cells of a row could be headings."""
    return len({cell.strip() for cell in cells if cell.strip() and is_repeatable(cell.strip())})


def names(cells: Sequence[str]) -> list[str]:
    """Return the names of columns: as given, but ``column 3`` for one that is empty or looks like data."""
    given = [cell.strip() for cell in cells]
    return [name if _is_name(name) else f"column {number}" for number, name in enumerate(given, 1)]


def _is_name(name: str) -> bool:
    return bool(name) and len(name) <= _LONGEST and (is_repeatable(name) or name == "#")
