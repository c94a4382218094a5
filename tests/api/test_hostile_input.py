"""Hostile input, one kind at a time: each gets its documented refusal in the envelope, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from answers import problems, refused
from rollcall.models import User

GOOD = {"email": "bob@example.org", "username": "bob", "password": "a-fine-passphrase"}
JSON = {"Content-Type": "application/json"}
DEEP = b"[" * 30_000


@pytest.fixture
def written(session) -> Callable[[], int]:
    """How many users there are now that were not there when the test began."""
    session.rollback()
    before = session.scalars(select(func.count()).select_from(User)).one()

    def count() -> int:
        session.rollback()
        return session.scalars(select(func.count()).select_from(User)).one() - before

    return count


@pytest.fixture
def written_by_root(as_root, written):
    return written


BODIES = [
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/users"),
    ("POST", "/users/bulk"),
    ("PATCH", "/users/1"),
]


@pytest.mark.parametrize(("method", "path"), BODIES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"username": "bob",}',
        b"{'username': 'bob'}",
        b'{"username": "\xff\xfe"}',
        b'{"username": "\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"username": "bob"}',
        '{"username": "bob"}'.encode("utf-16"),
        b"\x00",
        DEEP,
        DEEP + b"]" * 30_000,
        b'{"a":' * 12_000,
        b'{"username": NaN}',
        b'{"username": Infinity}',
        b'{"username": -Infinity}',
        b'{"username": ' + b"9" * 5000 + b"}",
        b'{"username": "a\nb"}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_body_that_is_no_json_is_400(as_root, written, method, path, body):
    answer = as_root(method, path, data=body, headers=JSON)
    assert refused(answer, 400, "bad_request")
    assert written() == 0


@pytest.mark.parametrize(("method", "path"), BODIES)
def test_no_body_at_all_is_400(as_root, method, path):
    assert refused(as_root(method, path), 400, "bad_request")


@pytest.mark.parametrize(("method", "path"), BODIES)
@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/xml",
        "\x01",
    ],
)
def test_body_of_another_type_is_415(as_root, written, method, path, kind):
    answer = as_root(method, path, data=json.dumps(GOOD), headers={"Content-Type": kind})
    assert refused(answer, 415, "unsupported_media_type")
    assert written() == 0


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/problem+json"])
def test_ways_to_say_json_are_taken(as_root, kind):
    assert as_root.post("/users", data=json.dumps(GOOD), headers={"Content-Type": kind}).status_code == 201


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/auth/register"), ("POST", "/auth/login"), ("POST", "/users"), ("PATCH", "/users/1")]
)
@pytest.mark.parametrize("body", ["[]", "[{}]", "null", "true", "0", "1e999", '"text"'])
def test_something_else_than_an_object_is_422(as_root, written, method, path, body):
    answer = as_root(method, path, data=body, headers=JSON)
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {("body", "invalid_type")}
    assert written() == 0


@pytest.mark.parametrize("body", ["{}", "null", "true", "0", '"text"', '{"0": {}}'])
def test_bulk_of_something_else_than_an_array_is_422(as_root, written, body):
    answer = as_root.post("/users/bulk", data=body, headers=JSON)
    assert refused(answer, 422, "validation_error")
    assert written() == 0


def test_bulk_rows_that_are_no_objects_are_named(as_root, written):
    answer = as_root.post("/users/bulk", json=[GOOD, 1, None, "x", [], True])
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{row}", "invalid_type") for row in range(1, 6)}
    assert written() == 0


@pytest.mark.parametrize("field", ["email", "username", "password", "is_active", "is_superuser"])
def test_null_where_a_value_has_to_be_is_422(as_root, written, field):
    answer = as_root.post("/users", json={**GOOD, field: None})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "null")}
    assert written() == 0


@pytest.mark.parametrize("field", ["email", "username", "password", "current_password", "is_active", "is_superuser"])
def test_change_to_null_is_422(as_root, field):
    answer = as_root.patch("/users/1", json={field: None})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "null")}


@pytest.mark.parametrize("value", [0, 1, "yes", "true", "", 1.0, [], {}])
@pytest.mark.parametrize("field", ["is_active", "is_superuser"])
def test_only_true_and_false_are_booleans(as_root, written, field, value):
    answer = as_root.post("/users", json={**GOOD, field: value})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "invalid_type")}
    assert written() == 0


@pytest.mark.parametrize("value", [0, 1.5, True, [], {}, ["bob"], {"$ne": ""}])
@pytest.mark.parametrize("field", ["email", "username", "full_name", "password"])
def test_only_strings_are_strings(as_root, written, field, value):
    answer = as_root.post("/users", json={**GOOD, field: value})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "invalid_type")}
    assert written() == 0


@pytest.mark.parametrize("evil", ["\0", "\ud800", "\udc00\ud800"], ids=ascii)
@pytest.mark.parametrize("field", ["email", "username", "full_name", "password"])
def test_nul_and_lone_surrogates_are_422(as_root, written, field, evil):
    answer = as_root.post("/users", json={**GOOD, field: f"{GOOD.get(field, 'Bob')}{evil}"})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "invalid_characters")}
    assert written() == 0


@pytest.mark.parametrize("evil", ["\0", "\ud800", "x" * 60_000, "' OR 1=1 --", "%", "_"], ids=lambda text: ascii(text[:9]))
@pytest.mark.parametrize("field", ["username", "password"])
def test_log_in_with_what_nobody_can_have_is_refused_like_any_other(nobody, ann, field, evil):
    answer = nobody.post("/auth/login", json={"username": "ann", "password": "wrong", field: evil})
    assert refused(answer, 401, "authentication_error")
    assert answer.json["message"] == "The username or the password is wrong."


@pytest.mark.parametrize("field", ["email", "username", "full_name", "password"])
def test_much_text_is_422(as_root, written, field):
    answer = as_root.post("/users", json={**GOOD, field: "a" * 60_000})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "too_long")}
    assert written() == 0


def test_megabyte_as_a_hash_is_422(as_root, written):
    answer = as_root.post("/users/bulk", json=[{"email": "b@example.org", "username": "bob", "password_hash": "$" * 1_000_000}])
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {("body.0.password_hash", "invalid_format")}
    assert written() == 0


@pytest.mark.parametrize(
    "name", ["id", "updated_at", "hashed_password", "__class__", "_schema", "", "a.b", "\0", "\ud800", "É"], ids=ascii
)
def test_unknown_field_is_422(as_root, written, name):
    answer = as_root.post("/users", json={**GOOD, name: 1})
    assert refused(answer, 422, "validation_error")
    assert {detail["type"] for detail in answer.json["details"]} == {"unknown_field"}
    assert written() == 0


def test_huge_unknown_field_name_is_shown_cut(as_root, written):
    answer = as_root.post("/users", json={**GOOD, "x" * 60_000: 1})
    assert problems(answer) == {(f"body.{'x' * 100}…", "unknown_field")}
    assert written() == 0


def test_answer_to_a_hundred_thousand_unknown_fields_is_bounded(as_root):
    answer = as_root.post("/users/bulk", json=[{f"x{number}": 1 for number in range(100_000)}])
    assert refused(answer, 422, "validation_error")
    assert len(answer.json["details"]) == 10_000


@pytest.mark.parametrize(
    "user_id", ["0", "-1", "+1", "1.0", "01", "1e3", "0x1", "9" * 400, str(2**63), "one", "%31%00", "%ff", "１"]
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_cannot_be_an_id_is_404(as_root, method, user_id):
    assert refused(as_root(method, f"/users/{user_id}", json={"username": "bob"}), 404, "not_found")


@pytest.mark.parametrize("user_id", [2**31 - 1, 2**31, 2**63 - 1])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_id_that_nobody_has_is_404(as_root, method, user_id):
    assert refused(as_root(method, f"/users/{user_id}", json={"username": "bob"}), 404, "not_found")


@pytest.mark.parametrize(
    "path", ["/users%00", "/users/%00", "/%ff", "/%ed%a0%80", "/users/1%0d%0aX-Evil:1", "/..%2f..%2fetc/passwd", "/" + "a" * 5000]
)
def test_hostile_path_is_404(as_root, path):
    answer = as_root.get(path)
    assert refused(answer, 404, "not_found")
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize(
    ("query", "field", "kind"),
    [
        ("page=0", "page", "out_of_range"),
        ("page=-1", "page", "out_of_range"),
        (f"page={10**18}", "page", "out_of_range"),
        (f"page={'9' * 5000}", "page", "out_of_range"),
        ("page=", "page", "invalid_type"),
        ("page=1.0", "page", "invalid_type"),
        ("page=1e3", "page", "invalid_type"),
        ("page=%D9%A1", "page", "invalid_type"),
        ("page=1%00", "page", "invalid_type"),
        ("page=%2B1", "page", "invalid_type"),
        ("page=+1", "page", "invalid_type"),
        ("page=NaN", "page", "invalid_type"),
        ("size=0", "size", "out_of_range"),
        ("size=101", "size", "out_of_range"),
        ("size=null", "size", "invalid_type"),
        ("is_active=1", "is_active", "invalid_type"),
        ("is_active=True", "is_active", "invalid_type"),
        ("is_active=", "is_active", "invalid_type"),
        ("is_superuser=yes", "is_superuser", "invalid_type"),
        ("sort_by=password_hash", "sort_by", "invalid_choice"),
        ("sort_by=id%3BDROP%20TABLE%20users", "sort_by", "invalid_choice"),
        ("sort_order=DESC", "sort_order", "invalid_choice"),
        ("search=", "search", "too_short"),
        (f"search={'a' * 101}", "search", "too_long"),
        (f"search={'a' * 1_000_000}", "search", "too_long"),
        ("search=%00", "search", "invalid_characters"),
        ("search=ann%00", "search", "invalid_characters"),
        ("search=%ff", "search", "invalid_characters"),
        ("search=%ed%a0%80", "search", "invalid_characters"),
        ("cursor=", "cursor", "invalid_cursor"),
        ("cursor=%00", "cursor", "invalid_cursor"),
        ("cursor=eyJhIjoxfQ.c2ln", "cursor", "invalid_cursor"),
        (f"cursor={'A' * 100_000}", "cursor", "invalid_cursor"),
        ("pages=1", "pages", "unknown_field"),
        ("PAGE=1", "PAGE", "unknown_field"),
        ("page[]=1", "page[]", "unknown_field"),
        ("=1", "", "unknown_field"),
        ("%00=1", "\0", "unknown_field"),
        ("page=1&page=2", "page", "repeated"),
        ("search=a&search=a", "search", "repeated"),
        (f"{'x' * 5000}=1", "x" * 100 + "…", "unknown_field"),
    ],
    ids=lambda value: value[:30],
)
def test_hostile_query_is_422(as_root, query, field, kind):
    answer = as_root.get(f"/users?{query}")
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"query.{field}" if field else "query", kind)}


@pytest.mark.parametrize("path", ["/users/export", "/dashboard/signups"])
def test_unknown_and_repeated_parameters_are_422_on_other_lists(as_root, path):
    assert problems(as_root.get(f"{path}?nothing=1")) == {("query.nothing", "unknown_field")}
    assert problems(as_root.get(f"{path}?days=1&days=1")) == {("query.days", "repeated")}


def test_log_out_refuses_unknown_parameters(as_ann):
    assert problems(as_ann.post("/auth/logout?al=true")) == {("query.al", "unknown_field")}
    assert as_ann.get("/auth/me").status_code == 200


@pytest.mark.parametrize("days", ["0", "367", "-1", "x", ""])
def test_days_out_of_bounds_are_422(as_root, days):
    assert refused(as_root.get(f"/dashboard/signups?days={days}"), 422, "validation_error")


@pytest.mark.parametrize(
    ("term", "found"), [("%25", ["per%cent"]), ("_", ["under_score"]), ("%5C", ["back\\slash"]), ("%25%25", []), ("__", [])]
)
def test_wildcards_are_plain_characters_in_a_search(as_root, make_user, term, found):
    for name in ("per%cent", "under_score", "back\\slash", "plain"):
        make_user(full_name=name)
    items = as_root.get(f"/users?search={term}").json["items"]
    assert [item["full_name"] for item in items] == found


def test_search_is_never_code(as_root, make_user, written_by_root):
    make_user(full_name="Robert'); DROP TABLE users;--")
    assert as_root.get("/users?search='); DROP TABLE").json["total"] == 1
    assert written_by_root() == 1


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "bearer",
        "Basic cm9vdDpyb290",
        "Basic %%%",
        "Bearer a b",
        "Digest x=1",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 5000,
        "=",
        "\x01",
    ],
    ids=lambda value: repr(value[:20]),
)
def test_garbage_for_authorization_is_401(nobody, value):
    answer = nobody.get("/auth/me", headers={"Authorization": value})
    assert refused(answer, 401, "authentication_error")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("value", ["", "0", "-1", "nan", "inf", "1e3", "soon", "1,5", "9" * 400, "0.0", "٣"])
def test_garbage_for_the_deadline_is_400(nobody, value):
    answer = nobody.get("//health/live", headers={"X-Request-Timeout": value})
    assert refused(answer, 400, "bad_request")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "a b"},
        {"Host": "evil.example:port"},
        {"Host": "[::1"},
        {"Accept": "\xff"},
        {"Accept": "*/*;q=abc"},
        {"Accept-Encoding": "gzip;q=x, br;q=2"},
        {"If-None-Match": '"' * 50},
        {"If-Modified-Since": "yesterday"},
        {"Cookie": "rollcall=\xff; ;;=="},
        {"Range": "bytes=5-1"},
        {"X-Forwarded-For": "unknown"},
        {"X-Request-ID": "x" * 10_000},
        {"Content-Length": "-5"},
        {"Content-Length": "many"},
        {"X-HTTP-Method-Override": "DELETE"},
    ],
    ids=str,
)
def test_absurd_header_never_breaks_a_route(as_root, headers):
    for path in ("/dashboard/stats", "/users", "//health/live", "//docs"):
        assert as_root.get(path, headers=headers).status_code in {200, 400}


def test_scraper_behind_a_proxy_that_names_no_address_is_refused(make_app):
    client = make_app(trusted_proxies=1).test_client()
    assert refused(client.get("/metrics", headers={"X-Forwarded-For": "unknown"}), 403, "authorization_error")
