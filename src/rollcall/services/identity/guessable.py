"""Recognise passwords that an attacker tries first: common ones, and those made of the user's own name or address.

A password is *decorated* if it is a word with a few digits and signs around it, letters replaced by digits that look alike
(``P@ssw0rd1!``) or a year behind it (``Summer2025``). Decorations add next to nothing, so they are taken off before the
rest is looked up. Several words, or more than six digits and signs, are enough to pass: only what remains of a single word
is refused.

Both lists are of the 10,000 most common passwords that zxcvbn ships (MIT licence, Copyright (c) 2012-2016 Dan Wheeler and
Dropbox, Inc.; the counts are Mark Burnett's, who gave them to the public domain): ``common_passwords.txt`` has those of
eight characters and more, ``common_words.txt`` those of four to seven letters. ``handed_out_words.txt`` is ours: seasons,
months, days and the words that administrators hand out, in the languages around us.

Why not zxcvbn itself: it takes 14 MiB in each worker and up to 0.2 s for one password of 72 characters, which anyone may send to
the registration. It also rates ``Rollcall1!`` and ``Sommer2025!`` 3 of 4.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Final

APPLICATION: Final = "rollcall"
MAX_DECORATIONS: Final = 6
"""A word with more digits and signs than this is no longer a decorated word."""
MIN_WORD: Final = 3
"""A shorter name says nothing: two letters occur in most passwords."""


def _read(name: str) -> frozenset[str]:
    return frozenset(Path(__file__).with_name(name).read_text("utf-8").split())


COMMON_PASSWORDS: Final = _read("common_passwords.txt")
"""Those of at least eight characters among the 10,000 most common passwords."""
_LOOK_ALIKES: Final = (str.maketrans("@4310$57!8", "aaeiosstib"), str.maketrans("@4310$57!8", "aaelosstlb"))
_OPENING: Final = re.compile(r"\A[\W\d_]+")
_CLOSING: Final = re.compile(r"[\W\d_]+\Z")
_SIGNS: Final = re.compile(r"[\W\d_]+")


def _bare(text: str) -> str:
    return _CLOSING.sub("", _OPENING.sub("", text))


_WORDS: Final = (
    _read("common_words.txt")
    | _read("handed_out_words.txt")
    | frozenset(word for word in map(_bare, COMMON_PASSWORDS) if len(word) > MIN_WORD)
)


def is_common(password: str) -> bool:
    """Return whether everybody tries this password: it is on the list, or a word of the list with decorations."""
    lower = _comparable(password)
    if lower in COMMON_PASSWORDS:
        return True
    return not _WORDS.isdisjoint(_cores(lower))


def is_personal(password: str, names: Iterable[str | None]) -> bool:
    """Return whether a password is made of a user's own names, or of the application's.

    :param names: the username, the e-mail address and the full name; of each the whole and its words count.
    """
    lower = _comparable(password)
    plain = _without_marks(lower)
    tokens = _tokens(names)
    return any(_is_made_of(tokens, core) for core in {lower, plain, *_cores(lower), *_cores(plain)})


def _is_made_of(tokens: set[str], core: str) -> bool:
    """Return whether names, decorations and at most one common word are all there is."""
    found = [token for token in tokens if token in core]
    rest = core
    for token in sorted(found, key=len, reverse=True):
        rest = rest.replace(token, " ")
    letters = _SIGNS.sub("", rest)
    return bool(found) and (not letters or letters in _WORDS) and _decorations(rest) <= MAX_DECORATIONS


def _tokens(names: Iterable[str | None]) -> set[str]:
    found = {APPLICATION}
    for name in names:
        if name:
            whole = _comparable(name)
            local = whole.rpartition("@")[0] or whole
            found |= {whole, local, _bare(local), _SIGNS.sub("", local), *_SIGNS.split(whole)}
    return {name for each in found for name in (each, _without_marks(each)) if len(name) >= MIN_WORD}


def _cores(lower: str) -> set[str]:
    """Return what may be left of a decorated word: without the decorations, and with letters in place of look-alikes."""
    if _SIGNS.search(lower) is None:
        return {lower}
    if _decorations(lower) > MAX_DECORATIONS:  # look-alikes count, too
        return set()
    stripped = {_bare(lower), _OPENING.sub("", lower), _CLOSING.sub("", lower)}
    return stripped | {core.translate(letters) for core in stripped for letters in _LOOK_ALIKES}


def _decorations(text: str) -> int:
    """How many digits and signs a text has; one that repeats or continues the one before does not count (``123``, ``!!``)."""
    count = 0
    for signs in _SIGNS.findall(text):
        before = " "
        for sign in signs:
            count += sign != " " and abs(ord(sign) - ord(before)) > 1
            before = sign
    return count


def _without_marks(text: str) -> str:
    if text.isascii():
        return text
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def _comparable(text: str) -> str:
    """Case and widths do not matter: ``ＰＡＳＳＷＯＲＤ１`` is ``password1``."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
