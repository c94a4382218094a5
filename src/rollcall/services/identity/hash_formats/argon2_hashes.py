"""argon2 (RFC 9106) in PHC form, with Django's prefix, with padded base64."""

from __future__ import annotations

import re
from dataclasses import dataclass
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
    m, t, p = int(memory), int(passes), int(lanes)
    if p > MAX_LANES:
        raise costs.too_costly("argon2")
    costs.require_memory("argon2", m * 1024)
    seconds = costs.seconds("argon2", m * t)
    if m < 8 * p or len(from_base64(salt)) < 8:  # RFC 9106, section 3.1
        raise costs.malformed("argon2")
    require_digest(from_base64(digest))
    encoded = f"{head}{salt.rstrip('=')}${digest.rstrip('=')}"
    return _Argon2(encoded.encode("ascii"), _TYPES[kind], seconds)


def read_django(stored: str) -> _Argon2:
    return read("$" + stored.removeprefix("argon2").lstrip("$"))
