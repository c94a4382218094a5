"""Hostile requests against the real server: what only shows on a socket."""

from __future__ import annotations

import collections
import itertools
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

import servers
from answers import refused
from service import call, raw, wait_for_workers

SMALL = 2**16
MEGABYTE = b"x" * 2**20
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def service(shared_app, database_url) -> Iterator[servers.Gunicorn]:
    environment = {"DATABASE_URL": database_url, "SECRET_KEY": "s" * 32, "ROLLCALL_RATE_LIMIT_ENABLED": "false"}
    with servers.gunicorn(environment) as server:
        wait_for_workers(server)
        yield server


@pytest.fixture(autouse=True)
def _no_error_and_no_lost_worker(service, empty_database) -> Iterator[None]:
    workers, before = service.worker_pids(), service.log.read_text()
    yield
    assert call(service.url, "GET", "/health/live").status_code == 200
    assert service.worker_pids() == workers
    assert "Traceback" not in service.log.read_text()[len(before) :]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_twenty_megabytes_are_413(service):
    answer = call(service.url, "POST", "/api/v1/auth/login", MEGABYTE * 20)
    assert refused(answer, 413, "request_too_large")


def test_twenty_chunked_megabytes_are_413(service):
    answer = call(service.url, "POST", "/api/v1/auth/login", (MEGABYTE for _ in range(20)), {"Transfer-Encoding": "chunked"})
    assert refused(answer, 413, "request_too_large")


def test_endless_chunks_are_cut_off(service):
    with socket.create_connection(("127.0.0.1", urlsplit(service.url).port), timeout=20) as connection:
        connection.sendall(LOGIN + CHUNKED + b"\r\n")
        never_the_last = itertools.repeat(chunk(MEGABYTE))
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            collections.deque(map(connection.sendall, never_the_last), maxlen=0)


def test_length_that_is_announced_but_too_large_is_413_before_it_is_sent(service):
    answer = raw(service.url, LOGIN + b"Content-Length: 99999999999999\r\n\r\n")
    assert refused(answer, 413, "request_too_large")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("more", "status"), [(0, 401), (1, 413)])
def test_limit_is_exact(service, chunked, more, status):
    fixed = b'{"username": "%s", "password": "x"}'
    body = fixed % (b"x" * (SMALL - len(fixed) + 2 + more))
    assert len(body) == SMALL + more
    sent, headers = (iter([body]), {"Transfer-Encoding": "chunked"}) if chunked else (body, {})
    assert call(service.url, "POST", "/api/v1/auth/login", sent, headers).status_code == status


LARGE = [
    ("POST", "/api/v1/auth/login", "application/json", b"[" + b"[]," * 5_000_000 + b"[]]", 413),
    ("POST", "/login", "application/x-www-form-urlencoded", b"a=1&" * 4_000_000, 413),
    ("POST", "/setup/x", "application/x-www-form-urlencoded", b"a=1&" * 4_000_000, 413),
    ("POST", "/profile", "multipart/form-data; boundary=x", b"--x\r\n" * 3_000_000, 413),
    ("POST", "/api/v1/auth/register", "application/json", b" " * 16_000_000, 413),
    ("POST", "/api/v1/users", "application/json", b" " * 16_000_000, {401, 413}),
    # Only superusers may send these so much; others are refused before it is read.
    ("POST", "/api/v1/users/bulk", "application/json", b"[" + b"[]," * 5_000_000 + b"[]]", 401),
    ("POST", "/dashboard/users/import", "multipart/form-data; boundary=x", b"--x\r\n" * 3_000_000, 302),
]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("method", "path", "kind", "body", "status"), LARGE, ids=lambda value: str(value)[:40])
def test_large_body_is_refused_before_it_is_parsed(service, chunked, method, path, kind, body, status):
    """A second would be enough for none of them: the form took five, and a gigabyte."""
    headers = {"Content-Type": kind, "X-Request-Timeout": "1"}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
    pieces = (body[start : start + 2**16] for start in range(0, len(body), 2**16))
    answer = call(service.url, method, path, pieces if chunked else body, headers)
    assert answer.status_code in (status if isinstance(status, set) else {status})


def test_small_chunked_body_is_taken(service):
    body = b'{"username": "nobody",' + b'"password": "x"}'
    answer = raw(service.url, LOGIN + CHUNKED + b"\r\n", chunk(body[:9]), chunk(body[9:]), b"0\r\n\r\n")
    assert refused(answer, 401, "authentication_error")


def test_client_that_expects_100_continue_is_told_to_go_on(service):
    body = b'{"username": "nobody", "password": "x"}'
    with socket.create_connection(("127.0.0.1", urlsplit(service.url).port), timeout=20) as connection:
        connection.sendall(LOGIN + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 401")


def test_long_request_line_reaches_the_application(service):
    query = "search=" + "a" * 6000
    assert refused(call(service.url, "GET", f"/api/v1/users?{query}"), 401, "authentication_error")


@pytest.mark.parametrize(
    "target",
    [
        b"/api/v1/users/1%00",
        b"/api/v1/%ff",
        b"/api/v1/%ed%a0%80",
        b"/api/v1/../../etc/passwd",
    ],
)
def test_hostile_path_is_404(service, target):
    answer = raw(service.url, b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n" % target)
    assert refused(answer, 404, "not_found")


@pytest.mark.parametrize(
    "header", [b"Authorization: \xff\xfe", b"Authorization: Bearer \xe9", b"Cookie: rollcall=\xff", b"Accept-Language: \x80"]
)
def test_bytes_that_are_no_text_in_a_header_break_nothing(service, header):
    answer = raw(service.url, b"GET /api/v1/auth/me HTTP/1.1\r\nHost: test\r\n%s\r\n\r\n" % header)
    assert refused(answer, 401, "authentication_error")


NO_HTTP = [
    (b"GET /api/v1/\xff\xfe HTTP/1.1\r\nHost: test\r\n\r\n", 400, "bad_request"),
    (b"GET /health/live\r\n\r\n", 400, "bad_request"),
    (b"GET /health/live HTTP/9.9\r\nHost: test\r\n\r\n", 400, "bad_request"),
    (b"GET /health/live HTTP/1.1\r\n\r\n", 400, "bad_request"),
    (b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "bad_request"),
    (b"GET /health/live HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "bad_request"),
    (b"G\x00T / HTTP/1.1\r\nHost: test\r\n\r\n", 400, "bad_request"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad_request"),
    (b"GET / HTTP/1.1\r\nHost: test\r\nno colon\r\n\r\n", 400, "bad_request"),
    (b"GET / HTTP/1.1\r\nHost: test\r\nX-A: a\r\n folded\r\n\r\n", 400, "bad_request"),
    (b"GET / HTTP/1.1\r\nHost: test\r\nX-A: a\x00b\r\n\r\n", 400, "bad_request"),
    (LOGIN + b"Content-Length: -1\r\n\r\n", 400, "bad_request"),
    (LOGIN + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "bad_request"),
    (LOGIN + CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n", 400, "bad_request"),
    (LOGIN + b"Transfer-Encoding: chunked, gzip\r\n\r\n", 400, "bad_request"),
    (LOGIN + b"Transfer-Encoding: nonsense\r\n\r\n", 501, "not_implemented"),
    (LOGIN + CHUNKED + b"\r\nnot-a-size\r\n", 400, "bad_request"),
    (LOGIN + CHUNKED + b"\r\n5\r\nabcdefgh\r\n", 400, "bad_request"),
    (LOGIN + b"Expect: a miracle\r\nContent-Length: 2\r\n\r\n{}", 417, "expectation_failed"),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: test\r\n\r\n", 414, "uri_too_long"),
    (b"GET / HTTP/1.1\r\nHost: test\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n", 431, "request_header_fields_too_large"),
    (b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 200 + b"\r\n", 431, "request_header_fields_too_large"),
]


@pytest.mark.parametrize(
    ("sent", "status", "code"), NO_HTTP, ids=lambda value: repr(value[-40:]) if isinstance(value, bytes) else None
)
def test_what_is_no_http_is_refused_with_the_envelope(service, sent, status, code):
    answer = raw(service.url, sent)
    assert refused(answer, status, code)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"] == answer.json["request_id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


FORGED = [
    (b"SCRIPT_NAME: /zzz", b"/health/live", 200),
    (b"SCRIPT_NAME: /health", b"/health/live", 200),
    (b"SCRIPT_NAME: /x", b"/x/metrics", 404),
    (b"PATH_INFO: /metrics", b"/nothing", 404),
    (b"X-Forwarded-Prefix: /x", b"/x/metrics", 404),
    (b"X-Forwarded-Proto: nonsense\r\nX-Forwarded-Ssl: on", b"/health/live", 200),
    (b"X-Forwarded-For: 127.0.0.1", b"/metrics", 403),
]


@pytest.mark.parametrize(("header", "path", "status"), FORGED)
def test_no_forwarding_header_has_an_effect(service, header, path, status):
    """gunicorn by itself believes whatever connects from loopback."""
    answer = raw(service.url, b"GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n\r\n" % (path, header))
    assert answer.status_code == status


@pytest.mark.parametrize("header", [b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: on", b"X-Forwarded-Protocol: ssl"])
def test_nobody_says_that_the_client_came_by_https(service, header):
    answer = raw(service.url, b"GET /health/live HTTP/1.1\r\nHost: test\r\n%s\r\n\r\n" % header)
    assert "Strict-Transport-Security" not in answer.headers


def test_connection_without_a_word_is_closed(service):
    with socket.create_connection(("127.0.0.1", urlsplit(service.url).port), timeout=20):
        assert call(service.url, "GET", "/health/live").status_code == 200


def test_client_that_leaves_in_the_middle_of_its_body_harms_nobody(service, session):
    body = b'{"username": "bob", "email": "bob@example.org", "password": "a-fine-passphrase"}'
    with socket.create_connection(("127.0.0.1", urlsplit(service.url).port), timeout=20) as connection:
        connection.sendall(LOGIN.replace(b"login", b"register") + b"Content-Length: %d\r\n\r\n" % (len(body) + 10) + body)
    assert call(service.url, "GET", "/health/live").status_code == 200
    assert session.connection().exec_driver_sql("SELECT count(*) FROM users").scalar() == 0
