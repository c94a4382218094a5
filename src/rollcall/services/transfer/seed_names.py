"""Names of many countries, for synthetic users: as they are written there, and how an account name spells them.

``seed_names.json`` has them. A word is what is shown, with ``_`` for a space; after ``=`` stands its spelling in ASCII where
dropping the accents does not give it.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Letters that Unicode does not take apart into a base letter and an accent.
_LETTERS: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "ı": "i", "þ": "th", "ð": "d", "ə": "a", "'": "", "-": "", " ": ""}
)


@dataclass(frozen=True, slots=True)
class Name:
    """One given or family name."""

    shown: str
    ascii: str


@dataclass(frozen=True, slots=True)
class Culture:
    """Given and family names that go together.

    :ivar pattern: how a full name is put together of ``{given}`` and ``{family}``.
    """

    given: tuple[Name, ...]
    family: tuple[Name, ...]
    pattern: str


def _names(words: str) -> tuple[Name, ...]:
    names = []
    for word in words.split():
        shown, _, spelling = word.replace("_", " ").partition("=")
        plain = spelling or unicodedata.normalize("NFKD", shown.lower().translate(_LETTERS))
        names.append(Name(shown, "".join(letter for letter in plain if "a" <= letter <= "z")))
    return tuple(names)


def _cultures() -> tuple[Culture, ...]:
    read = json.loads(Path(__file__).with_name("seed_names.json").read_text("utf-8"))
    return tuple(Culture(_names(one["given"]), _names(one["family"]), one["pattern"]) for one in read)


CULTURES: Final = _cultures()
