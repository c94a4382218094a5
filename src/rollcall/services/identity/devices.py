"""What a session is told apart by: the address and the program that somebody logged in with, as far as they are known."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

USER_AGENT_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Device:
    """From where and with what somebody logs in; ``None`` where that is not known.

    :ivar address: an IP address, without zone.
    :ivar user_agent: what the program calls itself (RFC 9110, section 10.1.5), at most ``USER_AGENT_MAX`` characters.
    """

    address: str | None = None
    user_agent: str | None = None

    @classmethod
    def seen(cls, address: str | None, user_agent: str | None) -> Device:
        """Make it of what a client says, or a proxy: whatever that is, it can be stored and shown.

        :param address: an IP address, or anything else, which is then not known.
        :param user_agent: any text; control characters, marks that turn the direction of text around, NUL and lone
            surrogates are left out, and what is too long is cut off.
        """
        shown = "".join(filter(str.isprintable, user_agent or "")).strip()[:USER_AGENT_MAX]
        return cls(_address(address), shown.rstrip() or None)


def _address(text: str | None) -> str | None:
    try:
        found = ip_address(text or "")
    except ValueError:  # a proxy may pass on "unknown"; a Unix socket has no address
        return None
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:  # as a socket for both families sees IPv4 (RFC 4291, section 2.5.5.2)
            return str(found.ipv4_mapped)
        return str(found).partition("%")[0]
    return str(found)
