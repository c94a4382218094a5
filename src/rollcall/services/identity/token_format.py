"""The text of an API token: a prefix, 256 random bits and a checksum, all in letters and digits.

The prefix lets secret scanners find a token that was published. The checksum lets them and us tell a token from a similar text
without a look at the database. Nothing of it depends on who owns the token or on what it may do.
"""

from __future__ import annotations

import secrets
import string
import zlib
from typing import Final

PREFIX: Final = "rct_"
_DIGITS: Final = string.digits + string.ascii_letters
_RANDOM_BITS: Final = 256
_RANDOM_LENGTH: Final = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH: Final = 6  # 62 ** 6 > 2 ** 32
LENGTH: Final = len(PREFIX) + _RANDOM_LENGTH + _CHECKSUM_LENGTH


def new() -> str:
    """Return a new token."""
    text = PREFIX + _base62(secrets.randbits(_RANDOM_BITS), _RANDOM_LENGTH)
    return text + _checksum(text)


def is_api_token(token: str) -> bool:
    """Whether this is an API token and not a session's, which is shorter. Its checksum may be wrong."""
    return len(token) == LENGTH and token.startswith(PREFIX)


def is_intact(token: str) -> bool:
    """Whether the checksum of an API token is right."""
    text, checksum = token[:-_CHECKSUM_LENGTH], token[-_CHECKSUM_LENGTH:]
    return token.isascii() and checksum == _checksum(text)


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode("ascii")), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits
