"""What a session is told apart by: the address and the program that somebody logged in with, as far as they are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rollcall.infra import addresses

USER_AGENT_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Device:
    """From where and with what somebody logs in; ``None`` where that is not known.

    :ivar address: an IP address, without port and zone.
    :ivar user_agent: what the program calls itself (RFC 9110, section 10.1.5), at most ``USER_AGENT_MAX`` characters.
    """

    address: str | None = None
    user_agent: str | None = None

    @property
    def network(self) -> str | None:
        """Return the network that counts for limits: the address, or the /64 of an IPv6 one."""
        return addresses.network(addresses.parse(self.address))

    @classmethod
    def seen(cls, address: str | None, user_agent: str | None) -> Device:
        """Make it of what a client says, or a proxy: whatever that is, it can be stored and shown.

        :param address: an IP address, or anything else, which is then not known.
        :param user_agent: any text; control characters, marks that turn the direction of text around, NUL and lone
            surrogates are left out, and what is too long is cut off.
        """
        shown = "".join(filter(str.isprintable, user_agent or "")).strip()[:USER_AGENT_MAX]
        found = addresses.parse(address)
        return cls(None if found is None else str(found), shown.rstrip() or None)
