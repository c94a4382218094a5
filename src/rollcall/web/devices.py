"""Name the device of a session, such as ``Firefox on Linux``, from its User-Agent header.

The name helps people to find sessions that are not theirs. Nothing depends on it, because a client can send any header.
"""

from __future__ import annotations

import re
from typing import Final

UNKNOWN: Final = "Unknown device"

# In this order: most browsers also claim to be the ones below them.
_BROWSERS: Final = (
    (re.compile(r"\b(?:Edg|EdgA|EdgiOS|Edge)/"), "Edge"),
    (re.compile(r"\b(?:OPR|OPT|OPiOS|Opera)/"), "Opera"),
    (re.compile(r"\bVivaldi/"), "Vivaldi"),
    (re.compile(r"\bSamsungBrowser/"), "Samsung Internet"),
    (re.compile(r"\b(?:Firefox|FxiOS)/"), "Firefox"),
    (re.compile(r"\b(?:Chrome|Chromium|HeadlessChrome|CriOS)/"), "Chrome"),
    (re.compile(r"\bVersion/\S+ (?:Mobile/\S+ )?Safari/"), "Safari"),
    (re.compile(r"\b(?:MSIE |Trident/)"), "Internet Explorer"),
)
# An Android says that it is a Linux, an iPhone that it is like a Mac.
_SYSTEMS: Final = (
    (re.compile(r"\bAndroid\b"), "Android"),
    (re.compile(r"\b(?:iPhone|iPod)\b"), "iPhone"),
    (re.compile(r"\biPad\b"), "iPad"),
    (re.compile(r"\bWindows\b"), "Windows"),
    (re.compile(r"\bCrOS\b"), "ChromeOS"),
    (re.compile(r"\bMac ?OS\b|\bMacintosh\b"), "macOS"),
    (re.compile(r"\bLinux\b"), "Linux"),
    (re.compile(r"\b(?:Free|Open|Net)BSD\b"), "BSD"),
)
# A program's own name and version, with which the header begins (RFC 9110, section 10.1.5).
_PROGRAM: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,29})(?:/\S*)?(?:\s|\Z)")


def called(user_agent: str | None) -> str:
    """``Firefox on Linux``, ``curl``, ``Unknown device``.

    :param user_agent: what a program says of itself, with a bounded length; ``None`` where it said nothing.
    """
    said = user_agent or ""
    system = _first(_SYSTEMS, said)
    browser = _first(_BROWSERS, said)
    if browser is None:
        program = _PROGRAM.match(said)
        # Browsers of all kinds begin with Mozilla; those that go on with nothing familiar stay unknown.
        if program and program[1] != "Mozilla":
            return program[1]
        return f"Unknown browser on {system}" if system else UNKNOWN
    return f"{browser} on {system}" if system else browser


def _first(names: tuple[tuple[re.Pattern[str], str], ...], said: str) -> str | None:
    return next((name for pattern, name in names if pattern.search(said)), None)
