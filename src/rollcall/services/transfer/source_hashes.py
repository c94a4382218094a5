"""Put together the hashes that a system keeps in parts, in a form that ``identity.hash_formats`` reads.

Every function takes the values of an alternative's paths. It returns the hash, ``None`` where there is none, or raises
``FieldError``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rollcall.errors import FieldError

Values = Sequence[object]
Config = Mapping[str, str]
FIREBASE_KEYS: Final = ("base64_signer_key", "base64_salt_separator", "rounds", "mem_cost")


def unpadded(data: bytes) -> str:
    """Return base64 as PHC strings have it."""
    return base64.b64encode(data).decode().rstrip("=")


def _refuse(message: str) -> FieldError:
    return FieldError("invalid_format", message)


def _inside(value: object) -> Any:
    """Return what a text of JSON holds, and other values as they are."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise _refuse("The password hash is not valid JSON.") from None
    return value


def auth0(values: Values, _config: Config) -> str | None:
    """Auth0's ``custom_password_hash``: most algorithms have a whole string as their value."""
    given = _inside(values[0])
    if not isinstance(given, dict):
        return None
    algorithm = str(given.get("algorithm", ""))
    kept, salt = (part if isinstance(part := given.get(name), dict) else {} for name in ("hash", "salt"))
    value = str(kept.get("value", ""))
    if algorithm in ("argon2", "bcrypt", "pbkdf2", "ldap"):
        return value or None
    if algorithm == "scrypt":
        logarithm = int(given.get("cost", 16384)).bit_length() - 1
        cost = f"ln={logarithm},r={given.get('blockSize', 8)},p={given.get('parallelization', 1)}"
        return f"$scrypt${cost}${unpadded(_bytes(salt))}${unpadded(_bytes(kept))}"
    raise _refuse(f"Auth0's algorithm {algorithm[:20]!r} is not accepted; such a user needs a new password.")


def _bytes(part: Any) -> bytes:
    value, encoding = str(part.get("value", "")), part.get("encoding", "hex")
    try:
        return bytes.fromhex(value) if encoding == "hex" else base64.b64decode(value) if encoding == "base64" else value.encode()
    except (ValueError, binascii.Error):
        raise _refuse("The password hash is not in the encoding that it names.") from None


def okta(values: Values, _config: Config) -> str | None:
    """Okta's hash object: ``algorithm``, ``workFactor``, ``salt`` and ``value``."""
    given = _inside(values[0])
    if not isinstance(given, dict):
        return None
    match given.get("algorithm"):
        case "BCRYPT":
            return f"$2a${int(given.get('workFactor', 10)):02}${given.get('salt', '')}{given.get('value', '')}"
        case "PBKDF2":
            digest = "sha512" if "512" in str(given.get("digestAlgorithm")) else "sha256"
            size = int(given.get("keySize", 32))
            return f"$pbkdf2-{digest}$i={given.get('iterationCount')},l={size}${given.get('salt', '')}${given.get('value', '')}"
        case other:
            raise _refuse(f"Okta's algorithm {str(other)[:20]!r} is not accepted; such a user needs a new password.")


def keycloak(values: Values, _config: Config) -> str | None:
    """Keycloak's credentials: the parts are JSON within JSON."""
    credentials = _inside(values[0])
    for each in credentials if isinstance(credentials, list) else []:
        if not isinstance(each, dict) or each.get("type", "password") != "password":
            continue
        secret, data = _inside(each.get("secretData", "null")), _inside(each.get("credentialData", "null"))
        if isinstance(secret, dict) and isinstance(data, dict):
            return _keycloak(secret, data)
        if "hashedSaltedValue" in each:  # before version 8
            old = {"value": each["hashedSaltedValue"], "salt": each.get("salt", "")}
            return _keycloak(old, {"hashIterations": each.get("hashIterations"), "algorithm": each.get("algorithm")})
    return None


def _keycloak(secret: dict[str, Any], data: dict[str, Any]) -> str:
    algorithm = str(data.get("algorithm", ""))
    iterations, value, salt = data.get("hashIterations"), str(secret.get("value", "")), str(secret.get("salt", ""))
    if algorithm.startswith("pbkdf2"):
        digest = algorithm.removeprefix("pbkdf2").removeprefix("-") or "sha1"
        size = len(value.rstrip("=")) * 3 // 4
        return f"$pbkdf2-{digest}$i={iterations},l={size}${salt.rstrip('=')}${value.rstrip('=')}"
    if algorithm.startswith("argon2"):
        more = {name: _first(each) for name, each in (data.get("additionalParameters") or {}).items()}
        kind, version = f"argon2{more.get('type', 'id')}", "19" if str(more.get("version", "1.3")) in ("1.3", "19") else "16"
        cost = f"m={more.get('memory')},t={iterations},p={more.get('parallelism')}"
        return f"${kind}$v={version}${cost}${salt.rstrip('=')}${value.rstrip('=')}"
    raise _refuse(f"Keycloak's algorithm {algorithm[:20]!r} is not accepted; such a user needs a new password.")


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) and value else value)


def firebase(values: Values, config: Config) -> str | None:
    """Firebase's modified scrypt, whose signer key is not in the file."""
    hashed, salt = (str(value or "") for value in (*values, "")[:2])
    if not hashed:
        return None
    if not config:
        raise FieldError("no_hash_config", "Firebase keeps the signer key of its hashes apart. Give it with --hash-config.")
    plain = {name: config.get(name, "") for name in FIREBASE_KEYS}
    hashed, salt = (each.replace("-", "+").replace("_", "/") for each in (hashed, salt))
    cost = f"ln={plain['mem_cost']},r={plain['rounds']},p=1"
    return f"$firescrypt${cost}${salt}${hashed}${plain['base64_salt_separator']}${plain['base64_signer_key']}"


def discourse(values: Values, _config: Config) -> str | None:
    """Discourse keeps the derived key in hexadecimal, and uses its salt as text."""
    hashed, salt = (str(value or "") for value in (*values, "")[:2])
    try:
        raw = bytes.fromhex(hashed)
    except ValueError:
        raise _refuse("This is not a hash of Discourse.") from None
    return f"$pbkdf2-sha256$i=64000,l={len(raw)}${unpadded(salt.encode())}${unpadded(raw)}" if raw else None


def aspnet(values: Values, _config: Config) -> str | None:
    """ASP.NET Identity writes one text of base64, which nothing marks as its own."""
    given = str(values[0] or "").strip()
    return f"{{ASPNET}}{given}" if given else None


ASSEMBLERS: Final[Mapping[str, Callable[[Values, Config], str | None]]] = {
    "auth0": auth0,
    "okta": okta,
    "keycloak": keycloak,
    "firebase": firebase,
    "discourse": discourse,
    "aspnet": aspnet,
}
