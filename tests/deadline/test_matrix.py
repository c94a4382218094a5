"""Whatever a request is stuck in: 504 on time, cancelled and rolled back at the server, and the worker serves on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psycopg2
import pytest

from deadline.harness import Gate, Observer, Reply, Server, in_background

LATEST = 1.25


@pytest.fixture
def same_worker(server: Server, observer: Observer) -> Iterator[None]:
    """Afterwards the worker is the same, holds nothing, and serves; the database is idle."""
    before = server.get("state").json
    yield
    # The client has its answer a moment before the worker is through with the connection.
    after = server.get("state")
    assert after.status == 200
    changing = {"files": 0, "cleaned_up": 0}
    assert after.json | changing == before | changing
    assert after.json["checked_out"] == 0
    assert after.json["files"] <= before["files"] + 5  # connections that the pool has made
    assert server.get("answer").body == b"42"
    assert observer.busy() == []


def assert_timed_out(reply: Reply, limit: float = 1.0) -> None:
    assert reply.status == 504
    assert limit - 0.01 <= reply.seconds <= limit + 0.25
    assert reply.json["error"] == "request_timeout"
    assert reply.json["message"] == f"Request exceeded {limit}s timeout"
    assert reply.json["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    "path",
    [
        "sql?seconds=30",
        "read?seconds=30",
        "swallow",
        "swallow-everything",
        "sleep?seconds=30",
        "loop",
        "statements",
        "finally?seconds=30",
        "pool",
        "hash",
        "old-hash?format=sha512-crypt",
        "old-hash?format=phpass",
        "flush?key=flush",
        "write?key=in-sql&sql=30",
        "write?key=in-python&python=30",
        "export?first=30",
    ],
)
@pytest.mark.usefixtures("same_worker")
def test_stuck(server: Server, observer: Observer, path: str) -> None:
    assert_timed_out(server.get(path))
    assert observer.busy() == []
    assert not observer.keys() & {"flush", "in-sql", "in-python"}


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("row-lock", "UPDATE stuck_rows SET delay = 0 WHERE key = 'locked'"),
        ("table-lock", "LOCK TABLE stuck_rows IN ACCESS SHARE MODE"),
    ],
)
def test_lock_wait(server: Server, observer: Observer, same_worker: None, path: str, statement: str) -> None:
    with psycopg2.connect(observer.connection.dsn) as holder, holder.cursor() as cursor:
        cursor.execute(statement)
        assert_timed_out(server.get(path))
        assert observer.query("SELECT pid FROM pg_locks WHERE NOT granted") == []
        holder.rollback()
    holder.close()


def working_backend(observer: Observer) -> int:
    """The process of the statement that a request is in."""
    until = time.monotonic() + 0.9
    while time.monotonic() < until:
        busy = [pid for pid, _, query in observer.busy() if "pg_sleep" in query]
        if busy:
            return int(busy[0])
        time.sleep(0.01)
    raise AssertionError("no statement arrived at the server")


@pytest.mark.parametrize("path", ["sql?seconds=0.5", "read?seconds=0.5", "write?key=frozen&sql=0.5"])
def test_frozen_backend(server: Server, observer: Observer, path: str) -> None:
    before = server.get("state").json["pid"]
    thread, replies = in_background(lambda: server.get(path))
    backend = working_backend(observer)
    os.kill(backend, signal.SIGSTOP)
    try:
        thread.join()
        assert_timed_out(replies[0])
        fresh = server.get("answer")
        assert (fresh.status, fresh.body) == (200, b"42")
        assert server.get("state").json["pid"] == before
    finally:
        os.kill(backend, signal.SIGCONT)
    time.sleep(0.3)
    assert not observer.has("frozen")
    assert observer.busy() == []


def test_frozen_backend_during_commit(server: Server, observer: Observer) -> None:
    thread, replies = in_background(lambda: server.get("write?key=frozen-commit&commit=0.5"))
    time.sleep(0.2)
    (backend,) = (pid for pid, _, query in observer.busy() if query == "COMMIT")
    os.kill(backend, signal.SIGSTOP)
    try:
        thread.join()
    finally:
        os.kill(backend, signal.SIGCONT)
    assert_timed_out(replies[0])
    assert [detail["type"] for detail in replies[0].json["details"]] == ["outcome_unknown"]
    assert server.get("answer").body == b"42"


def test_postgres_accepts_and_stays_silent(server: Server, gates: dict[str, Gate]) -> None:
    before = server.get("state").json["pid"]
    with gates["postgres"].silent():
        for _ in range(2):
            assert_timed_out(server.get("answer"))
    assert server.get("answer").body == b"42"
    assert server.get("state").json["pid"] == before


@pytest.mark.parametrize("seconds", [None, 0.4])
def test_redis_silent_or_slow(server: Server, gates: dict[str, Gate], seconds: float | None) -> None:
    # The cache fails open: no request waits for it to the end of its limit.
    gate = gates["redis"]
    with gate.silent() if seconds is None else gate.slow(seconds):
        reply = server.get("cached")
        assert reply.status == 200
        assert reply.seconds < LATEST
    assert server.get("answer").body == b"42"


def test_two_limits(server: Server) -> None:
    assert_timed_out(server.get("sql?seconds=30", X_Request_Timeout="0.3"), 0.3)
    # A client cannot raise the limit.
    assert_timed_out(server.get("sleep?seconds=30", X_Request_Timeout="20"))
    # A route can, and a client can lower that again.
    assert_timed_out(server.get("long?seconds=30"), 2.0)
    assert_timed_out(server.get("long?seconds=30", X_Request_Timeout="0.5"), 0.5)


@pytest.mark.parametrize("value", ["", "0", "0.0", "-1", "inf", "nan", "1e3", "+1", "1,5", "٣", "1" * 40, "1 2"])
def test_header_that_is_no_duration(server: Server, value: str) -> None:
    reply = server.request("GET", "quick", {"X-Request-Timeout": value.encode().decode("latin-1")})
    assert (reply.status, reply.json["error"]) == (400, "bad_request")


@pytest.mark.usefixtures("same_worker")
def test_teardown(server: Server) -> None:
    # The answer was ready in time; only the clean-up was not.
    reply = server.get("teardown")
    assert (reply.status, reply.body) == (200, b"done")
    assert reply.seconds <= LATEST


@pytest.mark.usefixtures("same_worker")
def test_short_clean_up_is_left_alone(server: Server) -> None:
    before = server.get("state").json["cleaned_up"]
    reply = server.get("finally?seconds=1.05")
    assert_timed_out(reply)
    assert reply.seconds > 1.04
    assert server.get("state").json["cleaned_up"] == before + 1


def test_counted_and_logged(server: Server) -> None:
    reply = server.get("sql?seconds=30", X_Request_Timeout="0.2", X_Request_ID="the-request")
    assert reply.status == 504
    line = next(line for line in server.log.splitlines() if "the-request" in line)
    assert "route=/api/v1/stuck/sql stuck_in=sql last_statement=" in line
    assert "pg_sleep" not in line
    metrics = server.get("/metrics").body.decode()
    assert 'rollcall_request_timeouts_total{route="/api/v1/stuck/sql",stuck_in="sql"}' in metrics


def test_head_and_keep_alive(server: Server) -> None:
    reply = server.request("HEAD", "sleep?seconds=30", {"Connection": "keep-alive", "X-Request-Timeout": "0.3"})
    assert (reply.status, reply.body, reply.headers["connection"]) == (504, b"", "close")
    assert reply.seconds < 0.55
