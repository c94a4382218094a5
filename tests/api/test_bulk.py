"""``POST /api/v1/users/bulk`` (R8): many users, or none."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Thread

import bcrypt
import pytest
from sqlalchemy import func, select

from answers import problems, refused
from rollcall.models import User
from rollcall.services.statistics import tally
from threads import together, wait_until_blocked

PASSWORD = "correct-horse-battery"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


def rows(count):
    return [{"email": f"user{n}@example.org", "username": f"user{n}"} for n in range(count)]


def changed(count, **changes):
    """``count`` rows, some of them changed: ``changed(5, r3={"email": "x"})``."""
    return [row | changes.get(f"r{n}", {}) for n, row in enumerate(rows(count))]


@pytest.fixture
def count_users(session):
    def count():
        session.rollback()
        return session.scalar(select(func.count()).select_from(User))

    return count


def test_users_are_created_and_answered_in_the_order_given(as_root, count_users):
    given = rows(50)[::-1]
    answer = as_root.post("/users/bulk", json=given)
    assert answer.status_code == 201
    assert [user["username"] for user in answer.json] == [row["username"] for row in given]
    assert [user["id"] for user in answer.json] == sorted(user["id"] for user in answer.json)
    assert answer.json[7] == as_root.get(f"/users/{answer.json[7]['id']}").json
    assert count_users() == 51


def test_empty_array_creates_nobody(as_root, count_users):
    answer = as_root.post("/users/bulk", json=[])
    assert (answer.status_code, answer.json) == (201, [])
    assert count_users() == 1


def test_rows_may_set_every_field(as_root):
    wanted = {"full_name": "Ann Øre", "is_active": False, "is_superuser": True}
    [made] = as_root.post("/users/bulk", json=changed(1, r0={**wanted, "password": PASSWORD})).json
    assert {name: made[name] for name in wanted} == wanted
    assert "password" not in made


@pytest.mark.parametrize(
    ("secret", "status"),
    [({"password": PASSWORD}, 200), ({"password_hash": BCRYPT}, 200), ({}, 401)],
    ids=["password", "hash", "neither"],
)
def test_row_has_a_password_or_a_hash_or_neither(as_root, nobody, secret, status):
    answer = as_root.post("/users/bulk", json=changed(1, r0=secret))
    assert answer.status_code == 201
    assert BCRYPT not in answer.text
    log_in = partial(nobody.post, "/auth/login")
    assert log_in(json={"username": "user0", "password": PASSWORD}).status_code == status
    assert log_in(json={"username": "user0", "password": "wrong-password"}).status_code == 401


def test_each_row_gets_its_own_secret(as_root, nobody):
    secrets = {f"r{n}": {"password": f"passphrase-{n}"} for n in (0, 2, 3)} | {"r1": {"password_hash": BCRYPT}}
    assert as_root.post("/users/bulk", json=changed(5, **secrets)).status_code == 201
    words = ["passphrase-0", PASSWORD, "passphrase-2", "passphrase-3"]
    for n, password in enumerate(words):
        assert nobody.post("/auth/login", json={"username": f"user{n}", "password": password}).status_code == 200


def test_password_and_hash_together_are_refused(as_root, count_users):
    answer = as_root.post("/users/bulk", json=changed(3, r1={"password": PASSWORD, "password_hash": BCRYPT}))
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {("body.1.password_hash", "not_both")}
    assert count_users() == 1


COSTLY = ["$2b$31$" + "a" * 53, "$argon2id$v=19$m=99999999,t=9,p=1$c2FsdHNhbHQ$aGFzaA"]


@pytest.mark.parametrize("value", ["plain text", *COSTLY, "", 5, None])
def test_hash_that_is_unknown_or_costs_too_much_is_refused(as_root, count_users, value):
    answer = as_root.post("/users/bulk", json=changed(2, r1={"password_hash": value}))
    assert refused(answer, 422, "validation_error")
    assert {field for field, _ in problems(answer)} == {"body.1.password_hash"}
    assert count_users() == 1


def test_every_bad_row_is_named_with_all_its_problems_and_nobody_is_created(as_root, count_users):
    bad = {
        "r0": {"email": "x"},
        "r3": {"email": "y", "username": "a b"},
        "r7": {"is_active": "true", "nickname": "z"},
        "r9": {"password": "short"},
    }
    answer = as_root.post("/users/bulk", json=changed(10, **bad))
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {
        ("body.0.email", "invalid_format"),
        ("body.3.email", "invalid_format"),
        ("body.3.username", "invalid_characters"),
        ("body.7.is_active", "invalid_type"),
        ("body.7.nickname", "unknown_field"),
        ("body.9.password", "too_short"),
    }
    assert count_users() == 1


@pytest.mark.parametrize("row", [1, "user", None, [], True])
def test_row_that_is_no_object_is_named(as_root, row):
    answer = as_root.post("/users/bulk", json=[*rows(2), row])
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {("body.2", "invalid_type")}


@pytest.mark.parametrize("body", ["{}", '{"users": []}', '"users"', "5", "null", "true"])
def test_body_that_is_no_array_is_refused(as_root, body):
    answer = as_root.post("/users/bulk", data=body, content_type="application/json")
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {("body", "invalid_type")}


@pytest.mark.parametrize("body", [b"", b"[", b"[NaN]", b"[" * 50_000])
def test_body_that_is_no_json_is_refused(as_root, body):
    assert refused(as_root.post("/users/bulk", data=body, content_type="application/json"), 400, "bad_request")


def test_duplicates_within_the_rows_are_named_without_regard_to_case(as_root, count_users):
    twice = {
        "r2": {"email": "USER0@example.org"},
        "r4": {"username": "User1"},
        "r5": {"username": "USER1", "email": "user0@Example.org"},
    }
    answer = as_root.post("/users/bulk", json=changed(6, **twice))
    assert refused(answer, 409, "conflict")
    assert problems(answer) == {
        ("body.2.email", "duplicate"),
        ("body.4.username", "duplicate"),
        ("body.5.email", "duplicate"),
        ("body.5.username", "duplicate"),
    }
    assert count_users() == 1


def test_taken_names_are_named_without_regard_to_case(as_root, ann, count_users):
    answer = as_root.post("/users/bulk", json=changed(5, r1={"username": "ANN"}, r3={"email": "Ann@Example.org"}))
    assert refused(answer, 409, "conflict")
    assert problems(answer) == {("body.1.username", "taken"), ("body.3.email", "taken")}
    assert count_users() == 2


def test_conflict_in_the_last_of_many_rows_undoes_all_and_the_tally_with_them(as_root, ann, count_users, session):
    answer = as_root.post("/users/bulk", json=changed(1000, r999={"username": "ann"}))
    assert problems(answer) == {("body.999.username", "taken")}
    assert count_users() == 2
    assert tally.count(session) == 2
    assert tally.verify(session) == []


def test_conflict_with_a_user_who_is_just_being_created_is_seen(as_root, session, engine, count_users):
    session.add(User(email="other@example.org", username="USER3"))
    session.flush()
    answers = []
    request = Thread(target=lambda: answers.append(as_root.post("/users/bulk", json=rows(5))))
    request.start()
    wait_until_blocked(engine, unless=lambda: not request.is_alive())
    session.commit()
    request.join()
    assert refused(answers[0], 409, "conflict")
    assert problems(answers[0]) == {("body.3.username", "taken")}
    assert count_users() == 2


def test_of_overlapping_bulks_at_once_one_wins_whole(make_app, root, call_as, count_users):
    app = make_app(pool_size=4)
    bodies = [[*rows(20), {"email": f"own{n}@example.org", "username": f"own{n}"}] for n in range(4)]
    answers = together([partial(call_as(root, on=app).post, "/users/bulk", json=body) for body in bodies])
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {len(answer.json["details"]) for answer in answers if answer.status_code == 409} == {40}
    assert count_users() == 22


def test_of_bulks_in_opposite_orders_one_waits_for_the_other(make_app, root, call_as, session, engine, count_users):
    one, other = (call_as(root, on=make_app(pool_size=4)) for _ in range(2))
    session.add(User(email="other@example.org", username="user2"))
    session.flush()
    with ThreadPoolExecutor(2) as pool:
        requests = [
            pool.submit(one.post, "/users/bulk", json=rows(5)),
            pool.submit(other.post, "/users/bulk", json=rows(5)[::-1]),
        ]
        wait_until_blocked(engine, 2)  # each for user2, with names that the other wants next
        session.rollback()
    created, refusal = sorted((request.result() for request in requests), key=lambda answer: answer.status_code)
    assert created.status_code == 201
    assert refused(refusal, 409, "conflict")
    assert len(problems(refusal)) == 10
    assert count_users() == 6


def test_more_rows_than_the_bound_are_refused_with_the_bound(as_root, count_users):
    answer = as_root.post("/users/bulk", json=rows(1001))
    assert refused(answer, 413, "request_too_large")
    assert "at most 1,000 users" in answer.json["message"]
    assert count_users() == 1


def test_bound_is_a_setting(make_app, root, call_as, count_users):
    caller = call_as(root, on=make_app(bulk_max_rows=3))
    answer = caller.post("/users/bulk", json=rows(4))
    assert refused(answer, 413, "request_too_large")
    assert "at most 3 users" in answer.json["message"]
    assert caller.post("/users/bulk", json=rows(3)).status_code == 201
    assert count_users() == 4


def test_thousand_rows_take_few_statements(as_root, statements):
    assert as_root.post("/users/bulk", json=rows(1000)).status_code == 201
    assert len(statements) <= 6, [statement[:60] for statement in statements]


def test_hundred_users_with_passwords_are_hashed_and_created(as_root, nobody, session, statements):
    body = [row | {"password": f"passphrase-{n}"} for n, row in enumerate(rows(100))]
    assert as_root.post("/users/bulk", json=body).status_code == 201
    assert len(statements) <= 6
    hashes = session.scalars(select(User.password_hash).where(User.username.like("user%"))).all()
    assert len(set(hashes)) == 100
    assert nobody.post("/auth/login", json={"username": "user99", "password": "passphrase-99"}).status_code == 200


def test_bulk_has_ten_times_the_time_and_says_how_many_passwords_would_have_fitted(make_app, call_as, root, session):
    rows = [{"username": f"bulk{n}", "email": f"bulk{n}@example.org", "password": f"a-fine-passphrase-{n}"} for n in range(1000)]
    answer = call_as(root, make_app(request_timeout=0.2)).post("/users/bulk", json=rows)
    assert refused(answer, 504, "request_timeout")
    assert answer.json["message"] == "Request exceeded 2.0s timeout"
    [detail] = answer.json["details"]
    assert (detail["type"], detail["field"]) == ("too_many_passwords", "body")
    said = r"In this time (\d+) of the 1,000 passwords were hashed. Send at most \1 at once."
    hashed = int(re.fullmatch(said, detail["message"])[1])
    assert 0 < hashed < 1000
    assert session.connection().exec_driver_sql("SELECT count(*) FROM users").scalar() == 1


def test_rows_may_have_the_time_of_sign_up(as_root):
    given = [row | {"created_at": f"2021-03-0{n + 1}T05:06:07Z"} for n, row in enumerate(rows(3))]
    made = as_root.post("/users/bulk", json=given).json
    assert [user["created_at"][:10] for user in made] == ["2021-03-01", "2021-03-02", "2021-03-03"]
    bad = as_root.post("/users/bulk", json=[{"email": "x@b.de", "username": "xx", "created_at": "2021"}])
    assert problems(bad) == {("body.0.created_at", "invalid_format")}
