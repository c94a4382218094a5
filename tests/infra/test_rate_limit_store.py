"""The limits while their Redis refuses, hangs or was never there: they go on in memory, and come back."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from redis import Redis

import servers
from answers import refused
from rollcall.infra.rate_limit import limiter


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    """The limiter is one for the process: what these tests do to it ends with them."""
    yield
    limiter._storage_dead = False


@pytest.fixture
def client(make_app, redis) -> FlaskClient:
    return make_app(rate_limit_enabled=True, rate_limit_redis_url=redis.url).test_client()


@pytest.fixture
def statuses(client) -> Callable[[int], list[int]]:
    def register(number: int) -> list[int]:
        return [client.post("/api/v1/auth/register", json={}).status_code for _ in range(number)]

    return register


def let_it_check() -> None:
    """Move on to the moment at which the limiter looks for its Redis again; it does so after 1, 2, 4 … 32 seconds."""
    limiter._Limiter__last_check_backend = 0.0


def test_counters_are_kept_in_redis(statuses, store):
    assert statuses(6) == [422] * 5 + [429]
    [key] = store.scan_iter()
    assert key.startswith(b"LIMITS:LIMITER/rollcall:limit/")
    assert 3500 < store.ttl(key) <= 3600


def test_workers_that_start_anew_go_on_counting(statuses, make_app, redis):
    statuses(5)
    other = make_app(rate_limit_enabled=True, rate_limit_redis_url=redis.url).test_client()
    assert other.post("/api/v1/auth/register", json={}).status_code == 429


@pytest.mark.parametrize("away", ["stopped", "frozen"])
def test_without_redis_the_limits_go_on_in_memory(client, statuses, redis, away):
    assert statuses(2) == [422] * 2
    if away == "stopped":
        redis.stop()
    else:
        redis.send(signal.SIGSTOP)
    assert statuses(7) == [422] * 5 + [429] * 2
    answer = client.post("/api/v1/auth/register", json={})
    assert refused(answer, 429, "rate_limit_exceeded")
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert int(answer.headers["Retry-After"]) > 0


def test_frozen_redis_is_asked_once_and_then_left_alone(statuses, redis, caplog):
    redis.send(signal.SIGSTOP)
    statuses(40)
    assert caplog.text.count("falling back to in-memory storage") == 1


def test_redis_that_freezes_between_counting_and_telling_breaks_nothing(make_app, redis):
    """The headers ask Redis once more, after the view."""
    app = make_app(rate_limit_enabled=True, rate_limit_redis_url=redis.url)

    def freeze(response):
        redis.send(signal.SIGSTOP)
        return response

    app.after_request(freeze)  # the last one registered runs first
    answer = app.test_client().post("/api/v1/auth/register", json={})
    assert (answer.status_code, answer.headers["RateLimit-Limit"]) == (422, "5")


@pytest.mark.parametrize("away", ["stopped", "frozen"])
def test_redis_that_is_back_is_counted_in_again(statuses, redis, away):
    if away == "stopped":
        redis.stop()
    else:
        redis.send(signal.SIGSTOP)
    assert statuses(6) == [422] * 5 + [429]
    if away == "stopped":
        redis.start()
    else:
        redis.send(signal.SIGCONT)
    let_it_check()
    statuses(1)
    with Redis.from_url(redis.url) as store:
        assert len(list(store.scan_iter())) == 1


def test_redis_that_was_never_there_is_done_without(make_app):
    app = make_app(rate_limit_enabled=True, rate_limit_redis_url=f"redis://127.0.0.1:{servers.free_port()}/0")
    client = app.test_client()
    assert [client.post("/api/v1/auth/register", json={}).status_code for _ in range(6)] == [422] * 5 + [429]


def test_redis_on_a_unix_socket_is_understood(make_app, tmp_path):
    app = make_app(rate_limit_enabled=True, rate_limit_redis_url=f"unix://{tmp_path}/redis.sock")
    assert app.test_client().post("/api/v1/auth/register", json={}).status_code == 422


def test_without_a_redis_url_the_limits_are_in_memory(make_app):
    client = make_app(rate_limit_enabled=True).test_client()
    assert [client.post("/api/v1/auth/register", json={}).status_code for _ in range(6)] == [422] * 5 + [429]


def test_log_names_neither_redis_nor_its_password(make_app, caplog):
    url = f"redis://ann:hunter2@127.0.0.1:{servers.free_port()}/0"
    client = make_app(rate_limit_enabled=True, rate_limit_redis_url=url, cache_enabled=True, cache_redis_url=url).test_client()
    with caplog.at_level("DEBUG"):
        client.post("/api/v1/auth/register", json={})
        client.get("/health")
    assert "falling back" in caplog.text
    assert "hunter2" not in caplog.text
    assert "127.0.0.1" not in caplog.text


def test_an_application_without_limits_has_none_beside_one_with(make_app):
    limited = make_app(rate_limit_enabled=True).test_client()
    free = make_app(rate_limit_enabled=False).test_client()
    assert [free.post("/api/v1/auth/register", json={}).status_code for _ in range(7)] == [422] * 7
    assert [limited.post("/api/v1/auth/register", json={}).status_code for _ in range(6)] == [422] * 5 + [429]
