"""Two gunicorn workers as one service: what one knows, all tell; what one of them loses, no one misses."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

import servers
from service import bearer, call, wait_for, wait_for_workers
from threads import together

SECRET = "secret-key-of-the-tests-" + "x" * 20
FIVE = ("pool_size", "checked_in", "checked_out", "overflow", "total_connections")


@pytest.fixture(scope="module")
def redis() -> Iterator[servers.RedisProcess]:
    with servers.RedisProcess() as server:
        yield server


@pytest.fixture(scope="module", params=["redis", "files"])
def service(request, shared_app, database_url) -> Iterator[servers.Gunicorn]:
    """With the shared store in Redis, and with what there is without Redis."""
    environment = {"DATABASE_URL": database_url, "SECRET_KEY": SECRET, "ROLLCALL_STATS_TTL": "86400"}
    if request.param == "redis":
        environment["REDIS_URL"] = request.getfixturevalue("redis").url
    with servers.gunicorn(environment) as server:
        wait_for_workers(server)
        yield server


@pytest.fixture
def headers(engine, root) -> dict[str, str]:
    return bearer(engine, root)


def scrape(service: servers.Gunicorn) -> dict[str, float]:
    """The sums of all samples by name."""
    text = call(service.url, "GET", "/metrics").data.decode()
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


def test_pools_of_all_workers_are_told_from_the_start(service, headers):
    report = call(service.url, "GET", "/api/v1/metrics/database", headers=headers).json
    assert [worker["pid"] for worker in report["workers"]] == sorted(service.worker_pids())
    assert len(report["workers"]) == 2
    for name in FIVE:
        assert report[name] == sum(worker[name] for worker in report["workers"])
    for worker in report["workers"]:
        assert worker["pool_size"] == 2
        assert worker["total_connections"] == worker["checked_in"] + worker["checked_out"]
    assert report["checked_out"] == 0


def test_metrics_are_summed_over_workers(service):
    name = "rollcall_request_seconds_count"
    before = scrape(service)[name]
    together([lambda: call(service.url, "GET", "/health/live")] * 40)
    # Of the two scrapes themselves, the first is counted when the second looks.
    assert scrape(service)[name] - before == 41


def test_no_label_tells_workers_apart_but_that_of_the_pools(service):
    text = call(service.url, "GET", "/metrics").data.decode()
    with_pid = set(re.findall(r"^(\w+)\{[^}]*pid=", text, re.MULTILINE))
    assert with_pid == {"rollcall_pool_connections"}


def test_value_that_one_worker_has_cached_serves_all(service, headers):
    ask = lambda: call(service.url, "GET", "/api/v1/dashboard/stats", headers=headers)  # noqa: E731
    first = ask()
    before = scrape(service)
    answers = together([ask] * 30)
    after = scrape(service)
    assert {answer.json["timestamp"] for answer in answers} == {first.json["timestamp"]}
    grown = [after[name] - before[name] for name in ("rollcall_cache_hits_total", "rollcall_cache_misses_total")]
    assert grown == [30, 0]
    assert {answer.headers["ETag"] for answer in answers} == {first.headers["ETag"]}


def test_worker_that_was_killed_is_replaced_and_told_no_more(service, headers):
    victim, survivor = service.worker_pids()
    before = scrape(service)["rollcall_request_seconds_count"]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(service.worker_pids()) == 2 and victim not in service.worker_pids())
    newcomer = next(pid for pid in service.worker_pids() if pid != survivor)

    def told() -> list[int]:
        answer = call(service.url, "GET", "/api/v1/metrics/database", headers=headers)
        assert answer.status_code == 200, answer.data + service.log.read_bytes()[-4000:]
        return [worker["pid"] for worker in answer.json["workers"]]

    # The newcomer is a child from its fork on, and a worker a moment later.
    wait_for(lambda: newcomer in told())
    assert told() == sorted([survivor, newcomer])
    # What the victim has counted is not forgotten.
    assert scrape(service)["rollcall_request_seconds_count"] > before


def test_worker_that_was_killed_as_it_started_spoils_no_metrics(service, headers):
    [folder] = service.log.parent.glob("run/metrics-*")
    for kind in ("counter", "histogram", "gauge_liveall"):
        (folder / f"{kind}_999999999.db").touch()
    assert call(service.url, "GET", "/metrics").status_code == 200
    report = call(service.url, "GET", "/api/v1/metrics/database", headers=headers).json
    assert [worker["pid"] for worker in report["workers"]] == sorted(service.worker_pids())


def test_log_holds_no_secrets(service, headers, make_user):
    make_user(username="bob")
    opened = call(service.url, "POST", "/api/v1/auth/login", {"username": "bob", "password": "correct-horse-battery"}).json
    call(service.url, "POST", "/api/v1/auth/login", {"username": "bob", "password": "wrong-horse-battery"})
    call(service.url, "GET", "/api/v1/auth/me", headers={"Authorization": f"Bearer {opened['access_token']}"})
    log = service.log.read_text()
    assert log
    for secret in (SECRET, "horse-battery", opened["access_token"], headers["Authorization"].split()[1], "$argon2"):
        assert secret not in log


@pytest.mark.parametrize("service", ["redis"], indirect=True)
@pytest.mark.parametrize("away", ["frozen", "stopped"])
def test_service_goes_on_without_its_redis_and_heals(service, redis, headers, make_user, away):
    make_user(username="bob")
    if away == "frozen":
        redis.send(signal.SIGSTOP)
    else:
        redis.stop()
    try:
        # Computed anew: the user made meanwhile is counted.
        assert call(service.url, "GET", "/api/v1/dashboard/stats", headers=headers).json["total_users"] == 2
        credentials = {"username": "bob", "password": "correct-horse-battery"}
        assert call(service.url, "POST", "/api/v1/auth/login", credentials).status_code == 200
        health = call(service.url, "GET", "/health")
        assert health.status_code == 503
        assert {name: check["status"] for name, check in health.json["checks"].items()} == {
            "database": "healthy",
            "cache": "unhealthy",
            "rate_limiter": "unhealthy",
        }
    finally:
        if away == "frozen":
            redis.send(signal.SIGCONT)
        else:
            redis.start()
    assert call(service.url, "GET", "/health").status_code == 200
