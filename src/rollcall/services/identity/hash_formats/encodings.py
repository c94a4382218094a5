"""The ways in which formats write bytes as text."""

from __future__ import annotations

import binascii
from typing import Final

_CRYPT_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def from_base64(text: str) -> bytes:
    """Decode base64 with or without padding, in the standard alphabet or with passlib's ``.`` for ``+``.

    :raises ValueError: it is not base64, or has bits that nothing encodes to.
    """
    standard = text.rstrip("=").replace(".", "+")
    if len(text) - len(standard) not in (0, -len(standard) % 4):
        raise ValueError("contains malformed base64")
    padded = standard + "=" * (-len(standard) % 4)
    try:
        decoded = binascii.a2b_base64(padded, strict_mode=True)
    except ValueError:  # binascii.Error, too
        raise ValueError("contains malformed base64") from None
    if binascii.b2a_base64(decoded, newline=False) != padded.encode("ascii"):
        raise ValueError("contains malformed base64")
    return decoded


def from_hex(text: str) -> bytes:
    """:raises ValueError: there is an odd number of digits."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("contains malformed hexadecimal digits") from None


def crypt_number(character: str) -> int:
    """Return the value of one character of crypt's alphabet."""
    return _CRYPT_ALPHABET.index(character)


def to_crypt(data: bytes) -> str:
    """Encode bytes as crypt does: groups of three, the lowest byte and the lowest six bits first."""
    text = []
    for start in range(0, len(data), 3):
        group = data[start : start + 3]
        value = int.from_bytes(group, "little")
        text += [_CRYPT_ALPHABET[value >> shift & 63] for shift in range(0, 8 * len(group), 6)]
    return "".join(text)


def require_digest(digest: bytes) -> bytes:
    """:raises ValueError: a derived key has not 16 to 64 bytes."""
    if not 16 <= len(digest) <= 64:
        raise ValueError("has a digest that is not 16 to 64 bytes long")
    return digest
