"""Firebase Authentication's modified scrypt, and the configuration that its hashes need.

An export of Firebase has a hash and a salt for each user. The key that signs them belongs to the project, and its owner finds it
in the console as a block ``hash_config { … }``. :func:`read_config` reads that block; ``HashConfig.stored`` makes one text of a
user's hash, with all that a verification needs.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from rollcall.services.identity.hash_formats import costs, scrypt_hashes
from rollcall.services.identity.hash_formats.encodings import from_base64

_BASE64: Final = "([A-Za-z0-9+/_-]+={0,2})"
_MAYBE_BASE64: Final = "([A-Za-z0-9+/_-]*={0,2})"
# Ory Kratos's form.
_STORED: Final = re.compile(
    rf"\$firescrypt\$ln=([0-9]{{1,2}}),r=([0-9]{{1,4}}),p=([0-9]{{1,4}})\${_MAYBE_BASE64}\${_BASE64}\${_MAYBE_BASE64}\${_BASE64}"
)
# Supabase's form.
_GOTRUE: Final = re.compile(
    rf"\$fbscrypt\$v=1,n=([0-9]{{1,2}}),r=([0-9]{{1,4}}),p=([0-9]{{1,4}})(?:,ss={_MAYBE_BASE64})?,sk={_BASE64}\${_MAYBE_BASE64}\${_BASE64}"
)
_SETTING: Final = re.compile(r"\"?([a-z0-9_]+)\"?\s*[:=]\s*\"?([A-Za-z0-9+/=_-]+)\"?")
_SETTINGS: Final = ("algorithm", "base64_signer_key", "base64_salt_separator", "rounds", "mem_cost")
_KEY_SIZE: Final = 32


@dataclass(frozen=True, slots=True)
class HashConfig:
    """A project's ``hash_config``: the key and the separator in base64, and scrypt's r and log2 N."""

    signer_key: str
    salt_separator: str
    rounds: int
    mem_cost: int

    def stored(self, password_hash: str, salt: str) -> str:
        """Return what to store for a user's ``passwordHash`` and ``salt``, both in base64."""
        work = f"ln={self.mem_cost},r={self.rounds},p=1"
        return f"$firescrypt${work}${salt}${password_hash}${self.salt_separator}${self.signer_key}"


@dataclass(frozen=True, slots=True)
class _Firebase:
    work: scrypt_hashes.Work
    salt: bytes
    digest: bytes
    signer_key: bytes

    @property
    def seconds(self) -> float:
        return self.work.seconds

    def matches(self, password: bytes) -> bool:
        key = self.work.derive(password, self.salt, _KEY_SIZE)
        encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        return hmac.compare_digest(encryptor.update(self.signer_key) + encryptor.finalize(), self.digest)


def read_config(text: str) -> HashConfig:
    """Read a block ``hash_config { algorithm: SCRYPT, … }`` as Firebase's console shows it; JSON with these keys will do, too.

    :raises ValueError: a setting is missing or cannot be; the message is a sentence that names it, and repeats no value.
    """
    found = dict(_SETTING.findall(text))
    for name in _SETTINGS:
        if name not in found:
            raise ValueError(f"The hash configuration has no {name}.")
    if found["algorithm"].upper() != "SCRYPT":
        raise ValueError("The hash configuration's algorithm is not SCRYPT, the one that Firebase hashes with.")
    for name in ("base64_signer_key", "base64_salt_separator"):
        try:
            _bytes(found[name])
        except ValueError:
            raise ValueError(f"The hash configuration's {name} is not valid base64.") from None
    for name in ("rounds", "mem_cost"):
        if not re.fullmatch(r"[1-9][0-9]?", found[name]):
            raise ValueError(f"The hash configuration's {name} is not a number from 1 to 99.")
    config = HashConfig(found["base64_signer_key"], found["base64_salt_separator"], int(found["rounds"]), int(found["mem_cost"]))
    try:
        scrypt_hashes.work(2**config.mem_cost, config.rounds, 1)
    except ValueError as error:
        raise ValueError(f"The hash configuration {error}.") from None
    return config


def read(stored: str) -> _Firebase:
    found = _STORED.fullmatch(stored)
    if found is None:
        raise costs.malformed("firescrypt")
    exponent, r, p, salt, digest, separator, key = found.groups()
    return _firebase((exponent, r, p), salt, separator, digest, key)


def read_gotrue(stored: str) -> _Firebase:
    found = _GOTRUE.fullmatch(stored)
    if found is None:
        raise costs.malformed("fbscrypt")
    exponent, r, p, separator, key, salt, digest = found.groups()
    return _firebase((exponent, r, p), salt, separator or "", digest, key)


def _firebase(parameters: tuple[str, str, str], salt: str, separator: str, digest: str, key: str) -> _Firebase:
    exponent, r, p = map(int, parameters)
    signer_key, expected = _bytes(key), _bytes(digest)
    if len(signer_key) != len(expected) or len(expected) < _KEY_SIZE:
        raise costs.malformed("firescrypt")
    return _Firebase(scrypt_hashes.work(2**exponent, r, p), _bytes(salt) + _bytes(separator), expected, signer_key)


def _bytes(text: str) -> bytes:
    return from_base64(text.replace("-", "+").replace("_", "/"))
