"""What a valid field of a user is: one definition for the API, the pages, the command line and imports.

Every function takes what somebody typed and returns what is to be stored, or raises ``FieldError`` with one
of these codes:

``missing``             a required field is absent
``null``                a field that has to have a value is null
``invalid_type``        not a string, or not a boolean
``too_short``, ``too_long``
``invalid_format``      not an e-mail address, not a time, not a known kind of hash …
``invalid_characters``  characters that the field cannot hold; everywhere NUL and lone surrogates
``too_common``          one of the passwords that everybody tries first
``too_personal``        a password made of the user's own name or address, or of the application's name
``is_hash``             a password hash where a password is expected
``out_of_range``        a time before 1970 or in the future
``unknown_field``       a field that users do not have
``not_both``            a password and a password hash

``not_own_address``     a username with an @ that is not the user's own e-mail address

Two more, ``taken`` and ``duplicate``, are the database's verdict and the importer's. Lengths count code
points in NFC. White space around names is dropped; nothing is cut. Names keep their capitals, except in
domains. What is equal is ``services/normalization``'s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

import email_validator

from rollcall.errors import FieldError, FieldProblem, ValidationFailed
from rollcall.services import normalization
from rollcall.services.identity.hash_formats import is_no_password
from rollcall.services.identity.passwords import check_hash
from rollcall.services.normalization import is_storable
from rollcall.services.users import new_passwords, restored_fields
from rollcall.services.users.field_names import is_repeatable
from rollcall.services.users.restored_fields import EARLIEST, NOTHING, Restored

T = TypeVar("T")

EMAIL_MAX: Final = 254
USERNAME_MIN: Final = 2
USERNAME_MAX: Final = 64
USERNAME_PATTERN: Final = r"^([A-Za-z0-9._-]{2,64}|[^\s@]+@[^\s@]+)$"
"""For the OpenAPI document. Not used here: Python's ``$`` also matches before a final newline."""
FULL_NAME_MAX: Final = 100
password: Final = new_passwords.password

IMPORT_FIELDS: Final = (
    "email",
    "username",
    "full_name",
    "password",
    "password_hash",
    "is_active",
    "is_superuser",
    "created_at",
)
IGNORED_FIELDS: Final = ("id", "updated_at", "last_login_at", "line", "reason")
"""Accepted by an import beside the fields: an export has the first three (``restored_fields``), a file of bad rows the others."""
_KNOWN_FIELDS: Final = frozenset(IMPORT_FIELDS + IGNORED_FIELDS)

# People who host for themselves have addresses under .local and .test. The library documents this list as
# its setting for that, and has no other.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

# Accepts a part of what the library accepts, many times as fast; a property test holds it to that.
_PLAIN_EMAIL: Final = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
    r"@(?=.{4,63}\Z)(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]+(?:-[A-Za-z0-9]+)*(?<=[A-Za-z])"
)
_USERNAME: Final = re.compile(r"[A-Za-z0-9._-]+")
# Control characters, line and paragraph separators, and marks that turn the direction of the text around.
_NOT_IN_A_NAME: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_WORDS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class NewUser:
    """The valid fields of a user who does not exist yet. ``given``: those that a row of an import has a value for."""

    email: str
    username: str
    full_name: str | None = None
    password: str | None = None
    password_hash: str | None = None
    is_active: bool = True
    is_superuser: bool = False
    created_at: datetime | None = None
    restored: Restored = NOTHING
    given: frozenset[str] = field(default=frozenset(), compare=False)
    must_change_password: bool = False


def email(value: str) -> str:
    """Check an e-mail address (RFC 5321 and 6531, no comments, quotes, address literals or dotless domains).

    :param value: as typed; special-use domains such as ``.local`` are fine, nothing is looked up.
    :return: the address in NFC, without surrounding white space, its domain in lower-case Unicode.
    :raises FieldError: ``too_long``, ``invalid_characters`` or ``invalid_format``.
    """
    value = value.strip()
    if len(value) > EMAIL_MAX:
        raise FieldError("too_long", f"An e-mail address has at most {EMAIL_MAX} characters.")
    if _PLAIN_EMAIL.fullmatch(value):
        return normalization.name(value)
    _require_storable(value)
    try:
        found = email_validator.validate_email(value, check_deliverability=False)
    except email_validator.EmailNotValidError as error:
        raise FieldError("invalid_format", f"This is not a valid e-mail address. {error}") from None
    local = normalization.nfc(value.rpartition("@")[0])
    return f"{local}@{found.domain}"


def username(value: str) -> str:
    """Check a username: 2 to 64 of ASCII letters, digits, ``.``, ``_`` and ``-``, or an e-mail address.

    Whether that is the user's own is for ``own_username``.

    :return: the username without surrounding white space; an address as ``email`` returns it.
    :raises FieldError: ``too_short``, ``too_long``, ``invalid_characters`` or ``invalid_format``.
    """
    value = value.strip()
    if "@" in value:
        return email(value)
    if len(value) < USERNAME_MIN:
        raise FieldError("too_short", f"A username has at least {USERNAME_MIN} characters.")
    if len(value) > USERNAME_MAX:
        raise FieldError("too_long", f"A username has at most {USERNAME_MAX} characters.")
    if not _USERNAME.fullmatch(value):
        raise FieldError("invalid_characters", "A username has only letters A-Z and a-z, digits, '.', '_' and '-'.")
    return value


def own_username(username: str, email: str) -> str:
    """Check that a valid username with an @ is the user's own e-mail address, so that a log-in name is never ambiguous.

    :return: the username.
    :raises FieldError: ``not_own_address``.
    """
    if "@" in username and username != email:
        raise FieldError("not_own_address", "A username with an @ has to be the user's own e-mail address.")
    return username


def full_name(value: str | None) -> str | None:
    """Check a full name; any script.

    :return: the name in Unicode's NFC without surrounding white space, or None where nothing is left.
    :raises FieldError: ``too_long`` (more than 100 code points as typed) or ``invalid_characters``.
    """
    if value is None:
        return None
    if len(value) > FULL_NAME_MAX:
        raise FieldError("too_long", f"A full name has at most {FULL_NAME_MAX} characters.")
    if _NOT_IN_A_NAME.search(value):
        raise FieldError("invalid_characters", "A full name has no line breaks, control or direction characters.")
    name = normalization.nfc(value.strip())
    if len(name) > FULL_NAME_MAX:  # A few characters exist in NFC only as two or three.
        raise FieldError("too_long", f"A full name has at most {FULL_NAME_MAX} characters.")
    return name or None


def password_hash(value: str) -> str | None:
    """Check an imported password hash: one of the formats of ``identity.hash_formats``, at a bounded cost.

    :return: the hash; ``None`` for a word that stands for "no password", such as ``!`` or ``*``.
    :raises FieldError: ``invalid_format``.
    """
    if is_no_password(value):
        return None
    try:
        check_hash(value)
    except ValueError as error:
        raise FieldError("invalid_format", f"The password hash {error}.") from None
    return value


def flag(value: str) -> bool:
    """Read a boolean of a text file: ``true``, ``yes``, ``1``, ``false``, ``no`` or ``0`` in any case.

    :raises FieldError: ``invalid_format``.
    """
    try:
        return _WORDS[value.lower()]
    except KeyError:
        raise FieldError("invalid_format", "This has to be true or false.") from None


def sign_up_time(value: str, *, now: datetime) -> datetime:
    """Read the time at which an imported user signed up.

    :param value: ISO 8601 with an offset from UTC.
    :param now: the present, with an offset.
    :return: the time in UTC.
    :raises FieldError: ``invalid_format`` or ``out_of_range``.
    """
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise FieldError("invalid_format", "This has to be an ISO 8601 time with offset: 2026-01-31T12:00:00+00:00.")
    if not EARLIEST <= time <= now:
        raise FieldError("out_of_range", "This time lies in the future or before 1970.")
    return time.astimezone(UTC)


def new_user(row: Mapping[str, object], *, now: datetime, text: bool = False) -> NewUser:
    """Check a row of an import as a whole.

    :param row: the fields by name; absent and null are the same for fields that may be null.
    :param now: the present, with an offset; nobody signed up later.
    :param text: booleans are words (a CSV file) instead of real ones.
    :return: the user to create.
    :raises ValidationFailed: with every problem of the row.
    """
    problems = [
        unknown_field(name)
        for name in row.keys() - _KNOWN_FIELDS  # A row of a file has distinct names, a few at most.
    ]
    address = _text(row, "email", email, problems)
    name = _text(row, "username", username, problems)
    shown = _text(row, "full_name", full_name, problems)
    secret = _text(row, "password", password, problems)
    hashed = _text(row, "password_hash", password_hash, problems)
    active = _boolean(row, "is_active", text, problems)
    superuser = _boolean(row, "is_superuser", text, problems)
    created_at = None
    if row.get("created_at") is not None:
        created_at = _text(row, "created_at", lambda value: sign_up_time(value, now=now), problems)
    if row.get("password") is not None and hashed is not None:
        problems.append(FieldProblem("password_hash", "not_both", "Give a password or a password hash, not both."))
    for required in ("email", "username"):
        if row.get(required) is None:
            code = "null" if required in row else "missing"
            problems.append(FieldProblem(required, code, "This field is required."))
    if address is not None and name is not None:
        try:
            own_username(name, address)
        except FieldError as error:
            problems.append(FieldProblem("username", error.type, str(error)))
    if problems or address is None or name is None:
        raise ValidationFailed(problems)
    restored = restored_fields.of(row, now=now)
    given = frozenset(key for key, value in row.items() if value is not None or key == "full_name")
    new = NewUser(address, name, shown, secret, hashed, active is not False, superuser is True, created_at, restored, given)
    new_passwords.require_impersonal(new.password, (new.username, new.email, new.full_name))
    return new


def unknown_field(name: str) -> FieldProblem:
    """Return the problem of a field that users do not have; its name is in it only if it is fit to be repeated."""
    if is_repeatable(name):
        return FieldProblem(name, "unknown_field", "Users have no such field.")
    message = "Users have no such field; its name is not repeated here, since it looks like data."
    return FieldProblem("", "unknown_field", message)


def _text(row: Mapping[str, object], name: str, check: Callable[[str], T | None], problems: list[FieldProblem]) -> T | None:
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        problems.append(FieldProblem(name, "invalid_type", "This has to be a string."))
        return None
    try:
        return check(value)
    except FieldError as error:
        problems.append(FieldProblem(name, error.type, str(error)))
        return None


def _boolean(row: Mapping[str, object], name: str, text: bool, problems: list[FieldProblem]) -> bool | None:
    if text:
        return _text(row, name, flag, problems)
    value = row.get(name)
    if isinstance(value, bool):
        return value
    if name in row:
        problems.append(
            FieldProblem(name, "null", "This cannot be null.")
            if value is None
            else FieldProblem(name, "invalid_type", "This has to be true or false.")
        )
    return None


def _require_storable(value: str) -> None:
    if not is_storable(value):
        raise FieldError("invalid_characters", "NUL and lone surrogates are not allowed.")
