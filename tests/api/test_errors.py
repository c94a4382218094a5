"""The one error envelope, on every status and from every layer, with the headers that belong to it."""

from __future__ import annotations

import logging
import re

import pytest

import servers
from answers import problems, refused
from rollcall.errors import RollcallError
from rollcall.infra.request_id import LogFilter

SECRET_TEXT = "the password is hunter2"


@pytest.fixture
def broken(make_app):
    """A client of an application with routes that fail in ways that nobody foresaw."""
    app = make_app()

    def fail(kind):
        raise kind(SECRET_TEXT)

    for kind in (RuntimeError, KeyError, RollcallError, MemoryError, UnicodeError, TimeoutError):
        app.add_url_rule(f"/api/v1/{kind.__name__}", kind.__name__, fail, defaults={"kind": kind}, methods=["GET", "POST"])
    return app.test_client()


@pytest.fixture
def without_database(make_app):
    """A client of an application whose PostgreSQL is not there."""
    return make_app(database_url=f"postgresql://ann:hunter2@127.0.0.1:{servers.free_port()}/rollcall").test_client()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/auth/login", "[", 400, "bad_request"),
        ("POST", "/auth/login", '{"username": "x", "password": "x"}', 401, "authentication_error"),
        ("GET", "/users/999", None, 404, "not_found"),
        ("GET", "/nothing", None, 404, "not_found"),
        ("GET", "/users/x", None, 404, "not_found"),
        ("PUT", "/users", None, 405, "method_not_allowed"),
        ("POST", "/users", '{"email": "root@example.org", "username": "bob", "password": "a-fine-passphrase"}', 409, "conflict"),
        ("POST", "/users", "{}", 422, "validation_error"),
        ("GET", "/users?page=0", None, 422, "validation_error"),
    ],
)
def test_refusal_has_the_envelope(as_root, method, path, body, status, code):
    answer = as_root(method, path, data=body, content_type="application/json")
    assert refused(answer, status, code)
    assert answer.content_type == "application/json"
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]
    assert answer.json["message"].endswith(".")


def test_plain_user_is_refused_with_the_envelope(as_ann):
    assert refused(as_ann.get("/users"), 403, "authorization_error")


@pytest.mark.parametrize(
    "path", ["//nothing", "//api", "//api/v2/users", "//health/nothing", "//metrics/nothing", "//openapi.yaml"]
)
def test_router_answers_404_with_the_envelope(nobody, path):
    assert refused(nobody.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/users", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/users/1", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"}),
        ("/auth/login", {"OPTIONS", "POST"}),
        ("//health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "TRACE", "BREW", "X" * 100])
def test_router_answers_405_with_what_is_allowed(as_root, path, allowed, method):
    answer = as_root(method, path)
    assert refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "path", ["/auth/me", "/users", "/users/1", "/dashboard/stats", "/dashboard/signups", "/metrics/database"]
)
def test_refusal_of_a_stranger_says_how_to_sign_in(nobody, path):
    answer = nobody.get(path)
    assert refused(answer, 401, "authentication_error")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert problems(answer) == set()


def test_body_over_the_limit_is_413(make_app):
    client = make_app(max_body_bytes=2000).test_client()
    answer = client.post("/api/v1/auth/login", json={"username": "x" * 3000, "password": "x"})
    assert refused(answer, 413, "request_too_large")
    answer = client.post("/api/v1/auth/login", json={"username": "x" * 1000, "password": "x"})
    assert refused(answer, 401, "authentication_error")


def test_bulk_over_the_limit_is_413_and_names_it(make_app, root, sign_in):
    client = make_app(bulk_max_rows=3).test_client()
    answer = client.post("/api/v1/users/bulk", json=[{}] * 4, headers=sign_in(root))
    assert refused(answer, 413, "request_too_large")
    assert answer.json["message"] == "A batch can contain at most 3 users; this one contains 4."


@pytest.mark.parametrize("kind", ["RuntimeError", "KeyError", "RollcallError", "MemoryError", "UnicodeError", "TimeoutError"])
def test_unforeseen_error_is_500_without_its_text(broken, kind):
    answer = broken.get(f"/api/v1/{kind}")
    assert refused(answer, 500, "internal_error")
    assert "hunter2" not in answer.get_data(as_text=True) + str(answer.headers)
    assert answer.json["details"] == []


def test_unforeseen_error_is_logged_once_under_the_id_of_its_request(broken, caplog):
    caplog.handler.addFilter(LogFilter())
    with caplog.at_level(logging.ERROR):
        answer = broken.get("/api/v1/RuntimeError", headers={"X-Request-ID": "find-me"})
    [record] = caplog.records
    assert (answer.json["request_id"], record.request_id) == ("find-me", "find-me")
    assert record.exc_info[0] is RuntimeError


def test_service_lives_on_after_an_unforeseen_error(broken):
    broken.get("/api/v1/RuntimeError")
    assert broken.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/auth/me", {"headers": {"Authorization": "Bearer x"}}),
        ("GET", "/users", {"headers": {"Authorization": "Bearer x"}}),
        ("POST", "/auth/login", {"json": {"username": "ann", "password": "a-fine-passphrase"}}),
        ("POST", "/auth/register", {"json": {"username": "ann", "email": "a@b.org", "password": "a-fine-passphrase"}}),
    ],
)
def test_without_the_database_the_answer_is_503_and_says_when_to_come_back(without_database, method, path, options):
    answer = without_database.open(f"/api/v1{path}", method=method, **options)
    assert refused(answer, 503, "service_unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert "127.0.0.1" not in answer.get_data(as_text=True)


def test_limited_route_without_the_database_still_says_to_come_back_soon(make_app):
    client = make_app(
        rate_limit_enabled=True, database_url=f"postgresql://127.0.0.1:{servers.free_port()}/rollcall"
    ).test_client()
    answer = client.post("/api/v1/auth/login", json={"username": "ann", "password": "a-fine-passphrase"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")


def test_log_without_the_database_shows_neither_address_nor_password(without_database, caplog):
    with caplog.at_level(logging.DEBUG):
        without_database.get("/api/v1/auth/me", headers={"Authorization": "Bearer s3cret-token"})
    assert not re.search("hunter2|s3cret-token|127.0.0.1", caplog.text)


@pytest.mark.parametrize("path", ["/users", "/users/999", "/nothing", "//health", "//nothing"])
def test_head_is_get_without_its_body(as_root, path):
    get, head = as_root.get(path), as_root("HEAD", path)
    assert (head.status_code, head.data) == (get.status_code, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_options_says_what_is_allowed_to_anyone(nobody):
    answer = nobody("OPTIONS", "/users/1")
    assert (answer.status_code, answer.data) == (200, b"")
    assert set(answer.headers["Allow"].split(", ")) == {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"}


def test_options_of_nothing_is_404(nobody):
    assert refused(nobody("OPTIONS", "/nothing"), 404, "not_found")


@pytest.mark.parametrize("given", ["a", "A-z_0.9", "x" * 128])
def test_well_formed_request_id_is_kept(nobody, given):
    answer = nobody.get("/nothing", headers={"X-Request-ID": given})
    assert (answer.headers["X-Request-ID"], answer.json["request_id"]) == (given, given)


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a/b", "<script>", "é", "a\tb", "id;id"])
def test_other_request_id_is_replaced(nobody, given):
    answer = nobody.get("/nothing", headers={"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


def test_request_ids_differ(nobody):
    assert len({nobody.get("//health/live").headers["X-Request-ID"] for _ in range(10)}) == 10
