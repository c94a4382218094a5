"""Browsers: nobody's, a superuser's and a plain user's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from redis import Redis

from browser import Browser
from rollcall.models import User


@pytest.fixture
def stranger(app: Flask) -> Browser:
    """Nobody who is known."""
    return Browser(app.test_client())


@pytest.fixture
def browser_of(app: Flask, sign_in: Callable[[User], dict[str, str]]) -> Callable[[User], Browser]:
    """The browser of a user who has logged in."""

    def make(user: User) -> Browser:
        browser = Browser(app.test_client())
        with browser.client.session_transaction() as cookie:
            cookie["token"] = sign_in(user)["Authorization"].removeprefix("Bearer ")
        return browser

    return make


@pytest.fixture
def root_browser(browser_of: Callable[[User], Browser], root: User) -> Browser:
    return browser_of(root)


@pytest.fixture
def ann_browser(browser_of: Callable[[User], Browser], ann: User) -> Browser:
    return browser_of(ann)


@pytest.fixture
def cache_url(redis_url: str) -> Iterator[str]:
    """The run's Redis, which neither holds statistics of the tests before nor keeps any for those after."""
    with Redis.from_url(redis_url) as store:
        store.delete("rollcall:statistics")
        yield redis_url
        store.delete("rollcall:statistics")
