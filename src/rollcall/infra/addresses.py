"""The client's address, parsed once for rate limits, sessions, `/metrics` and logs."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from flask import request

Address = IPv4Address | IPv6Address

# Some proxies append the port: Azure's gateways, HAProxy, IIS.
_WITH_PORT = re.compile(r"\[([^\[\]]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_NETWORK_BITS = 64


def parse(text: str | None) -> Address | None:
    """Read an IP address. A port and a zone are dropped, and an IPv4-mapped address is IPv4 (RFC 4291, section 2.5.5.2).

    :return: ``None`` for everything else: a proxy may say "unknown", and a Unix socket has no address.
    """
    text = (text or "").strip()
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        return found.ipv4_mapped or IPv6Address(int(found))
    return found


def network(address: Address | None) -> str | None:
    """Return the network that one client can choose its address from: the address itself, or the /64 of an IPv6 one."""
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), _NETWORK_BITS), strict=False))
    return None if address is None else str(address)


def of_client() -> Address | None:
    """Return the address of the client of this request, by the proxies that are trusted (``forwarding``)."""
    return parse(request.remote_addr)
