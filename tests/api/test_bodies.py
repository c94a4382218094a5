"""How large a body may be: small, but for a few routes, and there for those alone who may use them."""

from __future__ import annotations

import io
import json

import pytest

from answers import refused

SMALL = 2**16
ROW = {"email": "bob@example.org", "username": "bob"}


def chunked(body):
    """A body that does not announce its length, as gunicorn hands it on."""
    return {"input_stream": io.BytesIO(body), "environ_overrides": {"wsgi.input_terminated": True}}


def padded(value, length):
    body = json.dumps(value).encode()
    return body + b" " * (length - len(body))


WRITES = [
    ("POST", "/users", ROW | {"password": "a-fine-passphrase"}, 201),
    ("POST", "/auth/register", ROW | {"password": "a-fine-passphrase"}, 201),
    ("POST", "/auth/login", {"username": "x", "password": "x"}, 401),
    ("PATCH", "/users/{}", {"full_name": "New"}, 200),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), WRITES)
@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("announced", [True, False])
def test_64_kib_are_accepted_and_no_byte_more(as_root, ann, method, path, body, status, more, announced):
    body = padded(body, SMALL + more)
    sent = {"data": body} if announced else chunked(body)
    answer = as_root(method, path.format(ann.id), content_type="application/json", **sent)
    assert answer.status_code == (413 if more else status)
    if more:
        assert refused(answer, 413, "request_too_large")
        assert "65,536 bytes" in answer.json["message"]


@pytest.mark.parametrize("announced", [True, False])
def test_bulk_accepts_as_much_as_the_setting_says(make_app, call_as, root, announced):
    caller = call_as(root, make_app(max_body_bytes=200_000))
    for length, status in ((200_000, 201), (200_001, 413)):
        body = padded([ROW], length)
        sent = {"data": body} if announced else chunked(body)
        assert caller.post("/users/bulk", content_type="application/json", **sent).status_code == status


def test_setting_may_be_smaller_still(make_app, call_as, root):
    caller = call_as(root, make_app(max_body_bytes=2000))
    assert caller.post("/users", data=padded(ROW, 2001), content_type="application/json").status_code == 413


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/users/4711"), ("POST", "/auth/logout"), ("GET", "/users"), ("GET", "//health/live")]
)
def test_routes_without_a_body_refuse_a_large_one_too(as_root, method, path):
    assert as_root(method, path, data=b"x" * (SMALL + 1)).status_code == 413


@pytest.mark.parametrize("path", ["/users/bulk", "//dashboard/users/import"])
@pytest.mark.parametrize("who", ["nobody", "as_ann"])
def test_others_are_refused_before_their_body_is_read(request, who, path):
    unread = io.BytesIO(b"x" * 1_000_000)
    caller = request.getfixturevalue(who)
    environ = {"wsgi.input_terminated": True}
    answer = caller.post(path, input_stream=unread, environ_overrides=environ, content_type="multipart/form-data; boundary=x")
    assert answer.status_code in (401, 403, 302)
    assert unread.tell() == 0


def test_form_that_does_not_announce_its_length_is_not_cut_off(stranger_form):
    answer = stranger_form(b"username=x&password=" + b"a" * SMALL)
    assert answer.status_code == 413


@pytest.fixture
def stranger_form(app):
    client = app.test_client()

    def send(body):
        kind = "application/x-www-form-urlencoded"
        return client.post("/login", content_type=kind, headers={"Accept": "text/html"}, **chunked(body))

    return send
