"""What is kept of where a log-in came from: whatever a client or a proxy says, it can be stored and shown."""

from __future__ import annotations

import pytest

from rollcall.services.identity.devices import USER_AGENT_MAX, Device


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("unknown", None),
        ("203.0.113.7:4711", "203.0.113.7"),
        ("203.0.113.7/8", None),
        ("203.0.113.7, 10.0.0.1", None),
        ("999.0.0.1", None),
        ("1\0", None),
        ("\ud800", None),
        ("٢٠٣.٠.١١٣.٧", None),
        ("x" * 10_000, None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_is_an_ip_address_or_not_known(said: str | None, kept: str | None) -> None:
    assert Device.seen(said, None) == Device(kept, None)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("curl/8.4.0", "curl/8.4.0"),
        ("Größe/1 (日本; 🦊)", "Größe/1 (日本; 🦊)"),
        ("a\0b\x1b[31mc\x7fd\x9be", "ab[31mcde"),
        ("a\u202eb\u2028c\u2066d\u200be", "abcde"),
        ("a\ud800b\udfffc", "abc"),
        (" \t curl \n", "curl"),
        ("\0\x01 ", None),
        ("", None),
        (None, None),
        ("x" * 10_000, "x" * USER_AGENT_MAX),
        ("🦊" * 300, "🦊" * USER_AGENT_MAX),
        ("x" * (USER_AGENT_MAX - 1) + "  y", "x" * (USER_AGENT_MAX - 1)),
        ("\0" * 10_000 + "curl", "curl"),
    ],
)
def test_a_user_agent_is_what_can_be_shown_of_it(said: str | None, kept: str | None) -> None:
    assert Device.seen(None, said) == Device(None, kept)
