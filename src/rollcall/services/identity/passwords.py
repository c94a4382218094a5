"""Hashing and verifying passwords: the only module that knows which scheme new hashes use.

New hashes are Argon2id with parameters that OWASP's Password Storage Cheat Sheet recommends (19 MiB, two
passes, one lane). Imported hashes of other kinds verify too (see ``hash_formats``) and are reported as due
for a rehash, so that they disappear one login at a time. Nothing here logs, or raises with a password in
its text.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.low_level import Type

from rollcall.errors import RequestTimeout
from rollcall.services.identity import hash_formats
from rollcall.services.normalization import nfc

MEMORY_KIB: Final = 19_456
PASSES: Final = 2
LANES: Final = 1
MAX_WORKERS: Final = 8
"""Threads that hash at the same time, each with its own 19 MiB."""

LONGEST: Final = 128
"""Code points of a password in NFC."""

_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16, type=Type.ID)
_CURRENT: Final = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"
# Nobody's password. Where there is no hash, this one is verified, so that the answer takes as long as a
# user's.
_NOBODYS: Final = hash_formats.parse(_CURRENT + "c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
_SECONDS: Final = _NOBODYS.seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found."""

    ok: bool
    needs_rehash: bool
    """The password is right, and its hash is not of the kind that new ones are."""


_EXPANSION: Final = 4
"""A code point in NFC has at most so many before (Unicode Standard Annex 15, for NFD)."""
_REFUSED: Final = Verdict(ok=False, needs_rehash=False)


def hash_password(password: str) -> str:
    """Hash one password; about 25 ms of CPU time and 19 MiB, without the GIL.

    :param password: any text that ``users.new_passwords`` accepted; none of it is cut off.
    :return: an Argon2id hash, in PHC form with a fresh random salt, of the password in NFC.
    """
    return _hasher.hash(nfc(password))


def verify(password: str, stored: str | None) -> Verdict:
    """Say whether a password belongs to a stored hash.

    The password is tried in Unicode's NFC. If it was typed in another form it is tried so, too, for hashes from before
    passwords were normalised. Without a hash, or with one that is not understood or is cheaper, as much time goes by as with an
    Argon2id hash of ours, so that the time of an answer does not tell whether a user exists. (Imported hashes that cost more
    take longer until their first log-in.)

    :param password: what was typed, of any length.
    :param stored: the stored hash, or None for a user without a password or no user at all.
    :return: whether it matches, and whether the caller should store a new hash of it.
    """
    known = _parsed(stored)
    cheap = known is None or known.seconds < _SECONDS
    for number, typed in enumerate(_forms(password)):
        if known is not None and known.matches(typed) and typed != b"":
            return Verdict(ok=True, needs_rehash=number > 0 or (stored is not None and not stored.startswith(_CURRENT)))
        if cheap:
            _NOBODYS.matches(typed)
    return _REFUSED


def _parsed(stored: str | None) -> hash_formats.StoredHash | None:
    try:
        return None if stored is None else hash_formats.parse(stored)
    except ValueError:
        return None


def _forms(password: str) -> list[bytes]:
    """Return the forms to try: NFC, and as typed where that is another one; empty where nobody can have this password."""
    raw = password[: _EXPANSION * LONGEST + 1]
    try:
        forms = [form[: LONGEST + 1].encode("utf-8") for form in dict.fromkeys((nfc(raw), raw))]
    except UnicodeEncodeError:
        return [b""]
    return [b"" if b"\0" in form else form for form in forms]


def hash_many(passwords: Sequence[str], *, check: Callable[[], None]) -> list[str]:
    """Hash many passwords on all cores.

    The pool is handed small batches, so an error or an interruption waits for about 50 ms of work, and no
    thread hashes on after the return.

    :param passwords: what to hash.
    :param check: called before every batch; what it raises gives up (a deadline, say) and is passed on.
    :return: the hashes, in the order of the passwords.
    :raises RequestTimeout: from ``check``; it then says how many passwords were hashed.
    """
    workers = min(_workers(), max(len(passwords), 1))
    hashes: list[str] = []
    try:
        with ThreadPoolExecutor(workers, thread_name_prefix="hash") as pool:
            for start in range(0, len(passwords), 2 * workers):
                check()
                hashes.extend(pool.map(hash_password, passwords[start : start + 2 * workers]))
    except RequestTimeout as timeout:
        timeout.hashed = len(hashes), len(passwords)
        raise
    return hashes


def estimate(count: int) -> float:
    """About how many seconds ``hash_many`` takes for so many passwords, going by one that is hashed now."""
    if not count:
        return 0.0
    started = time.perf_counter()
    hash_password("how long does this take?")
    return (time.perf_counter() - started) * count / _workers()


def _workers() -> int:
    return min(os.cpu_count() or 1, MAX_WORKERS)


def check_hash(value: str) -> None:
    """Refuse a password hash that cannot be verified here, or not at a bounded cost.

    :raises ValueError: with the reason as a phrase that continues "The password hash …".
    """
    hash_formats.parse(value)
