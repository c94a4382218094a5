"""The password hashes of other systems: one reader for each format.

Users can move in with the passwords that they have. :func:`parse` reads a stored hash and checks what one verification of it
costs (``costs``): whoever may import a hash chooses the work of every later log-in with it. Formats that protect no password
are refused by their name (``refused``). docs/HASHES.md has the table of formats for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from rollcall.services.identity.hash_formats import (
    argon2_hashes,
    bcrypt_hashes,
    digests,
    firebase,
    md5_crypt,
    pbkdf2_hashes,
    refused,
    scrypt_hashes,
    sha_crypt,
)
from rollcall.services.identity.hash_formats.stored import StoredHash

__all__ = ["MAX_LENGTH", "StoredHash", "is_no_password", "parse"]

MAX_LENGTH: Final = 512
"""Longest stored hash, in characters."""

# LDAP's, Dovecot's and Spring's name of a hash in modular crypt format, which names itself: ``{CRYPT}$6$…``, ``{bcrypt}$2a$…``.
_BRACED_NAME: Final = re.compile(
    r"\{(?:crypt|bcrypt|blf-crypt|(?:md5|sha256|sha512)-crypt|argon2(?:id|i|d)?(?:@springsecurity_v5_[0-9]{1,2})?|scrypt)\}(?=\$)",
    re.IGNORECASE,
)
_NEXTCLOUD_NUMBER: Final = re.compile(r"[123]\|(?=\$)")

# What other systems store for users who cannot log in with a password: Django's ``!`` with random characters, a locked Unix
# account with or without its former hash, an account whose hash is elsewhere.
_NO_PASSWORD: Final = re.compile(r"|x|!.*|\*(?:LK\*.*|NP\*|\*)?", re.DOTALL)

_READERS: Final[tuple[tuple[str, Callable[[str], StoredHash]], ...]] = (
    ("$argon2", argon2_hashes.read),
    ("argon2$$argon2", argon2_hashes.read_django),
    ("argon2$argon2", argon2_hashes.read_django),
    ("$2", bcrypt_hashes.read),
    ("bcrypt$", bcrypt_hashes.read_django),
    ("bcrypt_sha256$", bcrypt_hashes.read_django_sha256),
    ("$bcrypt-sha256$", bcrypt_hashes.read_passlib_sha256),
    ("$wp$", bcrypt_hashes.read_wordpress),
    ("$scrypt$", scrypt_hashes.read),
    ("scrypt$", scrypt_hashes.read_django),
    ("scrypt:", scrypt_hashes.read_werkzeug),
    ("$firescrypt$", firebase.read),
    ("$fbscrypt$", firebase.read_gotrue),
    ("$pbkdf2", pbkdf2_hashes.read),
    ("{PBKDF2", pbkdf2_hashes.read_ldap),
    ("pbkdf2_", pbkdf2_hashes.read_django),
    ("pbkdf2:", pbkdf2_hashes.read_werkzeug),
    ("{ASPNET}", pbkdf2_hashes.read_aspnet),
    ("$5$", sha_crypt.read),
    ("$6$", sha_crypt.read),
    ("$1$", md5_crypt.read),
    ("$apr1$", md5_crypt.read),
    ("$P$", md5_crypt.read_phpass),
    ("$H$", md5_crypt.read_phpass),
    ("{S", digests.read),
)


def parse(stored: str) -> StoredHash:
    """Read a stored password hash.

    :param stored: the hash as another system or this one wrote it.
    :return: an object that says whether a password matches.
    :raises ValueError: the hash is of no known format, malformed, too cheap to protect a password, or too costly to verify.
        The message is a phrase that continues "The password hash …".
    """
    if len(stored) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    named = stored
    if stored[:1] != "$":  # most hashes begin with the name of their format
        named = _NEXTCLOUD_NUMBER.sub("", _BRACED_NAME.sub("", stored, count=1), count=1)
    refused.require_strong(named)
    for prefix, read in _READERS:
        if named[: len(prefix)] == prefix or (prefix[0] == "{" and named[: len(prefix)].upper() == prefix):
            return read(named)
    if pbkdf2_hashes.is_aspnet(named):
        return pbkdf2_hashes.read_aspnet(named)
    raise ValueError("is in no known format")


def is_no_password(stored: str) -> bool:
    """Return whether a text stands for "no password" where other systems have a hash: ``!…``, ``*``, ``x`` or nothing."""
    return _NO_PASSWORD.fullmatch(stored.strip()) is not None
