"""md5-crypt (``$1$``), Apache's variant of it (``$apr1$``), and phpass's portable hashes (``$P$``, ``$H$``).

Python code, since no kept library computes them; a request's deadline ends the loops. md5-crypt has 1,000 rounds, and phpass as
many as ``costs`` allows. Both are weak by now, and are replaced at the first log-in.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from functools import partial
from hashlib import md5
from typing import Final

from rollcall.services.identity.hash_formats import costs
from rollcall.services.identity.hash_formats.encodings import crypt_number, to_crypt

_FORM: Final = re.compile(r"(\$(?:1|apr1)\$)([!-#%-9;-~]{0,8})\$([./0-9A-Za-z]{21}[./01])")
_PHPASS: Final = re.compile(r"\$[PH]\$([./0-9A-Za-z])([./0-9A-Za-z]{8})([./0-9A-Za-z]{21}[./01])")
_ROUNDS: Final = 1000
_SECONDS: Final = 1.5e-3
# The order in which the bytes of the digest are encoded.
_ORDER: Final = (12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11)

_md5: Final = partial(md5, usedforsecurity=False)  # else it is not there on systems in FIPS mode


@dataclass(frozen=True, slots=True)
class _Md5Crypt:
    magic: bytes
    salt: bytes
    encoded: str
    seconds: float = _SECONDS

    def matches(self, password: bytes) -> bool:
        digest = _derived(password, self.magic, self.salt)
        return hmac.compare_digest(to_crypt(bytes(digest[place] for place in _ORDER)), self.encoded)


@dataclass(frozen=True, slots=True)
class _Phpass:
    rounds: int
    salt: bytes
    encoded: str
    seconds: float

    def matches(self, password: bytes) -> bool:
        digest = _md5(self.salt + password).digest()
        for _ in range(self.rounds):
            digest = _md5(digest + password).digest()
        return hmac.compare_digest(to_crypt(digest), self.encoded)


def read(stored: str) -> _Md5Crypt:
    found = _FORM.fullmatch(stored)
    if found is None:
        raise costs.malformed("md5-crypt")
    magic, salt, encoded = found.groups()
    return _Md5Crypt(magic.encode("ascii"), salt.encode("ascii"), encoded)


def read_phpass(stored: str) -> _Phpass:
    found = _PHPASS.fullmatch(stored)
    if found is None or not 7 <= crypt_number(found[1]) <= 30:
        raise costs.malformed("phpass")
    rounds = 2 ** crypt_number(found[1])
    return _Phpass(rounds, found[2].encode("ascii"), found[3], costs.seconds("phpass", rounds))


def _derived(password: bytes, magic: bytes, salt: bytes) -> bytes:
    """Return the digest of the last round, as Poul-Henning Kamp's md5crypt does."""
    start = _md5(password + magic + salt)
    mixed = _md5(password + salt + password).digest()
    start.update((mixed * (len(password) // 16 + 1))[: len(password)])
    count = len(password)
    while count:
        start.update(b"\0" if count & 1 else password[:1])
        count >>= 1
    digest = start.digest()
    for number in range(_ROUNDS):
        between = (salt if number % 3 else b"") + (password if number % 7 else b"")
        digest = _md5(password + between + digest if number % 2 else digest + between + password).digest()
    return digest
