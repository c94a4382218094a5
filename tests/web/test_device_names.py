"""What devices are called: the commonest by name, others by what they call themselves, the rest not at all."""

from __future__ import annotations

import pytest

from rollcall.web import devices

GECKO = "AppleWebKit/537.36 (KHTML, like Gecko)"
NAMES = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Linux",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Windows",
    "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0": "Firefox on Android",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 "
    "Mobile/15E148 Safari/605.1.15": "Firefox on iPhone",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {GECKO} Chrome/139.0.0.0 Safari/537.36": "Chrome on Windows",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {GECKO} Chrome/139.0.0.0 Safari/537.36": "Chrome on ChromeOS",
    f"Mozilla/5.0 (X11; Linux x86_64) {GECKO} HeadlessChrome/139.0.0.0 Safari/537.36": "Chrome on Linux",
    f"Mozilla/5.0 (Linux; Android 10; K) {GECKO} Chrome/139.0.0.0 Mobile Safari/537.36": "Chrome on Android",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/139.0 Mobile/15E148 "
    "Safari/604.1": "Chrome on iPhone",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {GECKO} Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0": "Edge on Windows",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {GECKO} Chrome/139.0.0.0 Safari/537.36 OPR/124.0": "Opera on macOS",
    f"Mozilla/5.0 (X11; Linux x86_64) {GECKO} Chrome/139.0.0.0 Safari/537.36 Vivaldi/7.5": "Vivaldi on Linux",
    f"Mozilla/5.0 (Linux; Android 15; SM-S931B) {GECKO} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36": "Samsung "
    "Internet on Android",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Safari/605.1.15": "Safari on macOS",
    "Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 "
    "Safari/604.1": "Safari on iPad",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko": "Internet Explorer on Windows",
    "Mozilla/5.0 (X11; FreeBSD amd64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on BSD",
    "Mozilla/5.0 (X11; Linux x86_64) Something/1.0": "Unknown browser on Linux",
    "Mozilla/5.0 (compatible; Somebot/2.1)": "Unknown device",
    "Mozilla/5.0": "Unknown device",
    "Firefox/140.0": "Firefox",
    "curl/8.4.0": "curl",
    "python-requests/2.32.3": "python-requests",
    "PostmanRuntime/7.43.0": "PostmanRuntime",
    "Go-http-client/1.1": "Go-http-client",
    "Wget/1.21.4 (linux-gnu)": "Wget",
    "backup": "backup",
    "okhttp/5.0.0 Dalvik": "okhttp",
    "<script>alert(1)</script>": "Unknown device",
    "x" * 255: "Unknown device",
    "🦊/1.0": "Unknown device",
    "/1.0": "Unknown device",
    "...": "Unknown device",
    " curl/8": "Unknown device",
    "": "Unknown device",
}


@pytest.mark.parametrize(("user_agent", "name"), NAMES.items())
def test_a_device_is_called_what_people_call_it(user_agent: str, name: str) -> None:
    assert devices.called(user_agent) == name


def test_a_session_from_before_devices_were_kept_has_none() -> None:
    assert devices.called(None) == "Unknown device"
