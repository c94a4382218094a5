"""A PostgreSQL that is frozen, or one lock that everybody waits for: the service answers, and heals by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

import servers
from service import Reply, bearer, call, wait_for, wait_for_workers
from threads import wait_until_blocked


@contextmanager
def locked(engine, table: str) -> Iterator[None]:
    with engine.begin() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield


@contextmanager
def in_background(calls: list[Callable[[], Reply]]) -> Iterator[list[Reply]]:
    """Begin requests; their answers are there at the end of the block."""
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda ask=ask: replies.append(ask())) for ask in calls]
    for thread in threads:
        thread.start()
    yield replies
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("workers", [1, 2])
def test_liveness_is_answered_while_every_worker_waits_for_a_lock(environment, engine, root, workers):
    headers = bearer(engine, root)
    with servers.gunicorn(environment | {"ROLLCALL_REQUEST_TIMEOUT": "60"}, workers=workers) as service:
        wait_for_workers(service, workers)
        ask = lambda path: call(service.url, "GET", path, headers=headers)  # noqa: E731
        with in_background([lambda: ask("/api/v1/users")] * workers) as waiting, locked(engine, "users"):
            wait_until_blocked(engine, workers)
            for _ in range(3):
                alive = ask("/health/live")
                assert (alive.status_code, alive.json) == (200, {"status": "alive"})
                refused = ask("/api/v1/users")
                assert (refused.status_code, refused.json["error"]) == (503, "service_unavailable")
                assert refused.headers["Retry-After"]
            assert call(service.url, "POST", "/api/v1/users", {"email": "x" * 100_000}, headers).status_code == 503
            assert not waiting
        assert [reply.status_code for reply in waiting] == [200] * workers
        assert ask("/api/v1/users").status_code == 200
        assert 1 <= service.log.read_text().count("new requests get 503") <= workers


def test_worker_that_is_free_is_not_passed_over(environment, engine, root):
    # One of two workers waits for a lock: the other one serves whoever comes.
    headers = bearer(engine, root)
    with servers.gunicorn(environment | {"ROLLCALL_REQUEST_TIMEOUT": "60"}) as service:
        wait_for_workers(service)
        ask = lambda path: call(service.url, "GET", path, headers=headers)  # noqa: E731
        with in_background([lambda: ask("/api/v1/dashboard/stats")]), locked(engine, "user_tally_deltas"):
            wait_until_blocked(engine)
            assert {ask("/api/v1/auth/me").status_code for _ in range(20)} == {200}
        assert "new requests get 503" not in service.log.read_text()


def test_requests_do_not_queue_up_for_a_silent_server_and_it_heals(environment, make_gate, url_through):
    gate = make_gate()
    with servers.gunicorn(environment | {"DATABASE_URL": url_through(gate)}, workers=1) as service:
        ask = lambda path: call(service.url, "GET", path)  # noqa: E731
        me = lambda: call(service.url, "GET", "/api/v1/auth/me", headers={"Authorization": "Bearer x"})  # noqa: E731
        assert me().status_code == 401
        time.sleep(1.1)  # a connection that was used within the second is believed to work
        with gate.silent():
            answers = [me() for _ in range(12)]
            assert {answer.status_code for answer in answers} == {503}
            assert all(answer.headers["Retry-After"] for answer in answers)
            assert ask("/health/live").status_code == 200
        wait_for(lambda: me().status_code == 401)
        log = service.log.read_text()
        assert log.count("answered 503: PostgreSQL does not answer\n") == 1
        assert log.count("answered 503: PostgreSQL did not answer several times, and is left alone for a moment\n") == 1


def test_health_is_answered_within_a_limit_that_is_shorter_than_its_own(environment, make_gate, url_through):
    gate = make_gate()
    with servers.gunicorn(environment | {"DATABASE_URL": url_through(gate)}, workers=1) as service, gate.silent():
        answer = call(service.url, "GET", "/health", headers={"X-Request-Timeout": "0.5"})
        assert (answer.status_code, answer.json["status"]) == (503, "unhealthy")
        answer = call(service.url, "GET", "/health/ready", headers={"X-Request-Timeout": "0.5"})
        assert (answer.status_code, answer.json["status"]) == (503, "not_ready")


def test_statement_ends_when_the_server_falls_silent_in_its_midst(environment, make_gate, url_through, engine, root):
    headers = bearer(engine, root)
    gate = make_gate()
    with servers.gunicorn(environment | {"DATABASE_URL": url_through(gate), "ROLLCALL_REQUEST_TIMEOUT": "60"}) as service:
        ask = lambda: call(service.url, "GET", "/api/v1/users", headers=headers)  # noqa: E731
        with locked(engine, "users"), in_background([ask]) as waiting:
            wait_until_blocked(engine)
            with gate.silent():
                wait_for(lambda: bool(waiting))
        assert [(reply.status_code, reply.json["error"]) for reply in waiting] == [(503, "service_unavailable")]
        wait_for(lambda: ask().status_code == 200)
