"""The cache on a real Redis and on files: shared, plain, computed once at a time, and never in the way."""

from __future__ import annotations

import json
import pickle
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from flask import Flask

from rollcall.infra import cache, metrics
from rollcall.infra.cache import Cached
from threads import together

NOW = 1_790_000_000.0
TTL = 60


@pytest.fixture
def on_redis(make_app, redis) -> Flask:
    return make_app(cache_enabled=True, cache_redis_url=redis.url)


@pytest.fixture
def on_files(make_app, tmp_path) -> Flask:
    return make_app(cache_enabled=True, home=tmp_path)


@pytest.fixture(params=["redis", "files"])
def pair(request, make_app, tmp_path) -> tuple[Flask, Flask]:
    """Two applications with the same store, as two workers are."""
    changes: dict[str, Any] = {"cache_enabled": True, "home": tmp_path}
    if request.param == "redis":
        changes["cache_redis_url"] = request.getfixturevalue("redis").url
    return make_app(**changes), make_app(**changes)


class Source:
    """Computes values, and counts how often."""

    def __init__(self, value: Any = None, before: Callable[[], object] = lambda: None) -> None:
        self.calls = 0
        self._value = value
        self._before = before

    def __call__(self) -> Any:
        self.calls += 1
        self._before()
        return self._value or {"answer": self.calls}


def fetch(app: Flask, source: Callable[[], Any], now: float = NOW, key: str = "test") -> Cached:
    with app.app_context():
        return cache.fetch(key, TTL, now, source)


def failures() -> float:
    return metrics.CACHE_FAILURES._value.get()


def test_value_is_computed_once_and_then_served_to_all_workers(pair):
    source = Source()
    first = fetch(pair[0], source)
    assert (first.value, first.age) == ({"answer": 1}, 0.0)
    second = fetch(pair[1], source, NOW + 10)
    assert (second.value, second.age, source.calls) == ({"answer": 1}, 10.0, 1)


def test_value_is_computed_anew_when_it_expires(pair):
    source = Source()
    fetch(pair[0], source)
    assert fetch(pair[1], source, NOW + TTL - 0.1).value == {"answer": 1}
    assert fetch(pair[1], source, NOW + TTL).value == {"answer": 2}
    assert fetch(pair[0], source, NOW + TTL).value == {"answer": 2}


def test_keys_are_apart(pair):
    fetch(pair[0], Source("one"), key="one")
    assert fetch(pair[1], Source("two"), key="two").value == "two"


def test_many_at_once_on_an_empty_cache_compute_once(pair):
    started = Event()
    source = Source(before=lambda: started.wait(0.1))
    calls = [lambda app=app: fetch(app, source) for app in pair * 8]
    assert {found.value["answer"] for found in together(calls)} == {1}
    assert source.calls == 1


def test_value_that_has_just_expired_is_served_while_one_computes_the_next(pair):
    fetch(pair[0], Source("old"))
    computing, done = Event(), Event()
    slow = Source("new", before=lambda: (computing.set(), done.wait(10)))
    with ThreadPoolExecutor(1) as pool:
        refresh = pool.submit(fetch, pair[0], slow, NOW + TTL)
        assert computing.wait(10)
        meanwhile = Source("never")
        served = fetch(pair[1], meanwhile, NOW + TTL + 1)
        done.set()
        assert refresh.result().value == "new"
    assert (served.value, served.age, meanwhile.calls) == ("old", TTL + 1, 0)


def test_failed_computation_leaves_no_lock_behind(pair):
    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fetch(pair[0], fail)
    with pair[1].app_context():
        assert cache.cache.cache.get("test:lock") is None
    assert fetch(pair[1], Source("fine")).value == "fine"


def test_lock_of_a_worker_that_died_holds_up_nobody_for_good(pair, monkeypatch):
    monkeypatch.setattr(cache, "_COLD_WAIT", 0.02)
    with pair[0].app_context():
        assert cache.cache.cache.add("test:lock", 1, timeout=1000)
    assert fetch(pair[1], Source("fine")).value == "fine"


def test_lock_that_has_expired_is_taken(pair):
    with pair[0].app_context():
        store = cache.cache.cache
        assert store.add("test:lock", 1, timeout=1)
        assert not store.add("test:lock", 1, timeout=1)
    expired = Event()
    for _ in range(300):
        with pair[1].app_context():
            if cache.cache.cache.add("test:lock", 1, timeout=1):
                break
        expired.wait(0.02)
    else:
        pytest.fail("the lock never expires")


def test_one_of_many_takes_a_lock(pair):
    def take(app):
        with app.app_context():
            return cache.cache.cache.add("test:lock", 1, timeout=5)

    assert sum(together([lambda app=app: take(app) for app in pair * 10])) == 1


# What lies in the store


def test_redis_holds_json(on_redis, store):
    fetch(on_redis, Source({"total": 3}))
    assert json.loads(store.get("rollcall:test")) == {"value": {"total": 3}, "at": NOW}


def test_redis_forgets_values_by_itself(on_redis, store):
    fetch(on_redis, Source())
    assert TTL <= store.ttl("rollcall:test") <= TTL + 10


def test_files_hold_json_for_nobody_else(on_files, tmp_path):
    fetch(on_files, Source({"total": 3}))
    [path] = [path for path in (tmp_path / "cache").iterdir() if b"total" in path.read_bytes()]
    assert json.loads(path.read_bytes()[4:]) == {"value": {"total": 3}, "at": NOW}
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o077 == 0


class Evil:
    def __reduce__(self):
        return pytest.fail, ("a value of the cache was run",)


@pytest.mark.parametrize(
    "planted",
    [
        pickle.dumps(Evil()),
        b"!" + pickle.dumps(Evil()),
        b"",
        b"{",
        b"1",
        b"[]",
        b'{"value": 1}',
        b'{"value": 1, "at": "x"}',
        b"\xff",
    ],
)
def test_foreign_value_is_neither_run_nor_served(on_redis, store, planted):
    store.set("rollcall:test", planted)
    assert fetch(on_redis, Source("ours")).value == "ours"


@pytest.mark.parametrize("planted", [pickle.dumps(Evil()), b"", b"\xff\xff\xff\xff" + pickle.dumps(Evil()), b"\xff\xff\xff\xff{"])
def test_foreign_file_is_neither_run_nor_served(on_files, tmp_path, planted):
    fetch(on_files, Source("old"))
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(planted)
    assert fetch(on_files, Source("ours")).value == "ours"


# When the store is away


def test_without_redis_every_value_is_computed(on_redis, redis):
    redis.stop()
    source = Source()
    assert [fetch(on_redis, source).value["answer"] for _ in range(3)] == [1, 2, 3]


def test_redis_that_dies_in_between_is_done_without(on_redis, redis):
    source = Source()
    fetch(on_redis, source)
    redis.stop()
    assert fetch(on_redis, source).value == {"answer": 2}


def test_frozen_redis_costs_one_attempt_and_is_then_left_alone(on_redis, redis):
    fetch(on_redis, Source())
    before = failures()
    redis.send(signal.SIGSTOP)
    source = Source()
    for _ in range(50):
        fetch(on_redis, source)
    assert (source.calls, failures() - before) == (50, 1)


def test_redis_that_is_back_is_used_again(on_redis, redis, monkeypatch):
    monkeypatch.setattr(cache, "RETRY_AFTER", 0.05)
    redis.stop()
    source = Source()
    fetch(on_redis, source)
    redis.start()
    for _ in range(500):
        if fetch(on_redis, source).age > 0 or fetch(on_redis, source, NOW + 1).age > 0:
            return
        Event().wait(0.01)
    pytest.fail("the cache does not heal")


def test_file_that_another_worker_has_replaced_is_read_anew_and_one_that_has_expired_is_not_served(on_files, monkeypatch):
    with on_files.app_context():
        store = cache.cache.cache
        other = cache.FileCache(store._path)
        other.serializer = store.serializer
        other.set("key", {"answer": 1}, timeout=100)
        assert store.get("key") == {"answer": 1} == store.get("key")
        other.set("key", {"answer": 2}, timeout=100)
        assert store.get("key") == {"answer": 2}
        later = time.time() + 101
        monkeypatch.setattr(time, "time", lambda: later)
        assert store.get("key") is None


def test_folder_that_is_gone_is_made_anew(on_files, tmp_path):
    (tmp_path / "cache").rmdir()
    source = Source()
    assert [fetch(on_files, source).value["answer"] for _ in range(2)] == [1, 1]


def test_folder_that_cannot_be_used_is_done_without(on_files, tmp_path, caplog):
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").touch()
    source = Source()
    assert [fetch(on_files, source).value["answer"] for _ in range(3)] == [1, 2, 3]
    assert [record.message for record in caplog.records if "cache's store" in record.message] == [
        "the cache's store is unavailable: Not a directory"
    ]


def test_switched_off_every_value_is_computed(make_app, redis, store):
    app = make_app(cache_enabled=False, cache_redis_url=redis.url)
    source = Source()
    assert [fetch(app, source).value["answer"] for _ in range(3)] == [1, 2, 3]
    assert store.keys() == []


# Through the interface


def test_statistics_in_redis_hold_no_personal_data(make_app, redis, store, root, sign_in):
    client = make_app(cache_enabled=True, cache_redis_url=redis.url).test_client()
    answer = client.get("/api/v1/dashboard/stats", headers=sign_in(root))
    assert json.loads(store.get("rollcall:statistics"))["value"] == answer.json
    assert store.keys() == [b"rollcall:statistics"]


def test_statistics_are_answered_with_redis_away(make_app, redis, root, sign_in):
    client, headers = make_app(cache_enabled=True, cache_redis_url=redis.url).test_client(), sign_in(root)
    redis.stop()
    assert client.get("/api/v1/dashboard/stats", headers=headers).json["total_users"] == 1
