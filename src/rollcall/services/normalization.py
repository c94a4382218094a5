"""What makes texts equal. The rules are our own, so that no locale of a database decides.

1. All texts are in Unicode's NFC.
2. Names have no white space around them.
3. The domain of an e-mail address is lower case and in Unicode: ``bücher.example``, not ``xn--bcher-kva.example``.
4. Case does not count in names. The key of a name is made in the database, by ``user_name_key`` (migration 0013), so that the
   unique indexes hold for any writer: NFC, Unicode's simple case folding, and rule 3 for what was stored otherwise.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import idna

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def is_storable(value: str) -> bool:
    """Return whether PostgreSQL can hold a text: not with NUL, or half of a surrogate pair."""
    return _UNSTORABLE.search(value) is None


def nfc(value: str) -> str:
    """Return the text in Unicode's NFC."""
    return value if value.isascii() else unicodedata.normalize("NFC", value)


def name(value: str) -> str:
    """Return a username or an e-mail address as it is stored. Nothing is checked: for what is not valid, nobody has it.

    :param value: as typed, of bounded length.
    """
    stripped = nfc(value.strip())
    local, at, domain = stripped.rpartition("@")
    return f"{local}@{_domain(domain)}" if at else stripped


def _domain(value: str) -> str:
    lower = value.lower()
    if lower.isascii() and "xn--" not in lower:
        return lower
    try:
        return idna.decode(idna.encode(value, uts46=True))
    except (idna.IDNAError, UnicodeError):
        return lower
