"""What a client's address is, and what proxies in front may say of it."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from flask import jsonify, request, url_for
from werkzeug.test import run_wsgi_app

from answers import refused
from rollcall.infra import addresses


@pytest.mark.parametrize(
    ("text", "address", "network"),
    [
        ("203.0.113.50", "203.0.113.50", "203.0.113.50"),
        ("203.0.113.50:10000", "203.0.113.50", "203.0.113.50"),
        ("::ffff:203.0.113.50", "203.0.113.50", "203.0.113.50"),
        ("[::ffff:203.0.113.50]:443", "203.0.113.50", "203.0.113.50"),
        ("2001:db8::1", "2001:db8::1", "2001:db8::/64"),
        ("[2001:db8::1]:443", "2001:db8::1", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:0:0:ffff::9", "2001:db8:0:0:ffff::9", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
    ],
)
def test_address_is_read_as_an_address(text, address, network):
    found = addresses.parse(text)
    assert found == ip_address(address)
    assert addresses.network(found) == network


@pytest.mark.parametrize(
    "text",
    ["unknown", "_hidden", "", None, "localhost", "1.2.3", "203.0.113.50:", "203.0.113.50:123456", "[::1", "\0", "1" * 9999],
)
def test_what_is_no_address_is_none(text):
    assert addresses.parse(text) is None
    assert addresses.network(None) is None


@pytest.fixture
def told(make_app):
    """What the application knows of a request, by the number of trusted proxies and the headers."""

    def ask(proxies, headers, **options):
        app = make_app(trusted_proxies=proxies)

        def show():
            address = addresses.of_client()
            return jsonify(
                address=None if address is None else str(address),
                scheme=request.scheme,
                host=request.host,
                home=url_for("web.home"),
            )

        app.add_url_rule("/api/v1/show", "show", show)
        return app.test_client().get("/api/v1/show", headers=headers, environ_base={"REMOTE_ADDR": "10.0.0.9"}, **options)

    return ask


PEER = {"address": "10.0.0.9", "scheme": "http", "host": "localhost", "home": "/"}


@pytest.mark.parametrize(
    ("proxies", "headers", "expected"),
    [
        (1, {"X-Forwarded-For": "198.51.100.1, 203.0.113.50:10000"}, {"address": "203.0.113.50"}),
        (2, {"X-Forwarded-For": "1.1.1.1, 198.51.100.1, 10.0.0.1"}, {"address": "198.51.100.1"}),
        (1, {"X-Forwarded-For": '"[2001:db8::1]:443"'}, {"address": "2001:db8::1"}),
        (1, {"X-Forwarded-For": "::ffff:203.0.113.50"}, {"address": "203.0.113.50"}),
        # The second proxy was left out: what the only one has seen.
        (2, {"X-Forwarded-For": "203.0.113.50"}, {"address": "203.0.113.50"}),
        # The peer is a proxy, so its own address is never the client's.
        (1, {"X-Forwarded-For": "unknown"}, {"address": None}),
        (1, {"X-Forwarded-For": "203.0.113.50, rubbish"}, {"address": None}),
        (1, {"X-Forwarded-Proto": "https"}, {"scheme": "https"}),
        (2, {"X-Forwarded-Proto": "https"}, {"scheme": "https"}),
        (2, {"X-Forwarded-Proto": "gopher, https, http"}, {"scheme": "https"}),
        (1, {"X-Forwarded-Proto": "gopher"}, {}),
        (1, {"X-Forwarded-Host": "rollcall.example"}, {"host": "rollcall.example"}),
        (1, {"X-Forwarded-Host": "rollcall.example", "X-Forwarded-Port": "8443"}, {"host": "rollcall.example:8443"}),
        (1, {"X-Forwarded-Host": "evil.example/x"}, {}),
        (1, {"X-Forwarded-Host": "a@evil.example"}, {}),
        (1, {"X-Forwarded-Port": "99999"}, {}),
        (1, {"X-Forwarded-Prefix": "/rollcall"}, {"home": "/rollcall/"}),
        (1, {"X-Forwarded-Prefix": "/team/rollcall/"}, {"home": "/team/rollcall/"}),
        (1, {"X-Forwarded-Prefix": "/"}, {}),
        (1, {"X-Forwarded-Prefix": "//evil.example"}, {}),
        (1, {"X-Forwarded-Prefix": "/a//b"}, {}),
        (1, {"X-Forwarded-Prefix": "/\\evil.example"}, {}),
        (1, {"X-Forwarded-Prefix": "/\tevil.example"}, {}),
        (1, {"X-Forwarded-Prefix": "/../x"}, {}),
        (1, {"X-Forwarded-Prefix": "https://evil.example"}, {}),
        (1, {"Forwarded": "for=203.0.113.50;proto=https;host=evil.example"}, {}),
    ],
)
def test_trusted_proxies_are_believed_as_far_as_they_make_sense(told, proxies, headers, expected):
    assert told(proxies, headers).json == PEER | expected


FORGED = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "81",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=127.0.0.1;proto=https",
}


@pytest.mark.parametrize(("name", "value"), FORGED.items())
def test_without_trusted_proxies_no_header_has_an_effect(told, name, value):
    assert told(0, {name: value}).json == PEER


def test_first_forwarded_request_is_warned_about_once(make_app, caplog):
    client = make_app().test_client()
    client.get("/health/live")
    assert "ROLLCALL_TRUSTED_PROXIES" not in caplog.text
    for _ in range(3):
        client.get("/health/live", headers={"X-Forwarded-For": "203.0.113.50"})
    [record] = [record for record in caplog.records if "ROLLCALL_TRUSTED_PROXIES" in record.getMessage()]
    assert record.levelname == "WARNING"
    assert "X-Forwarded-For" in record.getMessage()
    assert "203.0.113.50" not in record.getMessage()


def test_trusted_headers_are_not_warned_about(make_app, caplog):
    make_app(trusted_proxies=1).test_client().get("/health/live", headers=FORGED)
    assert "ROLLCALL_TRUSTED_PROXIES" not in caplog.text


# Host


@pytest.mark.parametrize(
    "host", ["localhost", "rollcall.example:8000", "[::1]:8000", "my_service", "127.0.0.1", "xn--bcher-kva.example"]
)
def test_valid_host_is_taken(app, host):
    assert app.test_client().get("/health/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["", " ", "a b", "a/b", "a@b", "a,b", "a:b", "a:0", "a:99999", ":80", "[::1", "bücher", "a\\b", "<x>"]
)
@pytest.mark.parametrize("path", ["/health/live", "/api/v1/users", "/login", "/nothing"])
def test_other_host_is_refused(app, host, path):
    answer = app.test_client().get(path, headers={"Accept": "application/json"}, environ_overrides={"HTTP_HOST": host})
    assert answer.status_code == 400
    if not path.startswith("/login"):
        assert refused(answer, 400, "bad_request")


def test_http_1_0_needs_no_host(app):
    environ = {"SERVER_PROTOCOL": "HTTP/1.0"}
    with app.test_request_context("/health/live", environ_overrides=environ) as context:
        bare = {name: value for name, value in context.request.environ.items() if name != "HTTP_HOST"}
    assert run_wsgi_app(app, bare)[1] == "200 OK"
    assert run_wsgi_app(app, bare | {"SERVER_PROTOCOL": "HTTP/1.1"})[1] == "400 BAD REQUEST"
