"""Where in the order of names a search goes on, by a sample of its matches; and what the index of the search is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from rollcall.models.user import BEGINNINGS, GROUPED, GROUPS, UNUSUAL

# Matches that are looked up at once, scattered over the table as they are: some 10 ms.
LOOK_UP = 2_500
# Nearly all who match may have one of so few beginnings of names. The index is then asked for those who have none of these: up
# to where the crowds are in the order of names, it would have to go through all names. Beginnings shorter than these are those of
# so many that to leave them out takes as long. The one that has the place must be large, one in so many of those who match.
CROWDS = 8
LARGE = 10
CROWD_BEGINNING = 3

_LETTERS = "".join(GROUPS.values())
LAST = "\U0010ffff"  # comes after everything that goes on after the same beginning


@dataclass(frozen=True, slots=True)
class Sample:
    """Names of some users who match.

    :param share: the part of all users among whom these are all who match, about.
    """

    names: Sequence[str]
    share: float


@dataclass(frozen=True, slots=True)
class Jump:
    """A place in the order of names, and how the index finds all who match and come before it.

    :param name: the place: not necessarily anybody's name, and empty where there is no use in a jump.
    :param before: beginnings that all names before the place have; if there are crowds, all names of these.
    :param crowds: beginnings that nearly all names have; the few others who match are looked up wherever they are.
    :param enough: beginnings that all names have before which there are surely enough matches; ``None``: nobody knows.
    """

    name: str
    before: Sequence[str]
    crowds: Sequence[str]
    enough: Sequence[str] | None


def choose(sample: Sample, needed: int, *, descending: bool, start: str | None) -> Jump:
    """A place before which, or right behind which, there are likely as many matches as are needed.

    :param needed: rows.
    :param start: the name after which rows are wanted, if not from the start of the list.
    """
    ahead = (name for name in sample.names if start is None or (name < start if descending else name > start))
    names = sorted(ahead, reverse=descending)
    # Before as many of the sample as are needed there are surely enough.
    sure = names[needed - 1][:BEGINNINGS] if len(names) >= needed else None
    enough = None if sure is None and start is None else _in_groups(_beginnings(start, sure, descending=descending))
    # Twice as many as needed should lie before the place, since the sample is one of chance. Of a common term there are
    # many more before the first of the sample, and all who come before it have to be passed over.
    rank = min(needed, 1 + int(2 * needed * sample.share))
    if len(names) < rank:
        return Jump("", [], [], enough)
    name = names[rank - 1]
    crowds = _crowds(sample, name)
    zones = [name[:length] for length in range(1, min(len(name), BEGINNINGS) + 1)]
    # The shortest beginning will do; the fewer the index is asked for, the sooner it answers.
    for zone in zones:
        if (rank + sum(other.startswith(zone) for other in names[rank:])) / sample.share <= LOOK_UP:
            before = _beginnings(start, zone, descending=descending)
            return Jump(zone if descending else zone + LAST, _in_groups(_among(crowds, before)), crowds, enough)
    # So many begin like this that they had better be read from there, in order.
    before = _beginnings(start, zone, descending=descending, without=zone)
    return Jump(zone + LAST if descending else zone, _in_groups(_among(crowds, before)), crowds, enough)


def _crowds(sample: Sample, place: str) -> list[str]:
    """The beginnings that so many of the sample's names have that all others who match are few enough to be looked up.

    None where the place is not in a large one: it would not be so far into the list that this pays.
    """
    for length in range(BEGINNINGS, CROWD_BEGINNING - 1, -1):
        crowds = Counter(name[:length].ljust(length) for name in sample.names)
        others = len(sample.names)
        for count, (_, size) in enumerate(crowds.most_common(CROWDS), 1):
            others -= size
            if others / sample.share <= LOOK_UP:
                if LARGE * crowds[place[:length].ljust(length)] < len(sample.names):
                    return []
                return [crowd for crowd, _ in crowds.most_common(count)]
    return []


def _among(crowds: Sequence[str], beginnings: Sequence[str]) -> Sequence[str]:
    """Of all names with one of these beginnings, those in a crowd."""
    if not crowds:
        return beginnings
    within = [beginning for beginning in beginnings if beginning == UNUSUAL or beginning.startswith(tuple(crowds))]
    return within + [crowd for crowd in crowds if crowd.startswith(tuple(beginnings)) and crowd not in within]


def _in_groups(beginnings: Sequence[str]) -> Sequence[str]:
    """The same names by fewer beginnings: where all letters of a group may follow, the group takes their place."""
    parts = set(beginnings)
    for stem, (group, letters) in product({part[:-1] for part in beginnings if len(part) <= GROUPED}, GROUPS.items()):
        of_group = {stem + letter for letter in letters}
        if of_group <= parts:
            parts = parts - of_group | {stem + group}
    return sorted(parts)


def _beginnings(start: str | None, end: str | None, *, descending: bool, without: str | None = None) -> list[str]:
    """As few beginnings as cover all names from one to the other; ``None``: the end of the list."""
    start = start and start[:BEGINNINGS]
    low, high = (end, start) if descending else (start, end)
    return [UNUSUAL, *_cover(low, high, without)]


def _cover(low: str | None, high: str | None, without: str | None, stem: str = "") -> Iterator[str]:
    for letter in _LETTERS:
        beginning, length = stem + letter, len(stem) + 1
        if beginning == without or (low and beginning < low[:length]) or (high and beginning[: len(high)] > high[:length]):
            continue
        if any(bound and len(bound) > length and bound.startswith(beginning) for bound in (low, high)):
            yield from _cover(low, high, without, beginning)
        else:
            yield beginning
