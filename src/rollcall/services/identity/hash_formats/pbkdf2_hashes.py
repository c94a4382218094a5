"""pbkdf2 (RFC 8018): PHC form, passlib's, LDAP's, Django's, Werkzeug's and ASP.NET Identity's."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from rollcall.services.identity.hash_formats import costs
from rollcall.services.identity.hash_formats.encodings import from_base64, from_hex, require_digest

_DIGEST: Final = "(sha1|sha224|sha256|sha384|sha512)"
_BASE64: Final = "([A-Za-z0-9+/.]+=*)"
_PHC: Final = re.compile(rf"\$pbkdf2(?:-{_DIGEST})?\$(?:i=)?([1-9][0-9]{{0,9}}|0)(?:,l=([0-9]{{1,3}}))?\${_BASE64}\${_BASE64}")
_LDAP: Final = re.compile(rf"\{{pbkdf2(?:-{_DIGEST})?\}}([1-9][0-9]{{0,9}}|0)\${_BASE64}\${_BASE64}", re.IGNORECASE)
_WERKZEUG: Final = re.compile(rf"pbkdf2:{_DIGEST}:([1-9][0-9]{{0,9}}|0)\$([!-#%-~]+)\$([0-9a-f]+)")
_DJANGO: Final = re.compile(rf"pbkdf2_{_DIGEST}\$([1-9][0-9]{{0,9}}|0)\$([!-#%-~]+)\$([A-Za-z0-9+/]+=*)")
_ASPNET_FUNCTIONS: Final = ("sha1", "sha256", "sha512")
"""By their number in ``KeyDerivationPrf``."""
_ASPNET_MAX_SALT: Final = 64


@dataclass(frozen=True, slots=True)
class _Pbkdf2:
    algorithm: str
    iterations: int
    salt: bytes
    digest: bytes
    seconds: float

    def matches(self, password: bytes) -> bool:
        found = hashlib.pbkdf2_hmac(self.algorithm, password, self.salt, self.iterations, len(self.digest))
        return hmac.compare_digest(found, self.digest)


def _pbkdf2(algorithm: str | None, iterations: int, salt: bytes, digest: bytes) -> _Pbkdf2:
    name = (algorithm or "sha1").lower()  # passlib's oldest form names no digest.
    blocks = -(-len(require_digest(digest)) // hashlib.new(name).digest_size)
    seconds = costs.seconds(f"pbkdf2-{name}", iterations * blocks, least=iterations)
    return _Pbkdf2(name, iterations, salt, digest, seconds)


def read(stored: str) -> _Pbkdf2:
    found = _PHC.fullmatch(stored)
    if found is None:
        raise costs.malformed("pbkdf2")
    algorithm, iterations, length, salt, digest_text = found.groups()
    digest = from_base64(digest_text)
    if length is not None and int(length) != len(digest):
        raise costs.malformed("pbkdf2")
    return _pbkdf2(algorithm, int(iterations), from_base64(salt), digest)


def read_ldap(stored: str) -> _Pbkdf2:
    found = _LDAP.fullmatch(stored)
    if found is None:
        raise costs.malformed("pbkdf2")
    algorithm, iterations, salt, digest = found.groups()
    return _pbkdf2(algorithm, int(iterations), from_base64(salt), from_base64(digest))


def read_werkzeug(stored: str) -> _Pbkdf2:
    found = _WERKZEUG.fullmatch(stored)
    if found is None:
        raise costs.malformed("pbkdf2")
    algorithm, iterations, salt, digest = found.groups()
    return _pbkdf2(algorithm, int(iterations), salt.encode("ascii"), from_hex(digest))


def read_django(stored: str) -> _Pbkdf2:
    found = _DJANGO.fullmatch(stored)
    if found is None:
        raise costs.malformed("pbkdf2")
    algorithm, iterations, salt, digest = found.groups()
    return _pbkdf2(algorithm, int(iterations), salt.encode("ascii"), from_base64(digest))


def read_aspnet(stored: str) -> _Pbkdf2:
    """Read a hash of ASP.NET Identity: base64 of a format byte and what it says, behind ``{ASPNET}`` or bare."""
    blob = from_base64(stored[stored.find("}") + 1 :])
    match blob[:1]:
        case b"\0" if len(blob) == 1 + 16 + 32:
            return _pbkdf2("sha1", 1000, blob[1:17], blob[17:])
        case b"\1" if len(blob) > 13:
            function, iterations, salt_length = (int.from_bytes(blob[at : at + 4]) for at in (1, 5, 9))
            if function < len(_ASPNET_FUNCTIONS) and 8 <= salt_length <= _ASPNET_MAX_SALT:
                salt, digest = blob[13 : 13 + salt_length], blob[13 + salt_length :]
                return _pbkdf2(_ASPNET_FUNCTIONS[function], iterations, salt, digest)
    raise costs.malformed("ASP.NET Identity")


def is_aspnet(stored: str) -> bool:
    """Return whether a text without a prefix is certainly a hash of ASP.NET Identity."""
    try:
        blob = from_base64(stored)
    except ValueError:
        return False
    if blob[:1] == b"\0":
        return len(blob) == 1 + 16 + 32
    return len(blob) > 13 + 16 and blob[:4] == b"\1\0\0\0" and blob[4] < len(_ASPNET_FUNCTIONS)
