"""Formats that are recognised and refused by name, since they protect no password or cannot be verified here."""

from __future__ import annotations

import re
from typing import Final

_TOO_WEAK: Final = "is {}, which is too weak to accept: whoever has it finds the password at once"
_UNKNOWN: Final = "is {}, which cannot be verified here"
_HEX: Final = "[0-9a-f]"

_WEAK: Final = (
    ("an unsalted MD5 hash", rf"{_HEX}{{32}}|\{{(?:plain-|ldap-)?md5\}}.+|(?:unsalted_)?md5\$\$?{_HEX}{{32}}"),
    ("an unsalted SHA-1 hash", rf"{_HEX}{{40}}|\{{sha1?\}}.+|(?:unsalted_sha1|sha1)\$\$?{_HEX}{{40}}"),
    ("an MD5 hash of one round", rf"md5\$[^$]+\${_HEX}{{32}}|{_HEX}{{32}}:.+"),
    ("a SHA-1 hash of one round", rf"sha1\$[^$]+\${_HEX}{{40}}|{_HEX}{{40}}:.+"),
    ("an MD5 hash of PostgreSQL", rf"md5{_HEX}{{32}}"),
    ("an unsalted SHA-1 hash of MySQL", rf"\*{_HEX}{{40}}"),
    ("an unsalted SHA-2 hash", rf"(?:{_HEX}{{56}}|{_HEX}{{64}}|{_HEX}{{96}}|{_HEX}{{128}})|\{{sha(?:224|256|384|512)\}}.+"),
    ("an NT hash", r"\{(?:nthash|lanman)\}.+|\$nt\$.+|\$3\$\$.+"),
    ("a DES crypt hash", r"(?:\{crypt\}|crypt\$[^$]*\$)?[./0-9A-Za-z]{13}|\{crypt\}_.{19}"),
)
_UNVERIFIABLE: Final = (
    ("a yescrypt hash", r"(?:\{crypt\})?\$(?:y|gy|7)\$.+"),
    ("a SCRAM verifier", r"\{?scram-sha-.+"),
    ("a hash of Drupal 7", r"U?\$S\$.+"),
)
_MESSAGES: Final = [_TOO_WEAK.format(name) for name, _ in _WEAK] + [_UNKNOWN.format(name) for name, _ in _UNVERIFIABLE]
# One expression with a group for each format: an import looks at every row.
_REFUSED: Final = re.compile("|".join(f"({pattern})" for _, pattern in (*_WEAK, *_UNVERIFIABLE)), re.IGNORECASE)


def require_strong(stored: str) -> None:
    """:raises ValueError: the hash is of a format that is refused by name."""
    if (found := _REFUSED.fullmatch(stored)) and found.lastindex:
        raise ValueError(_MESSAGES[found.lastindex - 1])
