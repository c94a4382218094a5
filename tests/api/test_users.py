"""``/api/v1/users``: creating, reading and deleting one user."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import func, select

from answers import problems, refused
from facts import PASSWORD_HASH
from rollcall.models import User, UserSession
from threads import together

PASSWORD = "correct-horse-battery"
BOB = {"email": "bob@example.org", "username": "bob", "password": "a-fine-passphrase"}
FIELDS = ["id", "email", "username", "full_name", "is_active", "is_superuser", "created_at", "updated_at", "last_login_at"]
IMPOSSIBLE_IDS = ["0", "-1", "+1", "01", "1.0", "0x1", "one", "９", str(2**63), "9" * 19, "9" * 400]


def count_users(session):
    return session.scalar(select(func.count()).select_from(User))


def test_created_user_is_answered_and_found(as_root):
    made = as_root.post("/users", json={"email": "Bob@Example.org", "username": "Bob", "password": "a-fine-passphrase"})
    assert made.status_code == 201
    assert made.headers["Location"] == f"/api/v1/users/{made.json['id']}"
    assert as_root.get(f"/users/{made.json['id']}").json == made.json
    assert made.json["email"] == "Bob@example.org"


def test_answer_has_the_documented_fields_and_no_secret(as_root):
    made = as_root.post("/users", json=BOB)
    assert list(made.json) == FIELDS
    assert BOB["password"] not in made.text
    assert "argon2" not in made.text


def test_times_are_the_clocks_in_iso_8601_with_offset(as_root, clock):
    clock.advance(hours=1, microseconds=5)
    made = as_root.post("/users", json=BOB).json
    assert made["created_at"] == made["updated_at"] == "2026-03-11T13:00:00.000005+00:00"


def test_new_user_is_active_and_plain_and_nameless_unless_said_otherwise(as_root):
    made = as_root.post("/users", json=BOB).json
    assert (made["is_active"], made["is_superuser"], made["full_name"]) == (True, False, None)


def test_superuser_sets_every_field_of_a_new_user(as_root):
    wanted = {"full_name": "Bob Ødegård 李", "is_active": False, "is_superuser": True}
    made = as_root.post("/users", json=BOB | wanted)
    assert made.status_code == 201
    assert {field: made.json[field] for field in wanted} == wanted


def test_password_is_kept_as_an_argon2id_hash(as_root, session):
    made = as_root.post("/users", json=BOB).json
    stored = session.get(User, made["id"]).password_hash
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("field", ["email", "username"])
def test_required_field_that_is_missing_is_named(as_root, session, field):
    answer = as_root.post("/users", json={name: value for name, value in BOB.items() if name != field})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "missing")}
    assert count_users(session) == 1


@pytest.mark.parametrize("field", ["email", "username", "password", "is_active", "is_superuser"])
def test_null_is_refused_where_a_value_is_needed(as_root, field):
    answer = as_root.post("/users", json=BOB | {field: None})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "null")}


@pytest.mark.parametrize("field", ["id", "updated_at", "last_login_at", "current_password", "nickname", ""])
def test_unknown_field_is_refused(as_root, session, field):
    answer = as_root.post("/users", json=BOB | {field: "x"})
    assert refused(answer, 422, "validation_error")
    assert {kind for _, kind in problems(answer)} == {"unknown_field"}
    assert count_users(session) == 1


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("email", 5, "invalid_type"),
        ("email", "not-an-address", "invalid_format"),
        ("email", "a" * 64 + "@" + "b" * 60 + "." + "c" * 63 + "." + "d" * 63 + ".org", "too_long"),
        ("email", "bob\0@example.org", "invalid_characters"),
        ("username", ["bob"], "invalid_type"),
        ("username", "a", "too_short"),
        ("username", "a" * 65, "too_long"),
        ("username", "bob smith", "invalid_characters"),
        ("username", "bob\nb", "invalid_characters"),
        ("username", "bób", "invalid_characters"),
        ("username", "eve@example.org", "not_own_address"),
        ("username", "b" * 60_000, "too_long"),
        ("full_name", 1.5, "invalid_type"),
        ("full_name", "x" * 101, "too_long"),
        ("full_name", "B\0b", "invalid_characters"),
        ("full_name", "B\ud800b", "invalid_characters"),
        ("password", True, "invalid_type"),
        ("password", "seven77", "too_short"),
        ("password", "x" * 129, "too_long"),
        ("password", "password123", "too_common"),
        ("password", "PassWord123", "too_common"),
        ("password", "long-enough\0", "invalid_characters"),
        ("password", "long-enough\udfff", "invalid_characters"),
        ("is_active", "true", "invalid_type"),
        ("is_active", 1, "invalid_type"),
        ("is_superuser", "yes", "invalid_type"),
        ("is_superuser", 0, "invalid_type"),
        ("created_at", "2021-03-04 05:06:07", "invalid_format"),
        ("created_at", "2999-01-01T00:00:00Z", "out_of_range"),
        ("created_at", 1614834367, "invalid_type"),
    ],
)
def test_invalid_value_is_refused_with_its_field_and_reason(as_root, session, field, value, kind):
    answer = as_root.post("/users", json=BOB | {field: value})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", kind)}
    assert count_users(session) == 1


def test_every_problem_is_named_at_once(as_root):
    answer = as_root.post("/users", json={"email": "x", "username": "?", "is_active": 0, "extra": 1})
    fields = {field for field, _ in problems(answer)}
    assert fields == {"body.email", "body.username", "body.is_active", "body.extra"}


@pytest.mark.parametrize("username", ["abc", "a" * 50, "_-_", "007"])
def test_usernames_at_the_bounds_are_accepted(as_root, username):
    assert as_root.post("/users", json=BOB | {"username": username}).json["username"] == username


@pytest.mark.parametrize("password", ["x" * 128, "🂡🂢🂣🂤🂥🂦🂧🂨", " leading and trailing ", "tab\tand\nnewline"])
def test_password_of_any_characters_works_untouched(as_root, nobody, password):
    assert as_root.post("/users", json=BOB | {"password": password}).status_code == 201
    assert nobody.post("/auth/login", json={"username": "bob", "password": password}).status_code == 200
    assert nobody.post("/auth/login", json={"username": "bob", "password": password.strip() + "x"}).status_code == 401


def test_password_is_not_cut_off(as_root, nobody):
    as_root.post("/users", json=BOB | {"password": "x" * 127 + "y"})
    assert nobody.post("/auth/login", json={"username": "bob", "password": "x" * 127 + "z"}).status_code == 401


@pytest.mark.parametrize(
    ("field", "value"), [("email", "ann@example.org"), ("email", "ANN@EXAMPLE.ORG"), ("username", "ann"), ("username", "ANN")]
)
def test_names_are_unique_without_regard_to_case(as_root, ann, session, field, value):
    answer = as_root.post("/users", json=BOB | {field: value})
    assert refused(answer, 409, "conflict")
    assert problems(answer) == {(f"body.{field}", "taken")}
    assert count_users(session) == 2


def test_non_latin_addresses_are_unique_without_regard_to_case(as_root):
    assert as_root.post("/users", json=BOB | {"email": "åsa@example.org"}).status_code == 201
    answer = as_root.post("/users", json=BOB | {"email": "Åsa@example.org", "username": "other"})
    assert refused(answer, 409, "conflict")


@pytest.mark.parametrize("field", ["username", "email"])
def test_eight_requests_at_once_create_one_user(root, session, make_app, call_as, field):
    app = make_app(pool_size=8)
    mine = [{"username": f"bob{n}", "email": f"bob{n}@example.org"} | {field: BOB[field]} for n in range(8)]
    callers = [call_as(root, on=app) for _ in mine]
    calls = [partial(caller.post, "/users", json=BOB | body) for caller, body in zip(callers, mine, strict=True)]
    answers = together(calls)
    assert sorted(answer.status_code for answer in answers) == [201] + 7 * [409]
    assert all(problems(answer) == {(f"body.{field}", "taken")} for answer in answers if answer.status_code == 409)
    assert count_users(session) == 2


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/json", 400, "bad_request"),
        (b"{", "application/json", 400, "bad_request"),
        (b'{"email": "\xff"}', "application/json", 400, "bad_request"),
        (b'{"email": NaN}', "application/json", 400, "bad_request"),
        (b'{"email": -Infinity}', "application/json", 400, "bad_request"),
        (b'{"email": ' + b"9" * 5000 + b"}", "application/json", 400, "bad_request"),
        (b"[" * 60_000, "application/json", 400, "bad_request"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "application/json", 400, "bad_request"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"username=bob", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"{}", None, 415, "unsupported_media_type"),
        (b"[]", "application/json", 422, "validation_error"),
        (b'"bob"', "application/json", 422, "validation_error"),
        (b"null", "application/json", 422, "validation_error"),
        (b"12", "application/json", 422, "validation_error"),
    ],
)
def test_body_that_is_no_json_object_is_refused(as_root, session, body, content_type, status, code):
    for method, path in (("POST", "/users"), ("PATCH", "/users/1"), ("POST", "/auth/register"), ("POST", "/auth/login")):
        assert refused(as_root(method, path, data=body, content_type=content_type), status, code)
    assert count_users(session) == 1


def test_user_reads_the_own_account(as_ann, ann):
    answer = as_ann.get(f"/users/{ann.id}")
    assert answer.status_code == 200
    assert list(answer.json) == FIELDS
    assert (answer.json["username"], answer.json["full_name"]) == ("ann", "Ann Lee")


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_other_ids_answer_a_plain_user_alike_whether_they_exist_or_not(as_ann, root, method):
    answers = [as_ann(method, f"/users/{user_id}", json={"full_name": "X"}) for user_id in (root.id, 999, 2**31, 2**63 - 1)]
    assert all(refused(answer, 403, "authorization_error") for answer in answers)
    assert len({str(answer.json | {"request_id": ""}) for answer in answers}) == 1


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_id_of_nobody_is_not_found(as_root, method):
    for user_id in (999, 2**31, 2**32, 2**63 - 1):
        assert refused(as_root(method, f"/users/{user_id}", json={"full_name": "X"}), 404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_impossible_id_is_not_found(as_root, method):
    for user_id in IMPOSSIBLE_IDS:
        assert refused(as_root(method, f"/users/{user_id}", json={"full_name": "X"}), 404, "not_found")


def test_largest_id_is_an_id(as_root, make_user):
    user = make_user(id=2**63 - 1)
    assert as_root.get(f"/users/{user.id}").json["id"] == 2**63 - 1


@pytest.mark.parametrize("path", ["/users", "/users/1", "/auth/me", "/dashboard/stats", "/dashboard/signups"])
def test_trailing_slash_makes_no_difference(as_root, path):
    plain, slashed = as_root.get(path), as_root.get(path + "/")
    assert (plain.status_code, slashed.status_code) == (200, 200)
    assert plain.json == slashed.json


@pytest.mark.parametrize("path", ["/users/", "/users/bulk/", "/auth/register/"])
def test_trailing_slash_makes_no_difference_to_a_write(as_root, path):
    body = {**BOB, "username": "slash"}
    assert as_root.post(path, json=[body] if "bulk" in path else body).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/users/1", {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"}), ("GET", "/users/bulk", {"OPTIONS", "POST"})],
)
def test_other_methods_are_answered_with_those_allowed(as_root, method, path, allowed):
    answer = as_root(method, path)
    assert refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_deleted_user_is_gone_with_the_sessions(as_root, as_ann, ann, session):
    answer = as_root.delete(f"/users/{ann.id}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert refused(as_root.get(f"/users/{ann.id}"), 404, "not_found")
    assert refused(as_root.delete(f"/users/{ann.id}"), 404, "not_found")
    assert refused(as_ann.get("/auth/me"), 401, "authentication_error")
    assert session.scalar(select(func.count()).where(UserSession.user_id == ann.id)) == 0


def test_plain_user_deletes_nobody_not_even_the_own_account(as_ann, ann, root, session):
    assert refused(as_ann.delete(f"/users/{ann.id}"), 403, "authorization_error")
    assert refused(as_ann.delete(f"/users/{root.id}"), 403, "authorization_error")
    assert count_users(session) == 2


def test_name_of_a_deleted_user_is_free_again(as_root, ann):
    as_root.delete(f"/users/{ann.id}")
    assert as_root.post("/users", json=BOB | {"username": "ann", "email": "ann@example.org"}).status_code == 201


def test_the_longest_names_fit_into_every_index(as_root):
    marks = "!#$%&'*+-/=?^_`{|}~"
    local = (marks * 4)[:64]
    domain = ".".join(["abcdefghijklmnopqrstuvwxyz0123456789-".ljust(59, "x")[:58] + "z"] * 3 + ["example"])
    longest = {
        "username": "_-" * 25,
        "email": f"{local}@{domain}",
        "full_name": "".join(chr(0x20000 + 37 * n) for n in range(100)),  # each four bytes, and none like another
        "password": "a-fine-passphrase",
    }
    assert as_root.post("/users", json=longest).status_code == 201
    assert as_root.get("/users?search=_-_-_&sort_by=email").json["total"] == 1


def test_user_may_have_signed_up_elsewhere_with_a_hash_or_without_a_password(as_root, nobody):
    given = {"created_at": "2021-03-04T05:06:07.000008+02:00", "password_hash": PASSWORD_HASH}
    bob = {name: value for name, value in BOB.items() if name != "password"}
    answer = as_root.post("/users", json=bob | given)
    assert (answer.status_code, answer.json["created_at"]) == (201, "2021-03-04T03:06:07.000008+00:00")
    assert nobody.post("/auth/login", json={"username": BOB["username"], "password": PASSWORD}).status_code == 200
    assert as_root.post("/users", json={"email": "cid@example.org", "username": "cid"}).status_code == 201
    both = as_root.post("/users", json=BOB | given | {"email": "dan@example.org", "username": "dan"})
    assert problems(both) == {("body.password_hash", "not_both")}
