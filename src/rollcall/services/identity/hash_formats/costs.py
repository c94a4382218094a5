"""What a verification costs, and the bounds of it.

The bounds are on time and memory, whatever a format counts its work in. They lie above what OWASP's Password Storage Cheat Sheet
and the default settings of the formats' libraries ask for: the costliest default is passlib's 656,000 rounds of sha512-crypt.
A hash below the lower bound is refused, too, since its password is found faster than a salted digest's should be.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_SECONDS: Final = 1.25
MAX_MEMORY: Final = 256 * 2**20
"""Bytes."""


class Unit(NamedTuple):
    """The unit of work of an algorithm.

    :ivar microseconds: its CPU time on one core, as measured on a server processor of 2020.
    :ivar least: how many units a hash must have.
    """

    microseconds: float
    least: int


UNITS: Final = {
    # A KiB that is filled once.
    "argon2": Unit(0.65, 512),
    # A key expansion; 2 to the power of the cost.
    "bcrypt": Unit(60, 16),
    # N times r times p.
    "scrypt": Unit(0.4, 1024),
    # An iteration for each block of output. ASP.NET Identity 2 has 1,000.
    "pbkdf2-sha1": Unit(0.35, 1000),
    "pbkdf2-sha224": Unit(0.35, 1000),
    "pbkdf2-sha256": Unit(0.35, 1000),
    "pbkdf2-sha384": Unit(0.75, 1000),
    "pbkdf2-sha512": Unit(0.75, 1000),
    # A round of Python code. A password of the greatest length takes three times as long.
    "sha256-crypt": Unit(0.9, 1000),
    "sha512-crypt": Unit(1.1, 1000),
    "phpass": Unit(0.6, 2**7),
}


def seconds(algorithm: str, work: int, *, least: int | None = None) -> float:
    """Return about how much CPU time ``work`` units of an algorithm take.

    :param least: units that are compared with the lower bound, where that is not all of ``work``.
    :raises ValueError: less than the lower bound, or more than ``MAX_SECONDS``.
    """
    unit = UNITS[algorithm]
    if (work if least is None else least) < unit.least:
        raise ValueError(f"is {_article(algorithm)} {algorithm} hash of too little work: it would not protect the password")
    taken = work * unit.microseconds / 1e6
    if taken > MAX_SECONDS:
        raise too_costly(algorithm)
    return taken


def require_memory(algorithm: str, size: int) -> None:
    """:raises ValueError: a verification takes more than ``MAX_MEMORY`` bytes."""
    if size > MAX_MEMORY:
        raise too_costly(algorithm)


def too_costly(algorithm: str) -> ValueError:
    """Return the exception for a hash above the upper bounds."""
    return ValueError(f"is {_article(algorithm)} {algorithm} hash that would cost too much to verify")


def malformed(algorithm: str) -> ValueError:
    """Return the exception for a hash that is not as its format has it."""
    return ValueError(f"is not a well-formed {algorithm} hash")


def _article(algorithm: str) -> str:
    return "an" if algorithm[0] == "a" else "a"
