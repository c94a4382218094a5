"""What a search term asks for: words to find, and the user whom it names exactly.

Terms and stored texts are folded by the same function, ``user_search_fold`` of the database (migration 0017): ``siobhan`` finds
Siobhán, ``strasse`` finds Straße. docs/API.md has a table of what equals what.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from rollcall.errors import FieldError
from rollcall.infra import reading
from rollcall.services import normalization

TERM_MAX: Final = 100
# An id in PostgreSQL's bigint.
_ID: Final = re.compile("[1-9][0-9]{0,17}")
_ADDRESS: Final = re.compile(r"[^<>]*<\s*([^<>\s]+@[^<>\s]+)\s*>[\s,;]*")
_REFUSED: Final = re.compile("[\0-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_BETWEEN_WORDS: Final = re.compile(r"[\s,]+")
_WILDCARD: Final = re.compile(r"[\\%_]")
# What pg_trgm finds in a word: three letters or digits in a row, one after any other sign, or two before one. It pads the
# beginning of a stored word with two blanks and its end with one.
_TRIGRAM: Final = re.compile(r"[^\W_]{3}|[\W_][^\W_]|[^\W_]{2}[\W_]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search term, folded.

    :ivar words: each has to be a part of a user's text; the longest first. Empty: nobody has them.
    :ivar exact_ids: the users whose username, e-mail address or id is the whole term.
    """

    words: tuple[str, ...]
    exact_ids: tuple[int, ...]

    @property
    def indexed(self) -> list[str]:
        """Return the words for which the index has a trigram."""
        return [word for word in self.words if _TRIGRAM.search(word)]


def pattern(word: str) -> str:
    """Return the pattern for LIKE that finds a word as a substring."""
    return f"%{_WILDCARD.sub(lambda found: chr(92) + found[0], word)}%"


def term(value: str) -> str:
    """Check a search term: 1 to 100 code points, with at least one that is neither white space nor a comma.

    :raises FieldError: ``too_short``, ``too_long`` or ``invalid_characters``.
    """
    if len(value) > TERM_MAX:
        raise FieldError("too_long", f"A search term can have at most {TERM_MAX} characters.")
    if _REFUSED.search(value):
        raise FieldError("invalid_characters", "A search term cannot contain control characters.")
    if not _BETWEEN_WORDS.sub("", value):
        raise FieldError("too_short", "A search term needs at least one character that is not a space or a comma.")
    return unicodedata.normalize("NFC", value)


def wanted(session: Session, term: str) -> Wanted:
    """Fold a term that :func:`term` has accepted, and look up whom it names exactly; one statement."""
    address = _ADDRESS.fullmatch(term)
    whole = address[1] if address else term
    user_id = int(whole) if _ID.fullmatch(whole.strip()) else None
    [(folded, exact_ids)] = reading.rows(session, _look_up(), term=whole, name=normalization.name(whole), id=user_id)
    words = sorted({word for word in _BETWEEN_WORDS.split(folded) if word}, key=lambda word: (-len(word), word))
    # A word within another one says nothing more.
    needed = [word for number, word in enumerate(words) if not any(word in longer for longer in words[:number])]
    return Wanted(tuple(needed), tuple(exact_ids))


@cache
def _look_up() -> reading.Statement:
    return reading.Statement(
        text("""
        SELECT user_search_fold(:term), ARRAY(
            SELECT id FROM users WHERE user_name_key(username) COLLATE "C" = user_name_key(:name) COLLATE "C"
            UNION SELECT id FROM users WHERE user_name_key(email) COLLATE "C" = user_name_key(:name) COLLATE "C"
            UNION SELECT id FROM users WHERE id = CAST(:id AS bigint)
            ORDER BY id
        )
    """),
        prepared=True,
    )
