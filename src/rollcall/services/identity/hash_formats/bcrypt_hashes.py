"""bcrypt, and the formats that put a digest of the password into it: Django's, passlib's and WordPress's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import bcrypt

from rollcall.services.identity.hash_formats import costs

_CRYPT: Final = re.compile(r"\$2([abxy])\$([0-3][0-9])\$([./A-Za-z0-9]{21})([./A-Za-z0-9])([./A-Za-z0-9]{30}[.CGKOSWaeimquy26])")
_PASSLIB_1: Final = re.compile(r"\$bcrypt-sha256\$2([aby]),([0-9]{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})")
_PASSLIB_2: Final = re.compile(r"\$bcrypt-sha256\$v=2,t=2([aby]),r=([0-9]{1,2})\$([./A-Za-z0-9]{22})\$([./A-Za-z0-9]{31})")
_ALPHABET: Final = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_KEY_LENGTH: Final = 72
_PHP_SPACE: Final = b" \t\n\r\0\x0b"

Prepare = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class _Bcrypt:
    """:ivar prepare: makes of the password what was hashed."""

    encoded: bytes
    prepare: Prepare
    seconds: float

    def matches(self, password: bytes) -> bool:
        # bcrypt has always read 72 bytes and no more; its library now leaves the cut to the caller.
        return bcrypt.checkpw(self.prepare(password)[:_KEY_LENGTH], self.encoded)


def read(stored: str, prepare: Prepare = bytes) -> _Bcrypt:
    found = _CRYPT.fullmatch(stored)
    if found is None or int(found[2]) < 4 or int(found[2]) > 31:
        raise costs.malformed("bcrypt")
    version, cost, salt, last, digest = found.groups()
    seconds = costs.seconds("bcrypt", 2 ** int(cost))
    if version == "x":
        prepare = _sign_extended
    # Four bits of the salt's last character have no meaning. Some programs have set them.
    last = _ALPHABET[_ALPHABET.index(last) & 0x30]
    return _Bcrypt(f"$2b${cost}${salt}{last}{digest}".encode("ascii"), prepare, seconds)


def read_django(stored: str) -> _Bcrypt:
    return read("$" + stored.removeprefix("bcrypt").lstrip("$"))


def read_django_sha256(stored: str) -> _Bcrypt:
    return read("$" + stored.removeprefix("bcrypt_sha256").lstrip("$"), _hex_sha256)


def read_passlib_sha256(stored: str) -> _Bcrypt:
    if found := _PASSLIB_2.fullmatch(stored):
        version, cost, salt, digest = found.groups()
        return read(f"$2{version}${cost:>02}${salt}{digest}", _hmac_of(salt.encode("ascii")))
    if found := _PASSLIB_1.fullmatch(stored):
        version, cost, salt, digest = found.groups()
        return read(f"$2{version}${cost:>02}${salt}{digest}", _base64_sha256)
    raise costs.malformed("bcrypt-sha256")


def read_wordpress(stored: str) -> _Bcrypt:
    return read(stored.removeprefix("$wp"), _wordpress)


def _hex_sha256(password: bytes) -> bytes:
    return hashlib.sha256(password).hexdigest().encode("ascii")


def _base64_sha256(password: bytes) -> bytes:
    return base64.b64encode(hashlib.sha256(password).digest())


def _hmac_of(salt: bytes) -> Prepare:
    return lambda password: base64.b64encode(hmac.digest(salt, password, "sha256"))


def _wordpress(password: bytes) -> bytes:
    return base64.b64encode(hmac.digest(b"wp-sha384", password.strip(_PHP_SPACE), "sha384"))


def _sign_extended(password: bytes) -> bytes:
    """Return the key that the defective crypt_blowfish before 1.1 (``$2x$``) made of a password.

    It took characters as signed, so that one above 127 set all bits before it. The 72 bytes that it then used are a key that
    gives the same result in bcrypt without the defect.
    """
    key, words = password + b"\0", bytearray()
    for start in range(0, _KEY_LENGTH, 4):
        word = 0
        for place in range(start, start + 4):
            character = key[place % len(key)]
            word = (word << 8 | (character if character < 128 else character - 256)) & 0xFFFFFFFF
        words += word.to_bytes(4)
    return bytes(words)
