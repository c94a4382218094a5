"""``/api/v1/auth``: registration, log-in, log-out, and the life of a session."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from threading import Thread

import bcrypt
import pytest
from sqlalchemy import func, select, text

from answers import problems, refused
from rollcall.models import User, UserSession
from rollcall.services.identity import accounts
from threads import wait_until_blocked

PASSWORD = "correct-horse-battery"
BOB = {"email": "bob@example.org", "username": "bob", "password": "a-fine-passphrase"}


@pytest.fixture
def log_in(nobody):
    return lambda username="ann", password=PASSWORD: nobody.post("/auth/login", json={"username": username, "password": password})


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def count_sessions(session):
    return session.scalar(select(func.count()).select_from(UserSession))


def test_anyone_registers(nobody, session):
    answer = nobody.post("/auth/register", json=BOB | {"full_name": "Bob"})
    assert answer.status_code == 201
    assert (answer.json["username"], answer.json["full_name"]) == ("bob", "Bob")
    assert (answer.json["is_active"], answer.json["is_superuser"]) == (True, False)
    assert BOB["password"] not in answer.text
    assert session.get(User, answer.json["id"]).email == "bob@example.org"


def test_registered_user_logs_in(nobody, log_in):
    nobody.post("/auth/register", json=BOB)
    assert log_in("bob", BOB["password"]).status_code == 200


@pytest.mark.parametrize("field", ["is_active", "is_superuser", "password_hash", "id"])
def test_nobody_registers_with_fields_of_superusers(nobody, session, field):
    answer = nobody.post("/auth/register", json=BOB | {field: True})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "unknown_field")}
    assert session.scalars(select(User)).all() == []


@pytest.mark.parametrize("field", ["email", "username", "password"])
def test_registration_needs_its_fields(nobody, field):
    answer = nobody.post("/auth/register", json={name: value for name, value in BOB.items() if name != field})
    assert problems(answer) == {(f"body.{field}", "missing")}


@pytest.mark.parametrize(("field", "value"), [("email", "Ann@Example.ORG"), ("username", "aNN")])
def test_registration_of_a_taken_name_is_a_conflict(nobody, ann, field, value):
    answer = nobody.post("/auth/register", json=BOB | {field: value})
    assert refused(answer, 409, "conflict")
    assert problems(answer) == {(f"body.{field}", "taken")}


def test_closed_registration_is_refused(make_app, session):
    client = make_app(registration_enabled=False).test_client()
    answer = client.post("/api/v1/auth/register", json=BOB)
    assert refused(answer, 403, "authorization_error")
    assert session.scalars(select(User)).all() == []


@pytest.mark.parametrize("name", ["ann", "ANN", "Ann@example.org", "ANN@EXAMPLE.ORG"])
def test_log_in_by_username_or_e_mail_in_any_case(ann, log_in, name):
    answer = log_in(name)
    assert answer.status_code == 200
    assert set(answer.json) == {"access_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 720 * 60)


def test_token_opens_the_api(ann, log_in, nobody):
    token = log_in().json["access_token"]
    answer = nobody.get("/auth/me", headers=bearer(token))
    assert (answer.status_code, answer.json["id"]) == (200, ann.id)


def test_token_is_256_bits_and_each_its_own(ann, log_in):
    tokens = {log_in().json["access_token"] for _ in range(3)}
    assert len(tokens) == 3
    assert {len(token) for token in tokens} == {43}


def test_database_keeps_only_the_hash_of_a_token(ann, log_in, session):
    token = log_in().json["access_token"]
    kept = session.scalars(select(UserSession)).one()
    assert kept.token_hash == hashlib.sha256(token.encode()).digest()
    assert token not in str(session.execute(text("SELECT * FROM sessions")).all())


def test_session_has_the_life_that_is_set(make_app, ann, session, clock):
    client = make_app(session_minutes=5).test_client()
    answer = client.post("/api/v1/auth/login", json={"username": "ann", "password": PASSWORD})
    assert answer.json["expires_in"] == 300
    kept = session.scalars(select(UserSession)).one()
    assert (kept.created_at, kept.expires_at) == (clock.now, clock.now + timedelta(minutes=5))


def test_unknown_name_and_wrong_password_are_answered_alike(ann, log_in):
    unknown, wrong = log_in("nobody"), log_in("ann", "wrong-password")
    assert refused(unknown, 401, "authentication_error")
    assert unknown.headers["WWW-Authenticate"] == "Bearer"
    assert unknown.json | {"request_id": ""} == wrong.json | {"request_id": ""}


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("an n", PASSWORD),
        ("ann\0", PASSWORD),
        ("ann\ud800", PASSWORD),
        ("x" * 60_000, PASSWORD),
        ("ann", ""),
        ("ann", PASSWORD.upper()),
        ("ann", PASSWORD + "\0"),
        ("ann", PASSWORD + "\ud800"),
        ("ann", "x" * 60_000),
        ("%", PASSWORD),
    ],
)
def test_odd_credentials_are_wrong_ones(ann, log_in, name, password):
    assert refused(log_in(name, password), 401, "authentication_error")


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {("body.username", "missing"), ("body.password", "missing")}),
        ({"username": "ann", "password": None}, {("body.password", "null")}),
        ({"username": 1, "password": PASSWORD}, {("body.username", "invalid_type")}),
        ({"username": "ann", "password": PASSWORD, "remember": True}, {("body.remember", "unknown_field")}),
    ],
)
def test_credentials_of_another_shape_are_not_valid(nobody, body, wrong):
    answer = nobody.post("/auth/login", json=body)
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == wrong


def test_inactive_user_with_the_right_password_is_told(make_user, log_in, session):
    make_user(username="gone", is_active=False)
    assert refused(log_in("gone"), 403, "authorization_error")
    assert count_sessions(session) == 0


def test_inactive_user_with_a_wrong_password_is_told_nothing(make_user, log_in):
    make_user(username="gone", is_active=False)
    assert refused(log_in("gone", "wrong-password"), 401, "authentication_error")


def test_user_without_a_password_cannot_log_in_until_one_is_set(as_root, make_user, log_in):
    user = make_user(username="imported", password_hash=None)
    assert refused(log_in("imported"), 401, "authentication_error")
    as_root.patch(f"/users/{user.id}", json={"password": PASSWORD})
    assert log_in("imported").status_code == 200


def test_imported_hash_is_replaced_at_the_first_log_in(make_user, log_in, session):
    foreign = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    user = make_user(username="imported", password_hash=foreign)
    assert log_in("imported", "wrong-password").status_code == 401
    assert session.get(User, user.id).password_hash == foreign
    assert log_in("imported").status_code == 200
    session.expire_all()
    assert session.get(User, user.id).password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert log_in("imported").status_code == 200
    assert log_in("imported", "wrong-password").status_code == 401


def test_imported_password_longer_than_ours_may_be_works_more_than_once(make_user, log_in):
    long = "x" * 200  # of which bcrypt reads 72 bytes
    make_user(username="imported", password_hash=bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode())
    assert [log_in("imported", long).status_code for _ in range(2)] == [200, 200]


def test_own_hash_is_not_replaced(ann, log_in, session):
    before = session.get(User, ann.id).password_hash
    log_in()
    session.expire_all()
    assert session.get(User, ann.id).password_hash == before


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        "Bearer ",
        "Bearer unknown",
        "Basic YW5uOmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==",
        "Token abc",
        "Bearer \xff\xfe",
        "Bearer " + "x" * 5000,
    ],
)
def test_what_is_no_valid_token_is_refused(nobody, header):
    answer = nobody.get("/auth/me", headers={"Authorization": header} if header is not None else {})
    assert refused(answer, 401, "authentication_error")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_stored_hash_of_a_token_is_no_token(ann, log_in, nobody):
    token = log_in().json["access_token"]
    assert nobody.get("/auth/me", headers=bearer(hashlib.sha256(token.encode()).hexdigest())).status_code == 401


def test_scheme_is_read_in_any_case(ann, log_in, nobody):
    token = log_in().json["access_token"]
    assert nobody.get("/auth/me", headers={"Authorization": f"bearer {token}"}).status_code == 200


def test_session_ends_when_its_time_is_over(ann, log_in, nobody, clock):
    headers = bearer(log_in().json["access_token"])
    clock.advance(hours=12, microseconds=-1)
    assert nobody.get("/auth/me", headers=headers).status_code == 200
    clock.advance(microseconds=1)
    assert refused(nobody.get("/auth/me", headers=headers), 401, "authentication_error")


def test_me_is_the_user_who_asks(as_ann, ann):
    answer = as_ann.get("/auth/me")
    assert answer.json == as_ann.get(f"/users/{ann.id}").json
    assert "argon2" not in answer.text


def test_logging_out_ends_this_session_only(ann, call_as):
    here, there = call_as(ann), call_as(ann)
    answer = here.post("/auth/logout")
    assert (answer.status_code, answer.data) == (204, b"")
    assert here.get("/auth/me").status_code == 401
    assert there.get("/auth/me").status_code == 200
    assert refused(here.post("/auth/logout"), 401, "authentication_error")


def test_logging_out_everywhere_ends_all_sessions_of_the_user(as_root, ann, call_as):
    here, there = call_as(ann), call_as(ann)
    assert here.post("/auth/logout?all=true").status_code == 204
    assert [caller.get("/auth/me").status_code for caller in (here, there, as_root)] == [401, 401, 200]


def test_all_false_is_only_here(ann, call_as):
    here, there = call_as(ann), call_as(ann)
    assert here.post("/auth/logout?all=false").status_code == 204
    assert there.get("/auth/me").status_code == 200


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("all=yes", ("query.all", "invalid_type")),
        ("all=True", ("query.all", "invalid_type")),
        ("all=true&all=true", ("query.all", "repeated")),
        ("everywhere=true", ("query.everywhere", "unknown_field")),
    ],
)
def test_odd_parameters_of_logout_are_refused_and_end_nothing(as_ann, query, wrong):
    answer = as_ann.post(f"/auth/logout?{query}")
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {wrong}
    assert as_ann.get("/auth/me").status_code == 200


def test_expired_sessions_are_swept_at_log_in(make_user, ann, log_in, sign_in, session, clock):
    for user in (ann, make_user()):
        sign_in(user)
    clock.advance(hours=11)
    sign_in(ann)
    clock.advance(hours=1)
    log_in()
    assert count_sessions(session) == 2
    assert session.scalar(select(func.min(UserSession.expires_at))) > clock.now


def test_sweep_takes_a_bounded_number(ann, log_in, session, clock):
    expired = {"user": ann.id, "now": clock.now, "rows": accounts._SWEEP_AT_MOST + 5}
    session.execute(
        text(
            "INSERT INTO sessions (user_id, token_hash, expires_at)"
            " SELECT :user, sha256(n::text::bytea), :now FROM generate_series(1, :rows) AS n"
        ),
        expired,
    )
    session.commit()
    log_in()
    assert count_sessions(session) == 5 + 1


def test_locked_expired_sessions_do_not_hold_up_a_log_in(ann, log_in, sign_in, session, engine, clock):
    sign_in(ann)
    clock.advance(hours=12)
    session.execute(select(UserSession.id).with_for_update())
    answers = []
    request = Thread(target=lambda: answers.append(log_in()))
    request.start()
    wait_until_blocked(engine, unless=lambda: not request.is_alive())
    held_up = request.is_alive()
    session.rollback()
    request.join()
    assert (held_up, answers[0].status_code) == (False, 200)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE users SET is_active = false", 401),
        ("UPDATE users SET password_hash = NULL", 401),
        ("DELETE FROM users", 401),
        ("UPDATE users SET full_name = 'X'", 200),
    ],
)
def test_what_happens_between_the_verification_and_the_session_counts(ann, log_in, session, engine, change, status):
    # The change is made but not committed: the log-in verifies against what was before, then waits for this transaction.
    session.execute(text(change))
    answers = []
    request = Thread(target=lambda: answers.append(log_in()))
    request.start()
    wait_until_blocked(engine, unless=lambda: not request.is_alive())
    session.commit()
    request.join()
    assert answers[0].status_code == status
    assert count_sessions(session) == (status == 200)
