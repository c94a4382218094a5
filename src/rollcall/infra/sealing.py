"""Encrypt what must be kept for a while, or handed to a client, and be read by this service alone.

AES-SIV (RFC 5297) of the library ``cryptography``: it needs no random nonce, which could repeat; the same text is sealed alike.
Each purpose has a key of its own, derived from SECRET_KEY, so that what is sealed for one is no valid text for another.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app


class Cipher:
    """Seals texts for one purpose, as texts of ``[A-Za-z0-9_-]``."""

    def __init__(self, secret_key: str, purpose: str) -> None:
        key = HKDF(SHA256(), length=64, salt=None, info=f"rollcall.{purpose}".encode()).derive(secret_key.encode())
        self._cipher = AESSIV(key)

    def seal(self, text: str) -> str:
        """Encrypt a text."""
        return base64.urlsafe_b64encode(self._cipher.encrypt(text.encode(), None)).decode().rstrip("=")

    def open(self, sealed: str) -> str:
        """Return the text that :meth:`seal` was given.

        :raises ValueError: it was not sealed here, or not with this key, or one character is another now.
        """
        padded = sealed + "=" * (-len(sealed) % 4)
        data = base64.b64decode(padded, b"-_", validate=True)
        # Base64 may leave bits over: one text would have several spellings.
        if "=" in sealed or base64.urlsafe_b64encode(data) != padded.encode():
            raise ValueError(sealed)
        try:
            return self._cipher.decrypt(data, None).decode()
        except InvalidTag as error:
            raise ValueError(sealed) from error


def cipher(purpose: str) -> Cipher:
    """Return the cipher of the current application for a purpose, such as ``cursor``."""
    return _cipher(str(current_app.secret_key), purpose)


@lru_cache(maxsize=8)
def _cipher(secret_key: str, purpose: str) -> Cipher:
    return Cipher(secret_key, purpose)
