"""What the text of a setting may look like, apart from where it is read and what is said of a bad one (``settings``)."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentError, ArgumentParser
from email.utils import parseaddr
from itertools import pairwise
from urllib.parse import urlsplit

_HOST = r"(?:[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?"
_ORIGIN = re.compile(rf"https?://{_HOST}")
_PUBLIC_URL = re.compile(rf"(https?://{_HOST})((?:/[A-Za-z0-9._~-]+)*)/?", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}")
_SENDER = re.compile(r"[^\s<>@,;:\\\"]+@[^\s<>@,;:\\\"]+")
_FEWEST_CHARACTERS = 6  # different ones in a random secret


def is_origin(text: str) -> bool:
    """Return whether a text is scheme, host and port alone, as browsers send an origin (RFC 6454)."""
    return _ORIGIN.fullmatch(text) is not None


def public_url(text: str) -> str | None:
    """Return the address that people see, without a slash at its end; None if it has a user, a query or a fragment."""
    match = _PUBLIC_URL.fullmatch(text)
    return match and match[1].lower() + match[2]


def require_smtp_url(text: str) -> None:
    """:raises ValueError: a URL has no host or no valid port, or has more than user, password, host and port."""
    url = urlsplit(text)
    if not url.hostname or url.port == 0 or url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError
    if re.search(r"\s", text):
        raise ValueError


def is_sender(text: str) -> bool:
    """Return whether a text is an address, or a name and an address in angle brackets."""
    name, address = parseaddr(text)
    plain = text == address or text.endswith(f"<{address}>")
    return bool(plain and _SENDER.fullmatch(address) and name.isprintable())


def is_address(text: str) -> bool:
    """Return whether a text is a host and a port."""
    return _ADDRESS.fullmatch(text) is not None and 1 <= int(text.rpartition(":")[2]) <= 65_535


def bind_argument(arguments: str) -> str | None:
    """Return the first address that gunicorn's arguments bind, ``None`` without one."""
    parser = ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("-b", "--bind", action="append", default=[])
    try:
        return next(iter(parser.parse_known_args(shlex.split(arguments))[0].bind), None)
    except (ValueError, ArgumentError):
        return None  # gunicorn refuses them and says why


def is_guessable(secret: str) -> bool:
    """Return whether a long secret is a short one in disguise: few characters, neighbours in the alphabet, repetition."""
    codes = [ord(character) for character in secret]
    neighbours = sum(abs(one - other) <= 1 for one, other in pairwise(codes))
    repeated = any(secret[length:] == secret[:-length] for length in range(1, len(secret) // 4 + 1))
    return len(set(secret)) < _FEWEST_CHARACTERS or 4 * neighbours >= 3 * len(secret) or repeated
