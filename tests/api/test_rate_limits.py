"""The rate limits, as two gunicorn workers keep them together in a real Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

import servers
from answers import refused
from service import Reply, bearer, call, wait_for_workers
from threads import together

ROW = {"username": "bob", "email": "bob@example.org", "password": "a-fine-passphrase"}


@pytest.fixture(scope="module")
def redis() -> Iterator[servers.RedisProcess]:
    with servers.RedisProcess() as server:
        yield server


@pytest.fixture(scope="module")
def service(shared_app, database_url, redis) -> Iterator[servers.Gunicorn]:
    environment = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis.url,
        "SECRET_KEY": "s" * 32,
        "ROLLCALL_TRUSTED_PROXIES": "1",
    }
    with servers.gunicorn(environment) as server:
        wait_for_workers(server)
        yield server


@pytest.fixture
def store(redis) -> Iterator[Redis]:
    with Redis.from_url(redis.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def ask(service, store, empty_database) -> Callable[..., Reply]:
    """Send a request from a client address, as the proxy in front names it."""

    def send(method: str, path: str, body: Any = None, headers: Any = None, *, address: str = "203.0.113.1") -> Reply:
        return call(service.url, method, f"/api/v1{path}", body, {"X-Forwarded-For": address, **(headers or {})})

    return send


@pytest.fixture
def try_log_in(ask) -> Callable[..., Reply]:
    def attempt(username: str = "nobody", password: str = "wrong", address: str = "203.0.113.1") -> Reply:
        return ask("POST", "/auth/login", {"username": username, "password": password}, address=address)

    return attempt


def count(answers) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def times(number: int, function: Callable[[], Reply]) -> Counter[int]:
    return count(function() for _ in range(number))


# Log-in (what is counted, and how, is in test_attempts.py)


def test_workers_count_failed_log_ins_together(try_log_in):
    # 40 at once keep both workers busy; each with a counter of its own would let 20 pass.
    assert count(together([try_log_in] * 40)) == {401: 10, 429: 30}


def test_workers_without_redis_count_failed_log_ins_together(shared_app, database_url, empty_database):
    with servers.gunicorn({"DATABASE_URL": database_url, "SECRET_KEY": "s" * 32}, workers=4) as server:
        wait_for_workers(server, 4)
        login = {"username": "nobody", "password": "wrong"}
        answers = together([lambda: call(server.url, "POST", "/api/v1/auth/login", login)] * 40)
    assert count(answers) == {401: 10, 429: 30}


def test_failed_log_ins_are_counted_on_when_redis_dies(try_log_in, redis):
    assert times(6, try_log_in) == {401: 6}
    redis.stop()
    try:
        assert times(6, try_log_in) == {401: 4, 429: 2}
    finally:
        redis.start()


def test_any_address_of_a_network_is_one_client(ask):
    forms = ["2001:db8::{}", "[2001:db8::{}]:443", "2001:db8::ffff:{}"]
    found = count(ask("POST", "/auth/register", {}, address=forms[n % 3].format(n + 1)) for n in range(7))
    assert found == {422: 5, 429: 2}
    ports = count(ask("POST", "/auth/register", {}, address=f"203.0.113.50:{10_000 + n}") for n in range(7))
    assert ports == {422: 5, 429: 2}


# Registration, one's own account, users


def test_five_registrations_an_hour_from_an_address(ask):
    rows = [{**ROW, "username": f"bob{number}", "email": f"bob{number}@example.org"} for number in range(7)]
    assert count(ask("POST", "/auth/register", row) for row in rows) == {201: 5, 429: 2}
    assert ask("POST", "/auth/register", rows[6], address="203.0.113.2").status_code == 201


def test_client_cannot_choose_its_address(ask):
    """What the client itself writes stands before what the proxy adds."""
    forged = [f"10.0.0.{number}, 203.0.113.1" for number in range(7)]
    assert count(ask("POST", "/auth/register", {}, address=address) for address in forged) == {422: 5, 429: 2}


def test_thirty_looks_at_oneself_a_minute(ask, engine, ann, root):
    as_ann, as_ann_elsewhere = bearer(engine, ann, "one"), bearer(engine, ann, "two")
    assert times(30, lambda: ask("GET", "/auth/me", None, as_ann)) == {200: 30}
    assert ask("GET", "/auth/me", None, as_ann_elsewhere, address="203.0.113.9").status_code == 429
    assert ask("GET", "/auth/me", None, bearer(engine, root)).status_code == 200


LIMITED = [("GET", None, 20, 200), ("PATCH", {}, 10, 200), ("DELETE", None, 5, 403)]


@pytest.mark.parametrize(("method", "body", "limit", "status"), LIMITED)
def test_plain_users_are_limited_by_method(ask, engine, ann, method, body, limit, status):
    headers = bearer(engine, ann)
    assert times(limit + 2, lambda: ask(method, f"/users/{ann.id}", body, headers)) == {status: limit, 429: 2}


@pytest.mark.parametrize(("method", "body", "limit", "status"), LIMITED)
def test_superusers_have_six_hundred(ask, engine, root, method, body, limit, status):
    headers = bearer(engine, root)
    found = [ask(method, "/users/999", body, headers) for _ in range(limit + 2)]
    assert count(found) == {404: limit + 2}
    assert {answer.headers["RateLimit-Limit"] for answer in found} == {"600"}


def test_superuser_is_refused_past_six_hundred(ask, engine, root, store):
    headers = bearer(engine, root)
    ask("GET", "/users/999", None, headers)
    [key] = [key for key in store.scan_iter() if b"get_user" in key]
    store.incrby(key, 598)
    assert times(3, lambda: ask("GET", "/users/999", None, headers)) == {404: 1, 429: 2}


def test_others_ids_count_as_well_and_tell_nothing(ask, engine, ann, root):
    headers = bearer(engine, ann)
    statuses = [ask("GET", f"/users/{user_id}", None, headers).status_code for user_id in [root.id, 4711] * 11]
    assert statuses == [403] * 20 + [429] * 2


def test_endpoints_have_counters_of_their_own(ask, engine, ann):
    headers = bearer(engine, ann)
    assert times(11, lambda: ask("PATCH", f"/users/{ann.id}", {}, headers))[429] == 1
    assert ask("GET", f"/users/{ann.id}", None, headers).status_code == 200
    assert ask("DELETE", f"/users/{ann.id}", None, headers).status_code == 403
    assert ask("GET", "/auth/me", None, headers).status_code == 200


def test_strangers_use_up_nobodys_limit(ask, engine, ann):
    assert times(25, lambda: ask("GET", f"/users/{ann.id}")) == {401: 25}
    assert ask("GET", f"/users/{ann.id}", None, bearer(engine, ann)).status_code == 200


# What a client is told


def test_every_answer_of_a_limited_route_tells_how_much_is_left(ask, engine, ann):
    headers = bearer(engine, ann)
    for remaining in ("29", "28"):
        told = ask("GET", "/auth/me", None, headers).headers
        assert (told["X-RateLimit-Limit"], told["X-RateLimit-Remaining"]) == ("30", remaining)
        assert (told["RateLimit-Limit"], told["RateLimit-Remaining"]) == ("30", remaining)
        assert 0 < int(told["RateLimit-Reset"]) <= 61
        assert int(told["X-RateLimit-Reset"]) > 1_700_000_000
        assert "Retry-After" not in told


def test_refusal_says_when_to_come_back(try_log_in):
    answers = [try_log_in() for _ in range(11)]
    told = answers[-1].headers
    assert refused(answers[-1], 429, "rate_limit_exceeded")
    assert answers[-1].json["request_id"] == told["X-Request-ID"]
    assert 0 < int(told["Retry-After"]) <= 301
    assert told["RateLimit-Reset"] == told["Retry-After"]
    assert (told["RateLimit-Limit"], told["RateLimit-Remaining"]) == ("10", "0")
    assert (told["X-RateLimit-Limit"], told["X-RateLimit-Remaining"]) == ("10", "0")
    assert told["Content-Type"] == "application/json"


def test_limited_log_in_makes_no_session(try_log_in, ann, session):
    for _ in range(10):
        try_log_in("ann")
    assert try_log_in("ann", "correct-horse-battery").status_code == 429
    assert session.connection().exec_driver_sql("SELECT count(*) FROM sessions").scalar() == 0


def test_other_routes_tell_of_no_limit(ask, engine, root):
    told = ask("GET", "/users", None, bearer(engine, root)).headers
    assert not [name for name in told if "ratelimit" in name.lower()]


def test_switched_off_nothing_is_limited_nor_told(nobody):
    answers = [nobody.post("/auth/login", json={"username": "x", "password": "y"}) for _ in range(12)]
    assert count(answers) == {401: 12}
    assert not [name for name, _ in answers[-1].headers if "ratelimit" in name.lower()]
