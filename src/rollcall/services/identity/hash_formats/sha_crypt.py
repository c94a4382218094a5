"""sha256-crypt and sha512-crypt of Unix systems, after "Unix crypt using SHA-256 and SHA-512" by Ulrich Drepper.

Python code, since no kept library computes them. A round is one call of hashlib, and the number of rounds is bounded by its time
(``costs``); a request's deadline ends the loop.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rollcall.services.identity.hash_formats import costs
from rollcall.services.identity.hash_formats.encodings import to_crypt

_FORM: Final = re.compile(
    r"\$([56])\$(?:rounds=([1-9][0-9]{3,8})\$)?([!-#%-9;-~]{0,16})\$([./0-9A-Za-z]{42}[./0-9A-D]|[./0-9A-Za-z]{85}[./01])"
)
_DEFAULT_ROUNDS: Final = 5000


@dataclass(frozen=True, slots=True)
class _Kind:
    """:ivar length: of the encoded digest, in characters."""

    name: str
    digest: Any
    length: int


_KINDS: Final = {
    "5": _Kind("sha256-crypt", hashlib.sha256, 43),
    "6": _Kind("sha512-crypt", hashlib.sha512, 86),
}


@dataclass(frozen=True, slots=True)
class _ShaCrypt:
    kind: _Kind
    rounds: int
    salt: bytes
    encoded: str
    seconds: float

    def matches(self, password: bytes) -> bool:
        digest = _derived(self.kind.digest, password, self.salt, self.rounds)
        return hmac.compare_digest(to_crypt(bytes(digest[place] for place in _order(len(digest)))), self.encoded)


def read(stored: str) -> _ShaCrypt:
    found = _FORM.fullmatch(stored)
    kind = _KINDS[stored[1]]
    if found is None or len(found[4]) != kind.length:
        raise costs.malformed(kind.name)
    rounds = int(found[2] or _DEFAULT_ROUNDS)
    return _ShaCrypt(kind, rounds, found[3].encode("ascii"), found[4], costs.seconds(kind.name, rounds))


def _derived(new: Any, password: bytes, salt: bytes, rounds: int) -> bytes:
    """Return the digest of the last round. The letters are those of the specification's steps."""
    b = new(password + salt + password).digest()
    a = new(password + salt + _repeated(b, len(password)))
    count = len(password)
    while count:
        a.update(b if count & 1 else password)
        count >>= 1
    digest: bytes = a.digest()
    p = _repeated(new(password * len(password)).digest(), len(password))
    s = _repeated(new(salt * (16 + digest[0])).digest(), len(salt))
    # What stands before and after the digest of the previous round depends on the round's number by 2, 3 and 7: 42 cases.
    cases = [_around(number, p, s) for number in range(42)]
    for start in range(0, rounds, 42):
        for before, after in cases[: rounds - start]:
            digest = new(before + digest + after).digest()
    return digest


def _around(number: int, p: bytes, s: bytes) -> tuple[bytes, bytes]:
    between = (s if number % 3 else b"") + (p if number % 7 else b"")
    return (p + between, b"") if number % 2 else (b"", between + p)


def _repeated(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _order(size: int) -> Iterator[int]:
    """Yield the order in which a digest's bytes are encoded: thirds of it side by side, turned on by one for each group."""
    third = size // 3
    for group in range(third):
        places = [group, group + third, group + 2 * third]
        turn = (2 * group if size == 32 else group) % 3
        yield from reversed(places[turn:] + places[:turn])
    yield from range(3 * third, size)
