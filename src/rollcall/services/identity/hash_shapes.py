"""Recognise text that is a password hash where a password is expected.

A hash that is stored as a password *becomes* the password: the owner can no longer log in, and whoever has the old
database logs in with the hash itself. Every new password is therefore checked here. Unlike ``hash_formats``, this module
does not ask whether a hash can be verified: it recognises many more kinds, and malformed and truncated ones too.

A shape is listed here only if no person chooses it as a password: a known scheme name followed by at least 16 characters
without a space, or digits of exactly a digest's length.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

# Spring's and LDAP's names (RFC 2307, Dovecot's too), as in ``{SSHA}…``, ``{bcrypt}…``, ``{pbkdf2@SpringSecurity_v5_8}…``.
_BRACED: Final = re.compile(
    r"\{(?:x-)?(?:is|ldap_|plain-|cram-)?(?:s?sha|s?md[45]|sm3|nthash|lanman|crypt|[a-z0-9]+-crypt|[bs]crypt|argon2|pbkdf2|aspnet)[\w@.:-]{0,40}\}"
    r"[!-~]{13,}",
    re.IGNORECASE,
)
# Modular crypt format and PHC: ``$id$…``. Drupal puts U, WordPress ``wp`` before; a ``!`` or ``*`` locks a Unix account.
_MODULAR: Final = re.compile(
    r"(?:[!*]{1,2}|\*LK\*|U)?\$(?:wp\$?)?"
    r"(?:[1-9]|2[abxy]?|gy|y|apr1|[PHSQ]|nt|sm3|sha|(?:argon2|b?crypt|scrypt|pbkdf2|md5|sha1|sha256|sha512|balloon|fbscrypt|firescrypt)[a-z0-9_-]*)"
    r"[$,][!-~]{16,}",
    re.IGNORECASE,
)
# Django, Werkzeug, passlib and others: the scheme's name, then ``$`` or ``:``.
_NAMED: Final = re.compile(
    r"[!*]?(?:argon2|bcrypt|bcrypt_sha256|pbkdf2|pbkdf2[_:-]sha\d+|scrypt|phpass|crypt|hmac|md5|s?sha\d*|unsalted_(?:md5|sha1)|scram-sha-\d+)"
    r"[$:][!-~]{16,}",
    re.IGNORECASE,
)
# Digests in hexadecimal: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512; MySQL's, PostgreSQL's and SQL Server's ways to write
# them; a salt or a scheme's number behind a colon (Joomla, osCommerce, Magento).
_HEX: Final = re.compile(
    r"(?:md5|\*)?(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})(?::[!-~]{1,64})?|(?:0x|\\x)[0-9a-f]{32,}",
    re.IGNORECASE,
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")
# Django's mark for "no password" with 40 random characters.
_UNUSABLE: Final = re.compile(r"![A-Za-z0-9]{40}")
_NUMBERED: Final = re.compile(r"[1-9]\|")
"""Nextcloud's number of the scheme."""


def is_password_hash(text: str) -> bool:
    """Return whether a text is a password hash, or a digest of 16 bytes or more, instead of a password.

    The text is recognised with white space around it, and in its prefix of Spring, LDAP or Nextcloud. Hexadecimal digits
    are a digest if there are 32, 40, 56, 64, 96 or 128 of them; padded base64 is one if it has 32 or 64 bytes
    (Keycloak, Firebase) or is built like those of ASP.NET Identity.
    """
    value = text.strip()
    if not value.isascii():
        return False
    value = _NUMBERED.sub("", value, count=1) if _NUMBERED.match(value) else value
    shapes = (_MODULAR, _NAMED, _HEX, _BRACED, _UNUSABLE)
    return any(shape.fullmatch(value) for shape in shapes) or _is_binary_hash(value)


def _is_binary_hash(value: str) -> bool:
    if not _BASE64.fullmatch(value):
        return False
    try:
        decoded = base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    match len(decoded):
        case 32 | 64:
            return True
        case 49:  # ASP.NET Identity v2: a zero, 16 bytes of salt, 32 of the derived key
            return decoded[0] == 0
        case length if length >= 13 + 16 + 16:  # ASP.NET Identity v3: 1, then three numbers of four bytes
            function, iterations, salt = (int.from_bytes(decoded[i : i + 4]) for i in (1, 5, 9))
            return decoded[0] == 1 and function <= 3 and 1 <= iterations < 2**31 and 13 + salt < length
        case _:
            return False
