"""scrypt (RFC 7914) in PHC form and as Django and Werkzeug write it."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from rollcall.services.identity.hash_formats import costs
from rollcall.services.identity.hash_formats.encodings import from_base64, from_hex, require_digest

_PHC: Final = re.compile(r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,4}),p=([0-9]{1,4})\$([A-Za-z0-9+/.]+=*)\$([A-Za-z0-9+/.]+=*)")
_WERKZEUG: Final = re.compile(r"scrypt:([0-9]{1,8}):([0-9]{1,4}):([0-9]{1,4})\$([!-#%-~]+)\$([0-9a-f]+)")
_DJANGO: Final = re.compile(r"scrypt\$([0-9]{1,8})\$([!-#%-~]+)\$([0-9]{1,4})\$([0-9]{1,4})\$([A-Za-z0-9+/]+=*)")


@dataclass(frozen=True, slots=True)
class Work:
    """The parameters of a derivation that is within the bounds."""

    n: int
    r: int
    p: int
    seconds: float

    def derive(self, password: bytes, salt: bytes, length: int) -> bytes:
        # What OpenSSL will ask for, and a little: V, B and the temporary blocks.
        maxmem = 128 * self.r * (self.n + self.p + 2) + 4096
        return hashlib.scrypt(password, salt=salt, n=self.n, r=self.r, p=self.p, maxmem=maxmem, dklen=length)


@dataclass(frozen=True, slots=True)
class _Scrypt:
    work: Work
    salt: bytes
    digest: bytes

    @property
    def seconds(self) -> float:
        return self.work.seconds

    def matches(self, password: bytes) -> bool:
        return hmac.compare_digest(self.work.derive(password, self.salt, len(self.digest)), self.digest)


def work(n: int, r: int, p: int) -> Work:
    """:raises ValueError: the parameters are not valid, or beyond the bounds."""
    if n < 2 or r < 1 or p < 1:
        raise costs.malformed("scrypt")
    costs.require_memory("scrypt", 128 * n * r)
    seconds = costs.seconds("scrypt", n * r * p)
    # RFC 7914, section 2: N is a power of two larger than 1 and less than 2^(128 r / 8).
    if n & (n - 1) or n.bit_length() > 16 * r:
        raise costs.malformed("scrypt")
    return Work(n, r, p, seconds)


def read(stored: str) -> _Scrypt:
    found = _PHC.fullmatch(stored)
    if found is None:
        raise costs.malformed("scrypt")
    exponent, r, p, salt, digest = found.groups()
    return _Scrypt(work(2 ** int(exponent), int(r), int(p)), from_base64(salt), require_digest(from_base64(digest)))


def read_werkzeug(stored: str) -> _Scrypt:
    found = _WERKZEUG.fullmatch(stored)
    if found is None:
        raise costs.malformed("scrypt")
    n, r, p, salt, digest = found.groups()
    return _Scrypt(work(int(n), int(r), int(p)), salt.encode("ascii"), require_digest(from_hex(digest)))


def read_django(stored: str) -> _Scrypt:
    found = _DJANGO.fullmatch(stored)
    if found is None:
        raise costs.malformed("scrypt")
    n, salt, r, p, digest = found.groups()
    return _Scrypt(work(int(n), int(r), int(p)), salt.encode("ascii"), require_digest(from_base64(digest)))
