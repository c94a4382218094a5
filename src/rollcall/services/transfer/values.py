"""What the cells of other systems mean: words for nothing, for true and false, for a state, and for no password."""

from __future__ import annotations

import re
from typing import Final

from rollcall.errors import FieldError
from rollcall.services.identity.hash_shapes import is_password_hash

NOTHING: Final = frozenset({"", "NULL", "\\N", "(null)", "(NULL)", "<null>", "<NULL>"})

# In the languages of ``table_headings``.
_TRUE: Final = """true t yes y on 1 1.0 ✓ ✔ ja wahr oui vrai sí si verdadero vero sim verdadeiro waar tak prawda ano pravda
    sand sant sann kyllä tosi igen igaz evet doğru да истина"""
_FALSE: Final = """false f no n off 0 0.0 ✗ ✘ nein falsch non faux falso não nao onwaar nee nie fałsz ne nepravda
    nej falsk falskt ei epätosi nem hamis hayır yanlış нет ложь"""
_ACTIVE: Final = """active enabled enable activated aktiv aktiviert actif activé activo activa attivo ativo actief aktywny aktivní
    aktif password_expired recovery provisioned locked_out confirmed force_change_password reset_required"""
_INACTIVE: Final = """inactive disabled disable deactivated deprovisioned suspended blocked locked banned archived deleted staged
    terminated unconfirmed inaktiv deaktiviert gesperrt inactif désactivé bloqué suspendu inactivo inactiva bloqueado suspendido
    inattivo bloccato inativo inactief geblokkeerd nieaktywny neaktivní pasif compromised"""
FLAGS: Final = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)
STATES: Final = FLAGS | dict.fromkeys(_ACTIVE.split(), True) | dict.fromkeys(_INACTIVE.split(), False)

_NO_PASSWORD: Final = re.compile(r"!.*|\*|\*+|x|\*LK\*|NP|\*NP\*|!!", re.DOTALL)
_MASK: Final = re.compile(r"[*•●]+")
_NAMED_ADDRESS: Final = re.compile(r"[^<>]*<([^<>@\s]+@[^<>@\s]+)>")
# What programs leave at the ends of a copied address: marks of direction, joiners, a byte order mark.
_INVISIBLE: Final = "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff \t\r\n\xa0"


_NO_FLAG: Final = "This has to be true or false, or yes or no."
_NO_STATE: Final = "This has to be yes or no, or a status such as active or suspended. If the column says neither, leave it out."


def flag(value: object, *, state: bool = False) -> bool:
    """Read a boolean, or with ``state`` also a word for a status.

    :raises FieldError: ``invalid_format``.
    """
    if isinstance(value, bool):
        return value
    if value == "true":  # the commonest by far
        return True
    found = (STATES if state else FLAGS).get(str(value).strip().lower()) if isinstance(value, str | int | float) else None
    if found is None:
        raise FieldError("invalid_format", _NO_STATE if state else _NO_FLAG)
    return found


def address(value: str) -> str:
    """Take an address out of ``Name <address>`` and ``mailto:``, and off what programs leave around it."""
    text = value.strip(_INVISIBLE)
    if "<" not in text and ":" not in text:
        return text
    if found := _NAMED_ADDRESS.fullmatch(text):
        text = found[1]
    return text[7:] if text[:7].lower() == "mailto:" else text


def name(value: str) -> str:
    """Take off what programs leave around a username."""
    return value.strip(_INVISIBLE)


def has_no_password(value: str) -> bool:
    """Return whether a text where a hash is expected is a mark for "no password"."""
    return not value.strip() or value.strip() in NOTHING or _NO_PASSWORD.fullmatch(value.strip()) is not None


def is_mask(value: str) -> bool:
    """Return whether a text where a password is expected only hides one."""
    return value in NOTHING or _MASK.fullmatch(value) is not None


def is_hash(value: str) -> bool:
    """Return whether a directory's password is a hash, and not the password itself."""
    return value.startswith(("{", "$")) or is_password_hash(value)


def is_garbled(value: str) -> bool:
    """Return whether a text is UTF-8 that some program has read as Windows-1252, such as ``JosÃ©``."""
    return not value.isascii() and any(_was_utf8(word) for word in value.split(" ") if not word.isascii())


def _was_utf8(word: str) -> bool:
    for encoding in ("cp1252", "latin-1"):
        try:
            return word.encode(encoding).decode("utf-8") != word
        except UnicodeError:
            continue
    return False
