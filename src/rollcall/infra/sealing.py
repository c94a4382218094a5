"""Encrypt what must be kept for a while, or handed to a client, and be read by this service alone.

Fernet of the library ``cryptography``: a whole recipe that leaves nothing to choose wrong. Each purpose has a key of its own,
derived from SECRET_KEY, so that what is sealed for one is no valid text for another.
"""

from __future__ import annotations

import base64
from functools import lru_cache

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app


def cipher(purpose: str) -> Fernet:
    """Return the recipe of the current application for a purpose, such as ``cursor``."""
    return _fernet(str(current_app.secret_key), purpose)


@lru_cache(maxsize=8)
def _fernet(secret_key: str, purpose: str) -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=f"rollcall.{purpose}".encode()).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))
