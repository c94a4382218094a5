"""The password hashes of other systems: what is understood, and how much work one may cost.

This module exists so that users can move in with the passwords they have. It reads argon2, bcrypt, scrypt
and pbkdf2 in PHC or crypt form and in the forms that passlib, Django and Werkzeug write, and it refuses a
hash whose verification could be used to exhaust the service: whoever may import a hash chooses the work of
every later login with it.

The bounds below keep one verification under about a second of CPU time and under 256 MiB; they lie above what
OWASP's Password Storage Cheat Sheet and the default settings of those libraries ask for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import bcrypt
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, verify_secret

MAX_LENGTH: Final = 512
"""Longest stored hash, in characters."""
MAX_MEMORY_KIB: Final = 256 * 1024
MAX_ARGON2_WORK: Final = 3 * MAX_MEMORY_KIB
"""Memory in KiB times passes."""
MAX_ARGON2_LANES: Final = 16
MAX_SCRYPT_WORK: Final = 2**21
"""N times r times p; 128 bytes of memory are touched for each."""
MAX_PBKDF2_WORK: Final = 2_000_000
"""Iterations times blocks of output."""

_ARGON2 = re.compile(
    r"\$argon2(id|i|d)(?:\$v=(?:16|19))?\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,9})"
    r"\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
# The last character of the salt and of the digest carry four and two unused bits, which have to be zero.
_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-4])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]")
_COSTLY_BCRYPT = re.compile(r"\$2[aby]\$(?:1[5-9]|2[0-9]|3[01])\$[./A-Za-z0-9]{53}")
_SCRYPT = re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,4}),p=([0-9]{1,4})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)")
_SCRYPT_WERKZEUG = re.compile(r"scrypt:([0-9]{1,8}):([0-9]{1,4}):([0-9]{1,4})\$([!-#%-~]+)\$([0-9a-f]+)")
_SCRYPT_DJANGO = re.compile(r"scrypt\$([0-9]{1,8})\$([!-#%-~]+)\$([0-9]{1,4})\$([0-9]{1,4})\$([A-Za-z0-9+/]+=*)")
_PBKDF2 = re.compile(
    r"\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?([1-9][0-9]{0,8})(?:,l=[0-9]{1,3})?"
    r"\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)"
)
_PBKDF2_WERKZEUG = re.compile(r"pbkdf2:(sha1|sha256|sha512):([1-9][0-9]{0,8})\$([!-#%-~]+)\$([0-9a-f]+)")
_PBKDF2_DJANGO = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$([1-9][0-9]{0,8})\$([!-#%-~]+)\$([A-Za-z0-9+/]+=*)")

_ARGON2_TYPES: Final = {"id": Type.ID, "i": Type.I, "d": Type.D}


class StoredHash(Protocol):
    """A hash that was understood and found affordable."""

    def matches(self, password: bytes) -> bool:
        """Say whether ``password`` (UTF-8, without NUL) is the one that was hashed."""


@dataclass(frozen=True, slots=True)
class _Argon2:
    encoded: str
    kind: Type

    def matches(self, password: bytes) -> bool:
        try:
            return verify_secret(self.encoded.encode("ascii"), password, self.kind)
        except (VerificationError, InvalidHashError):
            return False


@dataclass(frozen=True, slots=True)
class _Bcrypt:
    encoded: str
    prehashed: bool = False

    def matches(self, password: bytes) -> bool:
        if self.prehashed:
            password = binascii.hexlify(hashlib.sha256(password).digest())
        # bcrypt has always read 72 bytes and no more; its library now leaves the cut to the caller.
        return bcrypt.checkpw(password[:72], self.encoded.encode("ascii"))


@dataclass(frozen=True, slots=True)
class _Scrypt:
    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    def matches(self, password: bytes) -> bool:
        found = hashlib.scrypt(
            password,
            salt=self.salt,
            n=self.n,
            r=self.r,
            p=self.p,
            # What OpenSSL will ask for, and a little: V, B and the temporary blocks.
            maxmem=128 * self.r * (self.n + self.p + 2) + 4096,
            dklen=len(self.digest),
        )
        return hmac.compare_digest(found, self.digest)


@dataclass(frozen=True, slots=True)
class _Pbkdf2:
    algorithm: str
    iterations: int
    salt: bytes
    digest: bytes

    def matches(self, password: bytes) -> bool:
        found = hashlib.pbkdf2_hmac(self.algorithm, password, self.salt, self.iterations, len(self.digest))
        return hmac.compare_digest(found, self.digest)


def parse(stored: str) -> StoredHash:
    """Understand a stored password hash.

    :param stored: the hash as another system or this one wrote it.
    :return: something that can say whether a password matches.
    :raises ValueError: it is of no known kind, is malformed, or would cost too much; the message is a
        phrase that continues "The password hash …".
    """
    if len(stored) > MAX_LENGTH:
        raise ValueError(f"is longer than {MAX_LENGTH} characters")
    for prefix, reader in _READERS:
        if stored.startswith(prefix):
            return reader(stored)
    raise ValueError("is not an argon2, bcrypt, scrypt or pbkdf2 hash in a known form")


def _argon2(stored: str) -> StoredHash:
    encoded = stored.removeprefix("argon2")  # Django's name for it stands before the PHC string.
    found = _ARGON2.fullmatch(encoded)
    if found is None:
        raise ValueError("is not a well-formed argon2 hash")
    kind, memory, passes, lanes, salt, digest = found.groups()
    m, t, p = int(memory), int(passes), int(lanes)
    if m > MAX_MEMORY_KIB or m * t > MAX_ARGON2_WORK or p > MAX_ARGON2_LANES:
        raise ValueError("is an argon2 hash that would cost too much to verify")
    if m < 8 * p or len(_base64(salt)) < 8:  # RFC 9106, section 3.1
        raise ValueError("is not a well-formed argon2 hash")
    _require_digest(_base64(digest))
    return _Argon2(encoded, _ARGON2_TYPES[kind])


def _bcrypt(stored: str) -> StoredHash:
    prehashed = stored.startswith("bcrypt_sha256$")
    encoded = stored.removeprefix("bcrypt_sha256$").removeprefix("bcrypt$")
    if _COSTLY_BCRYPT.fullmatch(encoded) is not None:
        raise ValueError("is a bcrypt hash that would cost too much to verify")
    if _BCRYPT.fullmatch(encoded) is None:
        raise ValueError("is not a well-formed bcrypt hash")
    return _Bcrypt(encoded, prehashed)


def _scrypt(stored: str) -> StoredHash:
    if found := _SCRYPT.fullmatch(stored):
        exponent, r, p, salt_text, digest_text = found.groups()
        n, salt, digest = 2 ** int(exponent), _base64(salt_text), _base64(digest_text)
    elif found := _SCRYPT_WERKZEUG.fullmatch(stored):
        n_text, r, p, salt_text, digest_text = found.groups()
        n, salt, digest = int(n_text), salt_text.encode("ascii"), _hex(digest_text)
    elif found := _SCRYPT_DJANGO.fullmatch(stored):
        n_text, salt_text, r, p, digest_text = found.groups()
        n, salt, digest = int(n_text), salt_text.encode("ascii"), _base64(digest_text.rstrip("="))
    else:
        raise ValueError("is not a well-formed scrypt hash")
    blocks, lanes = int(r), int(p)
    if n * blocks * lanes > MAX_SCRYPT_WORK:
        raise ValueError("is a scrypt hash that would cost too much to verify")
    # RFC 7914, section 2: N is a power of two larger than 1 and less than 2^(128 r / 8).
    if n < 2 or n & (n - 1) or blocks < 1 or lanes < 1 or n.bit_length() > 16 * blocks:
        raise ValueError("is not a well-formed scrypt hash")
    _require_digest(digest)
    return _Scrypt(n, blocks, lanes, salt, digest)


def _pbkdf2(stored: str) -> StoredHash:
    if found := _PBKDF2.fullmatch(stored):
        algorithm, iterations, salt_text, digest_text = found.groups()
        salt, digest = _base64(salt_text), _base64(digest_text)
    elif found := _PBKDF2_WERKZEUG.fullmatch(stored):
        algorithm, iterations, salt_text, digest_text = found.groups()
        salt, digest = salt_text.encode("ascii"), _hex(digest_text)
    elif found := _PBKDF2_DJANGO.fullmatch(stored):
        algorithm, iterations, salt_text, digest_text = found.groups()
        salt, digest = salt_text.encode("ascii"), _base64(digest_text.rstrip("="))
    else:
        raise ValueError("is not a well-formed pbkdf2 hash")
    algorithm = algorithm or "sha1"  # passlib's oldest form names no digest.
    _require_digest(digest)
    blocks = -(-len(digest) // hashlib.new(algorithm).digest_size)
    if int(iterations) * blocks > MAX_PBKDF2_WORK:
        raise ValueError("is a pbkdf2 hash that would cost too much to verify")
    return _Pbkdf2(algorithm, int(iterations), salt, digest)


_READERS: Final[tuple[tuple[str, Callable[[str], StoredHash]], ...]] = (
    ("$argon2", _argon2),
    ("argon2$", _argon2),
    ("$2", _bcrypt),
    ("bcrypt", _bcrypt),
    ("$scrypt$", _scrypt),
    ("scrypt:", _scrypt),
    ("scrypt$", _scrypt),
    ("$pbkdf2", _pbkdf2),
    ("pbkdf2:", _pbkdf2),
    ("pbkdf2_", _pbkdf2),
)


def _base64(text: str) -> bytes:
    """Decode base64 without padding, in the standard alphabet or with passlib's '.' for '+'."""
    standard = text.replace(".", "+")
    try:
        decoded = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error:
        raise ValueError("contains malformed base64") from None
    if base64.b64encode(decoded).decode("ascii").rstrip("=") != standard:
        raise ValueError("contains malformed base64")
    return decoded


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError("contains malformed hexadecimal digits") from None


def _require_digest(digest: bytes) -> None:
    if not 16 <= len(digest) <= 64:
        raise ValueError("has a digest that is not 16 to 64 bytes long")
