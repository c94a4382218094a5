"""A Redis of a test's own, to be stopped and frozen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

import servers


@pytest.fixture
def redis() -> Iterator[servers.RedisProcess]:
    with servers.RedisProcess() as server:
        yield server


@pytest.fixture
def store(redis) -> Iterator[Redis]:
    with Redis.from_url(redis.url) as client:
        yield client
