"""With time left, a PostgreSQL that is away is a 503 within two seconds. What nothing can end, gunicorn ends."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from http.client import RemoteDisconnected
from typing import Any

import pytest

from deadline.harness import Gate, Observer, Reply, Server, serve


@pytest.fixture(scope="module")
def patient(gates: dict[str, Gate], database: Any) -> Iterator[Server]:
    """One worker, a limit of ten seconds."""
    with serve(gates, database.info.dbname, limit=10) as running:
        yield running


def end_all_sessions(observer: Observer) -> None:
    observer.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rollcall'")
    time.sleep(0.2)  # until the word has got around


def assert_away(reply: Reply) -> None:
    assert (reply.status, reply.json["error"]) == (503, "service_unavailable")
    assert "retry-after" in reply.headers
    assert reply.seconds < 2


def test_silent(patient: Server, gates: dict[str, Gate], observer: Observer) -> None:
    assert patient.get("answer").status == 200
    time.sleep(1.1)  # a connection that was used within the second is believed to work
    with gates["postgres"].silent():
        assert_away(patient.get("answer"))  # on a connection that the pool has kept
        assert_away(patient.get("answer"))  # on a new one
        # The same connection attempt, but the client's limit ends it first.
        assert patient.get("answer", X_Request_Timeout="0.2").status == 504
    assert patient.get("answer").body == b"42"


def test_refused(patient: Server, gates: dict[str, Gate], observer: Observer) -> None:
    assert patient.get("answer").status == 200
    with gates["postgres"].refusing():
        end_all_sessions(observer)
        for _ in range(2):
            assert_away(patient.get("answer"))
    assert patient.get("answer").body == b"42"


def test_restarted(patient: Server, observer: Observer) -> None:
    assert patient.get("answer").status == 200
    end_all_sessions(observer)
    assert patient.get("answer").body == b"42"


def test_session_ended_in_the_midst(patient: Server, observer: Observer) -> None:
    replies: list[Reply] = []
    thread = threading.Thread(target=lambda: replies.append(patient.get("write?key=ended&sql=5")))
    thread.start()
    time.sleep(0.3)
    end_all_sessions(observer)
    thread.join()
    assert_away(replies[0])
    assert not observer.has("ended")
    assert patient.get("state").json["checked_out"] == 0


def test_terminated_while_a_request_runs(gates: dict[str, Gate], database: Any) -> None:
    with serve(gates, database.info.dbname) as server:
        replies: list[Reply] = []
        thread = threading.Thread(target=lambda: replies.append(server.get("sql?seconds=0.5")))
        thread.start()
        time.sleep(0.2)
        server.gunicorn.process.send_signal(signal.SIGTERM)
        thread.join()
        assert (replies[0].status, replies[0].body) == (200, b"done")
        assert server.gunicorn.process.wait(5) == 0


@pytest.mark.heavy
def test_code_that_nothing_can_interrupt(gates: dict[str, Gate], database: Any, observer: Observer) -> None:
    # The last backstop, documented: the worker is killed, its client's connection closed, its transaction rolled back.
    with serve(gates, database.info.dbname) as server:
        before = server.get("state").json["pid"]
        start = time.monotonic()
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            server.get("holding-the-interpreter?key=killed")
        assert 5 < time.monotonic() - start < 10
        assert server.get("state").json["pid"] != before
        time.sleep(1)
        assert not observer.has("killed")
        assert observer.busy() == []
