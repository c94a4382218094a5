"""The headers on every answer, what a proxy may say of the client, other origins, compression, trailing slashes."""

from __future__ import annotations

import re

import pytest

from answers import refused

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.fixture
def failing(make_app):
    app = make_app()
    app.add_url_rule("/api/v1/fail", "fail", lambda: 1 / 0)
    return app.test_client()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("HEAD", "/health/live", 200),
        ("OPTIONS", "/health/live", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/metrics", 200),
        ("GET", "/static/docs.js", 200),
        ("GET", "/login", 200),
        ("GET", "/", 302),
        ("GET", "/api/v1/users", 401),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/nothing", 404),
        ("PUT", "/api/v1/users", 405),
        ("GET", "/api/v1/fail", 500),
    ],
)
def test_every_answer_carries_the_security_headers(failing, method, path, status):
    answer = failing.open(path, method=method)
    answer.close()
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert "unsafe" not in str(policy)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"


def test_answers_are_kept_by_no_cache_unless_the_route_says_so(as_root):
    assert as_root.get("/users").headers["Cache-Control"] == "no-store"
    assert as_root.get("/nothing").headers["Cache-Control"] == "no-store"
    assert "private" in as_root.get("/dashboard/stats").headers["Cache-Control"]


def test_answer_does_not_name_its_software(nobody):
    assert "Server" not in nobody.get("//health/live").headers


# Behind a proxy


def test_hsts_is_sent_on_https_alone(app):
    client = app.test_client()
    assert "Strict-Transport-Security" not in client.get("/health/live").headers
    answer = client.get("/health/live", base_url="https://localhost")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_trusted_proxy_says_that_the_client_came_by_https(make_app):
    client = make_app(trusted_proxies=1).test_client()
    answer = client.get("/health/live", headers={"X-Forwarded-Proto": "https"})
    assert "Strict-Transport-Security" in answer.headers


FORGED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "for=127.0.0.1;proto=https",
}


def test_forwarded_headers_of_strangers_are_ignored(app):
    stranger = {"REMOTE_ADDR": "203.0.113.7"}
    answer = app.test_client().get("/metrics", headers=FORGED, environ_base=stranger)
    assert refused(answer, 403, "authorization_error")
    assert "Strict-Transport-Security" not in answer.headers
    answer = app.test_client().get("/", headers=FORGED, environ_base=stranger)
    assert "evil" not in answer.headers["Location"]


# Other origins


@pytest.fixture
def shared(make_app):
    return make_app(cors_origins=("https://a.example", "https://b.example")).test_client()


def test_configured_origin_may_read_answers(shared):
    answer = shared.get("/api/v1/users", headers={"Origin": "https://b.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert "Origin" in answer.headers["Vary"]
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


def test_configured_origin_may_send_tokens_and_json(shared):
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, content-type"}
    answer = shared.options("/api/v1/users/1", headers={"Origin": "https://a.example", **asked})
    assert answer.status_code == 200
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert {"authorization", "content-type"} <= set(answer.headers["Access-Control-Allow-Headers"].lower().split(", "))


@pytest.mark.parametrize(
    "origin",
    ["https://c.example", "https://a.example.evil", "https://a-example", "http://a.example", "https://a.example:81", "null", ""],
)
def test_other_origin_may_not(shared, origin):
    assert "Access-Control-Allow-Origin" not in shared.get("/api/v1/users", headers={"Origin": origin}).headers


@pytest.mark.parametrize("origin", ["https://a.example", "https://[2001:db8::1]:8443"])
@pytest.mark.parametrize(("before", "after"), [("", ""), ("x", ""), ("", "x"), ("", ".evil.example")])
def test_origins_are_compared_literally(make_app, origin, before, after):
    client = make_app(cors_origins=("https://a.example", "https://[2001:db8::1]:8443")).test_client()
    answer = client.get("/api/v1/users", headers={"Origin": before + origin + after})
    assert answer.headers.get("Access-Control-Allow-Origin") == (None if before or after else origin)


def test_pages_are_shared_with_no_origin(shared):
    assert "Access-Control-Allow-Origin" not in shared.get("/login", headers={"Origin": "https://a.example"}).headers


def test_cookies_are_shared_with_no_origin(shared):
    answer = shared.get("/api/v1/users", headers={"Origin": "https://a.example"})
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_without_configured_origins_there_are_none(nobody):
    answer = nobody.get("/users", headers={"Origin": "https://a.example"})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


# Compression


@pytest.mark.parametrize(
    ("accepted", "used"),
    [("zstd", "zstd"), ("br", "br"), ("gzip", "gzip"), ("gzip, deflate, br, zstd", "zstd"), ("gzip;q=0.5, br", "br")],
)
def test_answer_from_one_kilobyte_is_compressed(as_root, make_user, accepted, used):
    for _ in range(5):
        make_user()
    plain = as_root.get("/users")
    assert len(plain.data) >= 1000
    answer = as_root.get("/users", headers={"Accept-Encoding": accepted})
    assert answer.headers["Content-Encoding"] == used
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert len(answer.data) < len(plain.data) / 2


@pytest.mark.parametrize("accepted", ["", "identity", "deflate;q=0", "unknown"])
def test_client_that_does_not_ask_gets_no_compression(as_root, make_user, accepted):
    for _ in range(5):
        make_user()
    assert "Content-Encoding" not in as_root.get("/users", headers={"Accept-Encoding": accepted}).headers


def test_answer_below_one_kilobyte_is_not_compressed(as_root):
    answer = as_root.get("/users", headers={"Accept-Encoding": "zstd, br, gzip"})
    assert len(answer.data) < 1000
    assert "Content-Encoding" not in answer.headers


# Trailing slashes


@pytest.mark.parametrize(
    "path",
    [
        "/users",
        "/users/1",
        "/users/export",
        "/auth/me",
        "/dashboard/stats",
        "/dashboard/signups",
        "/metrics/database",
        "//health",
        "//health/live",
        "//health/ready",
        "//metrics",
        "//docs",
        "//openapi.json",
    ],
)
def test_answers_alike_with_and_without_a_trailing_slash(as_root, path):
    without, with_slash = as_root.get(path), as_root.get(f"{path}/")
    assert (without.status_code, with_slash.status_code) == (200, 200)
    if path not in {"//health", "//metrics"}:  # these tell of the moment
        assert with_slash.data == without.data


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/users/", 422),
        ("POST", "/users/bulk/", 422),
        ("PATCH", "/users/1/", 200),
        ("DELETE", "/users/1/", 409),
        ("POST", "/auth/login/", 422),
        ("POST", "/auth/register/", 422),
    ],
)
def test_writes_take_a_trailing_slash_without_a_redirect(as_root, method, path, status):
    assert as_root(method, path, json={}).status_code == status


def test_parameters_survive_a_trailing_slash(as_root):
    assert as_root.get("/users/?size=7").json["size"] == 7
