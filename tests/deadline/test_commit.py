"""A 504 means that nothing was committed, a 2xx that all of it was; where nobody can know, the 504 says so."""

from __future__ import annotations

import os
import signal
import time

import pytest

from deadline.harness import Observer, Server, in_background


@pytest.mark.parametrize("seconds", [0.96, 0.999])
def test_commit_that_ends_late_is_answered_with_its_result(server: Server, observer: Observer, seconds: float) -> None:
    key = f"late-{seconds}"
    reply = server.get(f"write?key={key}&python={seconds - 0.06}&commit=0.15")
    assert reply.status == 200
    assert 1.0 < reply.seconds < 1.25
    assert observer.has(key)


def test_no_commit_begins_without_time_for_it(server: Server, observer: Observer) -> None:
    reply = server.get("write?key=too-late&python=0.985")
    assert (reply.status, reply.json["details"]) == (504, [])
    assert not observer.has("too-late")


def test_rollback_is_not_cancelled_for_want_of_time(server: Server, observer: Observer) -> None:
    # Some 15 ms before the deadline nothing is committed any more. A cancel at the deadline may come upon that ROLLBACK, whose
    # error would be a 500 in the place of the 504; a connection that was sent one is not used again.
    thread, replies = in_background(lambda: server.get("write?key=rolled-back&python=0.985"))
    time.sleep(0.5)
    ((backend, *_),) = observer.busy()
    time.sleep(0.4)
    os.kill(backend, signal.SIGSTOP)
    try:
        time.sleep(0.13)
    finally:
        os.kill(backend, signal.SIGCONT)
    thread.join()
    assert (replies[0].status, replies[0].json["details"]) == (504, [])
    assert not observer.has("rolled-back")
    assert server.get("answer").body == b"42"
    assert observer.query("SELECT state FROM pg_stat_activity WHERE pid = %s", backend) == [("idle",)]


def test_commit_that_does_not_end(server: Server, observer: Observer) -> None:
    reply = server.get("write?key=slow-commit&commit=2")
    assert reply.status == 504
    assert reply.seconds <= 1.25
    assert [detail["type"] for detail in reply.json["details"]] == ["outcome_unknown"]
    assert server.get("answer").body == b"42"
    # The server looks after its clients once a second, and ends what nobody waits for.
    time.sleep(1.2)
    assert observer.busy() == []


def test_answer_after_commit_has_a_little_longer(server: Server, observer: Observer) -> None:
    reply = server.get("write?key=saved&python=0.9&after=0.15")
    assert (reply.status, reply.body) == (200, b"done")
    assert observer.has("saved")


def test_answer_long_after_commit_says_that_it_was_saved(server: Server, observer: Observer) -> None:
    reply = server.get("write?key=saved-and-stuck&after=30")
    assert reply.status == 504
    assert reply.seconds <= 1.25
    assert [detail["type"] for detail in reply.json["details"]] == ["saved"]
    assert observer.has("saved-and-stuck")
