"""What a new password has to be, wherever it comes from: one definition for the API, the pages, the command line and imports.

`password` is the rule for the text alone, as fields have it; `require_impersonal` needs the user's names, and so is called
when those are known. Codes: see ``fields``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rollcall.errors import FieldError, FieldProblem, ValidationFailed
from rollcall.services import normalization
from rollcall.services.identity import guessable, hash_shapes
from rollcall.services.identity.passwords import LONGEST
from rollcall.services.normalization import is_storable

PASSWORD_MIN: Final = 8
PASSWORD_MAX: Final = LONGEST

SAME_PASSWORD: Final = FieldProblem("password", "same_password", "This is the present password; choose another.")

# Longer than any known kind of hash, and than a password of the greatest length in another Unicode form: a code point in NFC was
# at most four.
_TYPED_MAX: Final = 1024


def password(value: str) -> str:
    """Check a new password (NIST SP 800-63B: length and lists of what is tried first, no rules of composition).

    :return: the password in Unicode's NFC, else as typed.
    :raises FieldError: ``too_short``, ``too_long``, ``invalid_characters``, ``is_hash`` or ``too_common``.
    """
    value = normalization.nfc(value[:_TYPED_MAX])
    if len(value) < PASSWORD_MIN:
        raise FieldError("too_short", f"A password has at least {PASSWORD_MIN} characters.")
    # Before the length: some hashes are longer than a password may be, and "too long" would not say what is wrong.
    if hash_shapes.is_password_hash(value):
        raise FieldError(
            "is_hash", "This is a password hash. Give a password, or where it is allowed, the hash as password_hash."
        )
    if len(value) > PASSWORD_MAX:
        raise FieldError("too_long", f"A password has at most {PASSWORD_MAX} characters.")
    if not is_storable(value):
        raise FieldError("invalid_characters", "NUL and lone surrogates are not allowed.")
    if guessable.is_common(value):
        raise FieldError("too_common", "This password is among the most common ones; choose another.")
    return value


def require_impersonal(value: str | None, names: Iterable[str | None]) -> None:
    """Check that a new password is not made of its user's own names, or of the application's.

    :param value: what `password` accepted, or None where there is no new password.
    :param names: the user's username, e-mail address and full name, as they will be stored.
    :raises ValidationFailed: ``too_personal``.
    """
    if value is not None and guessable.is_personal(value, names):
        message = "This password is made of the user's name or address, or of Rollcall's; choose another."
        raise ValidationFailed([FieldProblem("password", "too_personal", message)])
