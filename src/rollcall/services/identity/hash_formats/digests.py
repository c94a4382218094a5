"""LDAP's salted digests (RFC 2307 and its successors): ``{SSHA}``, ``{SSHA256}``, ``{SSHA512}``, ``{SMD5}`` …

One round, so they hold back nobody who has them for long: this is for the first log-in, which replaces them. The salt stands
behind the digest.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from rollcall.services.identity.hash_formats import costs
from rollcall.services.identity.hash_formats.encodings import from_base64, from_hex

_FORM: Final = re.compile(r"\{s(md5|sha1?|sha224|sha256|sha384|sha512)(\.hex|\.b64)?\}([A-Za-z0-9+/]+=*)", re.IGNORECASE)
_SHORTEST_SALT: Final = 4


@dataclass(frozen=True, slots=True)
class _SaltedDigest:
    algorithm: str
    digest: bytes
    salt: bytes
    seconds: float = 2e-6

    def matches(self, password: bytes) -> bool:
        found = hashlib.new(self.algorithm, password + self.salt, usedforsecurity=False).digest()
        return hmac.compare_digest(found, self.digest)


def read(stored: str) -> _SaltedDigest:
    found = _FORM.fullmatch(stored)
    if found is None:
        raise costs.malformed("salted digest")
    name, encoding, text = found.groups()
    algorithm = "sha1" if name.lower() == "sha" else name.lower()
    data = from_hex(text) if (encoding or "").lower() == ".hex" else from_base64(text)
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if len(data) < size + _SHORTEST_SALT:
        raise ValueError(f"has a salt of less than {_SHORTEST_SALT} bytes")
    return _SaltedDigest(algorithm, data[:size], data[size:])
