"""``/health``: what works, what does not, without a word about where it is; live and ready; and that it heals."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from sqlalchemy import text

import rollcall
import servers


@pytest.fixture
def redis() -> Iterator[servers.RedisProcess]:
    with servers.RedisProcess() as server:
        yield server


@pytest.fixture
def with_redis(make_app, redis):
    app = make_app(
        cache_enabled=True, rate_limit_enabled=True, cache_redis_url=redis.url, rate_limit_redis_url=f"{redis.url[:-1]}1"
    )
    return app.test_client()


@pytest.fixture
def without_database(make_app):
    return make_app(database_url=f"postgresql://ann:hunter2@127.0.0.1:{servers.free_port()}/secretdb").test_client()


def statuses(answer):
    return {name: check["status"] for name, check in answer.json["checks"].items()}


def test_everything_works(with_redis):
    answer = with_redis.get("/health")
    assert answer.status_code == 200
    report = answer.json
    assert (report["status"], report["app_name"], report["version"]) == ("healthy", "Rollcall", rollcall.__version__)
    providers = {name: check["provider"] for name, check in report["checks"].items()}
    assert providers == {"database": "postgresql", "cache": "redis", "rate_limiter": "redis"}
    for check in report["checks"].values():
        assert set(check) == {"status", "provider", "latency_ms"}
        assert check["status"] == "healthy"
        assert 0 < check["latency_ms"] < 2000


def test_what_is_not_configured_is_not_checked(nobody):
    answer = nobody.get("//health")
    assert (answer.status_code, statuses(answer)) == (200, {"database": "healthy"})


@pytest.mark.parametrize(
    ("changes", "checked"),
    [
        ({"cache_enabled": True}, {"database", "cache"}),
        ({"rate_limit_enabled": True}, {"database", "rate_limiter"}),
        ({}, {"database"}),
    ],
)
def test_redis_is_checked_for_what_is_switched_on(make_app, redis_url, changes, checked):
    app = make_app(cache_redis_url=redis_url, rate_limit_redis_url=redis_url, **changes)
    assert set(app.test_client().get("/health").json["checks"]) == checked


def test_without_the_database_it_is_503_and_names_neither_host_nor_user(without_database):
    answer = without_database.get("/health")
    assert (answer.status_code, answer.json["status"]) == (503, "unhealthy")
    check = answer.json["checks"]["database"]
    assert (check["status"], check["provider"], check["error"]) == ("unhealthy", "postgresql", "not reachable")
    assert not any(word in answer.get_data(as_text=True) for word in ("127.0.0.1", "ann", "hunter2", "secretdb"))


def test_log_of_a_failed_check_names_neither_host_nor_user(without_database, caplog):
    with caplog.at_level("DEBUG"):
        without_database.get("/health")
    assert "health check database failed" in caplog.text
    assert not any(word in caplog.text for word in ("127.0.0.1", "hunter2", "secretdb"))


def test_wrong_password_of_the_database_is_503(make_app, database_url):
    other = psycopg2.extensions.make_dsn(database_url, dbname="no_such_database")
    answer = make_app(database_url=other).test_client().get("/health")
    assert (answer.status_code, answer.json["checks"]["database"]["error"]) == (503, "not reachable")


def test_without_redis_it_is_503_and_says_which_part(with_redis, redis):
    redis.stop()
    answer = with_redis.get("/health")
    assert answer.status_code == 503
    assert statuses(answer) == {"database": "healthy", "cache": "unhealthy", "rate_limiter": "unhealthy"}
    assert str(redis.port) not in answer.get_data(as_text=True)
    assert "127.0.0.1" not in answer.get_data(as_text=True)


def test_frozen_redis_is_noticed(with_redis, redis):
    redis.send(signal.SIGSTOP)
    answer = with_redis.get("/health")
    assert statuses(answer) == {"database": "healthy", "cache": "unhealthy", "rate_limiter": "unhealthy"}
    assert answer.json["checks"]["cache"]["error"]


def test_frozen_redis_is_noticed_within_a_limit_that_is_shorter_than_two_seconds(with_redis, redis):
    redis.send(signal.SIGSTOP)
    answer = with_redis.get("/health", headers={"X-Request-Timeout": "0.5"})
    assert answer.status_code == 503
    assert statuses(answer) == {"database": "healthy", "cache": "unhealthy", "rate_limiter": "unhealthy"}


def test_it_heals_when_redis_is_back(with_redis, redis):
    redis.stop()
    assert with_redis.get("/health").status_code == 503
    redis.start()
    assert with_redis.get("/health").status_code == 200


def test_it_heals_when_the_database_lets_us_in_again(make_app, engine, database_url):
    client = make_app().test_client()
    assert client.get("/health").status_code == 200
    name = engine.url.database
    with closing(psycopg2.connect(psycopg2.extensions.make_dsn(database_url, dbname="template1"))) as admin:
        admin.autocommit = True
        cursor = admin.cursor()
        cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        try:
            cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
            assert client.get("/health").status_code == 503
        finally:
            cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            engine.dispose()  # the test's own connections were ended, too
    assert client.get("/health").status_code == 200


def test_live_answers_without_the_database(without_database):
    answer = without_database.get("/health/live")
    assert (answer.status_code, answer.json) == (200, {"status": "alive"})


def test_ready_on_a_migrated_database(nobody):
    answer = nobody.get("//health/ready")
    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


def test_not_ready_without_the_database(without_database):
    answer = without_database.get("/health/ready")
    assert (answer.status_code, answer.json) == (503, {"status": "not_ready"})


def test_not_ready_on_an_empty_database(make_app):
    with servers.postgres() as url:
        client = make_app(database_url=url).test_client()
        assert client.get("/health/ready").status_code == 503
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("version", "status"), [("0001", 503), ("older", 503), ("", 503), ("9999", 200)], ids=["behind", "unknown", "none", "past"]
)
def test_ready_at_head_or_past_it(make_app, engine, version, status):
    """In a rolling upgrade the database is migrated while processes of the previous version still serve."""
    client = make_app().test_client()
    with engine.begin() as connection:
        head = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    try:
        assert client.get("/health/ready").status_code == status
    finally:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})
    assert client.get("/health/ready").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_probes_need_no_token_and_take_no_body(nobody, path):
    assert nobody.get("/" + path, headers={"Authorization": "Bearer nonsense"}).status_code == 200
    assert nobody.post("/" + path).status_code == 405
