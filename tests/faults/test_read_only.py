"""A PostgreSQL that can only be read, and a Redis that stores nothing: reads go on, and ``/health`` says it."""

from __future__ import annotations

import pytest
from redis import Redis
from sqlalchemy import func, select, text

import servers
from rollcall.models import user_tally_deltas
from rollcall.services.statistics import tally

ROW_BY_ROW = text("INSERT INTO users (email, username) VALUES (:name || '@example.org', :name)")


def deltas(engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(user_tally_deltas)).scalar_one()


@pytest.fixture
def many_deltas(engine, app) -> None:
    with engine.begin() as connection:
        connection.execute(ROW_BY_ROW, [{"name": f"many{number}"} for number in range(tally.FOLD_ABOVE + 100)])


READS = [
    "/users",
    "/users?page=3&size=10",
    "/users?search=many1&sort_by=username",
    "/users?is_active=true",
    "/dashboard/stats",
    "/dashboard/signups?days=7",
]


def test_reads_go_on_and_health_says_that_nothing_can_be_written(make_app, root, call_as, read_only_url):
    caller = call_as(root, make_app(database_url=read_only_url))
    for path in READS:
        assert caller.get(path).status_code == 200, path
    assert caller.get("/users").json["total"] == tally.FOLD_ABOVE + 101
    unrecorded = caller.get("/users/export?format=csv")  # nobody is exported without a trace
    assert (unrecorded.status_code, unrecorded.json["error"]) == (503, "service_unavailable")
    refused = caller.post("/users", json={"email": "new@example.org", "username": "new", "password": "correct-horse-battery"})
    assert (refused.status_code, refused.json["error"]) == (503, "service_unavailable")
    health = caller.get("//health")
    assert (health.status_code, health.json["status"]) == (503, "unhealthy")
    assert health.json["checks"]["database"]["error"] == "cannot be written"


@pytest.fixture
def read_only_url(database_url, many_deltas) -> str:
    """Of connections that can only read."""
    separator = "&" if "?" in database_url else "?"
    return f"{database_url}{separator}options=-c%20default_transaction_read_only%3Don"


def test_commands_read_a_read_only_server(make_app, read_only_url):
    runner = make_app(database_url=read_only_url).test_cli_runner()
    for command in ("stats show", "stats verify", "events list"):
        result = runner.invoke(args=command.split())
        assert result.exit_code == 0, result.output


def test_whoever_writes_next_merges_what_readers_found(as_root, engine, many_deltas):
    before = deltas(engine)
    assert before > tally.FOLD_ABOVE
    assert as_root.get("/users").status_code == 200
    assert deltas(engine) == before
    new = {"email": "new@example.org", "username": "new", "password": "correct-horse-battery"}
    assert as_root.post("/users", json=new).status_code == 201
    assert deltas(engine) == 0
    assert as_root.get("/users").json["total"] == tally.FOLD_ABOVE + 102


def test_transaction_that_writes_nothing_merges_nothing(make_app, engine, many_deltas):
    runner = make_app().test_cli_runner()
    before = deltas(engine)
    for _ in range(2):
        assert runner.invoke(args=["stats", "show"]).exit_code == 0
    assert deltas(engine) == before


@pytest.mark.parametrize("why", ["a replica", "no memory left"])
def test_redis_that_stores_nothing_is_unhealthy(make_app, why):
    with servers.RedisProcess() as server:
        app = make_app(cache_enabled=True, cache_redis_url=server.url, rate_limit_enabled=True, rate_limit_redis_url=server.url)
        client = app.test_client()
        assert client.get("/health").status_code == 200
        with Redis.from_url(server.url) as redis:
            if why == "a replica":
                redis.replicaof("127.0.0.1", servers.free_port())
            else:
                redis.config_set("maxmemory", 1)
            answer = client.get("/health")
            assert redis.ping()
        assert answer.status_code == 503
        checks = answer.json["checks"]
        assert {checks[name]["error"] for name in ("cache", "rate_limiter")} == {"cannot be written"}
