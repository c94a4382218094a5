"""argon2 (RFC 9106) in PHC form, with Django's prefix, with padded base64."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, verify_secret

from rollcall.services.identity.hash_formats import costs
from rollcall.services.identity.hash_formats.encodings import from_base64, require_digest

MAX_LANES: Final = 16
"""Each is a thread."""

_PHC: Final = re.compile(
    r"(\$argon2(id|i|d)(?:\$v=(?:16|19))?\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,9})"
    r"\$)([A-Za-z0-9+/]+=*)\$([A-Za-z0-9+/]+=*)"
)
_TYPES: Final = {"id": Type.ID, "i": Type.I, "d": Type.D}


@dataclass(frozen=True, slots=True)
class _Argon2:
    encoded: bytes
    kind: Type
    seconds: float

    def matches(self, password: bytes) -> bool:
        try:
            return verify_secret(self.encoded, password, self.kind)
        except (VerificationError, InvalidHashError):
            return False


def read(stored: str) -> _Argon2:
    found = _PHC.fullmatch(stored)
    if found is None:
        raise costs.malformed("argon2")
    head, kind, memory, passes, lanes, salt, digest = found.groups()
    seconds = _seconds(int(memory), int(passes), int(lanes))
    if len(from_base64(salt)) < 8:  # RFC 9106, section 3.1
        raise costs.malformed("argon2")
    require_digest(from_base64(digest))
    encoded = f"{head}{salt.rstrip('=')}${digest.rstrip('=')}"
    return _Argon2(encoded.encode("ascii"), _TYPES[kind], seconds)


@lru_cache(maxsize=64)  # the hashes of a system have few different parameters
def _seconds(memory: int, passes: int, lanes: int) -> float:
    """Check the parameters, and return about how much CPU time a verification takes."""
    if lanes > MAX_LANES:
        raise costs.too_costly("argon2")
    costs.require_memory("argon2", memory * 1024)
    taken = costs.seconds("argon2", memory * passes)
    if memory < 8 * lanes:  # RFC 9106, section 3.1
        raise costs.malformed("argon2")
    return taken


def read_django(stored: str) -> _Argon2:
    return read("$" + stored.removeprefix("argon2").lstrip("$"))
