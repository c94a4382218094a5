"""The system page: the health of each part, the pools, and what was counted."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from browser import PASSWORD, Browser, Page
from rollcall.infra import metrics
from rollcall.models import User

NOWHERE = "redis://127.0.0.1:9/0"


def _cells(page: Page, table: str) -> list[list[str]]:
    """The rows of a table, without the icons."""
    rows = page.root.one(id_=table).one("tbody").all("tr")
    return [[re.sub("^[✓✕–] (?=.)", "", cell.text) for cell in row.children if not isinstance(cell, str)] for row in rows]


def _states(page: Page) -> dict[str, tuple[str, str]]:
    return {name: (state, provider) for name, state, provider, _ in _cells(page, "parts")}


def _figures(page: Page) -> dict[str, str]:
    return {card.one("span").text: card.one("strong").text for card in page.root.one(id_="counts").all("li")}


@pytest.fixture
def system_of(make_app: Callable[..., Flask], root: User, tmp_path: Path) -> Callable[..., Page]:
    """The system page of an application with other settings."""

    def open_it(**settings: Any) -> Page:
        browser = Browser(make_app(home=tmp_path, **settings).test_client())
        browser.log_in("root", PASSWORD)
        return browser.open("/dashboard/system")

    return open_it


# Health


def test_parts_that_are_switched_off_say_so(root_browser: Browser) -> None:
    page = root_browser.open("/dashboard/system")
    assert _states(page) == {"Database": ("Works", "PostgreSQL"), "Cache": ("Off", "–"), "Rate limits": ("Off", "–")}
    assert page.root.one(id_="verdict").text == "Everything works."


def test_parts_in_redis_are_asked(system_of: Callable[..., Page], cache_url: str) -> None:
    page = system_of(cache_enabled=True, cache_redis_url=cache_url, rate_limit_enabled=True, rate_limit_redis_url=cache_url)
    states = _states(page)
    assert (states["Cache"], states["Rate limits"]) == (("Works", "Redis"), ("Works", "Redis"))
    assert all(answer.endswith(" ms") for *_, answer in _cells(page, "parts"))


def test_parts_without_a_server_of_their_own_need_none(system_of: Callable[..., Page]) -> None:
    states = _states(system_of(cache_enabled=True, rate_limit_enabled=True))
    assert states["Cache"] == ("Needs no server", "Files on this machine")
    assert states["Rate limits"] == ("Needs no server", "The memory of each worker")


def test_a_part_that_is_away_is_named_and_its_address_is_not(system_of: Callable[..., Page]) -> None:
    page = system_of(cache_enabled=True, cache_redis_url=NOWHERE)
    assert page.status == 200
    assert _states(page)["Cache"][0] == "Does not work"
    assert page.root.one(id_="verdict").text == "Cache: not reachable."
    assert "127.0.0.1" not in page.html


def test_a_state_is_a_word_and_an_icon_that_is_not_read_out(root_browser: Browser) -> None:
    for badge in root_browser.open("/dashboard/system").root.one(id_="parts").all("span", aria_hidden="true"):
        assert badge.text in {"✓", "–"}


def test_the_check_needs_no_second_connection(system_of: Callable[..., Page]) -> None:
    assert _states(system_of(pool_size=1, max_overflow=0))["Database"][0] == "Works"


# The pools


def test_each_worker_has_a_row(root_browser: Browser, app: Flask) -> None:
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    with engine.connect(), engine.connect():
        [row] = _cells(root_browser.open("/dashboard/system"), "pools")
    name, in_use, idle, opened, size, above = row
    assert (name, in_use, size) == (f"Process {os.getpid()}", "2", "2")
    assert int(opened) == int(in_use) + int(idle)
    assert int(above) == int(opened) - int(size)


# What was counted


def test_the_hit_rate_of_the_cache_is_shown(
    system_of: Callable[..., Page], make_app: Callable[..., Flask], call_as: Callable[..., Any], root: User, tmp_path: Path
) -> None:
    before = metrics.counted()
    assert call_as(root, on=make_app(home=tmp_path, cache_enabled=True)).get("/dashboard/stats").status_code == 200  # a miss
    page = system_of(cache_enabled=True)
    after = metrics.counted()
    assert (after.cache_hits - before.cache_hits, after.cache_misses - before.cache_misses) == (0, 1)
    assert _figures(page)["Cache hit rate"] == f"{after.cache_hits / (after.cache_hits + after.cache_misses):.0%}"
    assert f"{after.cache_misses:,} miss" in page.root.one(id_="counts").text


def test_no_rate_is_told_of_a_cache_that_is_off(root_browser: Browser) -> None:
    assert _figures(root_browser.open("/dashboard/system"))["Cache hit rate"] == "Off"


def _times(page: Page, route: str, reason: str) -> int:
    rows = _cells(page, "refused") if list(page.root.one(id_="refused").all("table")) else []
    return sum(int(times) for where, why, times in rows if (where, reason in why) == (route, True))


def test_requests_past_their_deadline_are_told_by_route(root_browser: Browser) -> None:
    before = root_browser.open("/dashboard/system")
    assert root_browser.open("/dashboard", headers={"X-Request-Timeout": "0.000001"}).status == 504
    after = root_browser.open("/dashboard/system")
    assert int(_figures(after)["Timed-out requests"]) == int(_figures(before)["Timed-out requests"]) + 1
    assert _times(after, "/dashboard", "(504)") == _times(before, "/dashboard", "(504)") + 1


def test_requests_refused_by_a_limit_are_told_by_route(root_browser: Browser, make_app: Callable[..., Flask]) -> None:
    before = root_browser.open("/dashboard/system")
    client = make_app(rate_limit_enabled=True).test_client()
    client.environ_base["REMOTE_ADDR"] = "198.51.100.77"
    statuses = [client.post("/api/v1/auth/register", json={}).status_code for _ in range(7)]
    assert statuses == [422] * 5 + [429] * 2
    after = root_browser.open("/dashboard/system")
    assert int(_figures(after)["Rate-limited requests"]) == int(_figures(before)["Rate-limited requests"]) + 2
    route = "/api/v1/auth/register"
    assert _times(after, route, "(429)") == _times(before, route, "(429)") + 2


# Keeping it fresh


def test_it_is_complete_without_a_script(root_browser: Browser) -> None:
    page = root_browser.open("/dashboard/system")
    head = page.root.one("div", class_="head", data_refresh="10")
    assert root_browser.open(head.one("a")["href"]).heading == "System"
    assert "hidden" in head.one("label").attributes
    assert "hidden" in page.root.one(id_="stale").attributes


def test_what_a_script_replaces_holds_nothing_that_can_have_the_focus(root_browser: Browser) -> None:
    live = list(root_browser.open("/dashboard/system").root.all(data_live=""))
    assert {part["id"] for part in live} == {"as-of", "verdict", "parts", "counts", "pools", "refused"}
    for part in live:
        assert not [each for each in part.all() if each.tag in {"a", "button", "input"} or "tabindex" in each.attributes]


def test_the_time_of_the_answer_is_on_it(root_browser: Browser, clock: Any) -> None:
    clock.advance(seconds=7)
    assert root_browser.open("/dashboard/system").root.one(id_="as-of").text == "As of 12:00:07 UTC"


def test_only_superusers_are_led_to_it(root_browser: Browser, ann_browser: Browser) -> None:
    links = root_browser.open("/dashboard/system").root.one("nav", aria_label="Main").all("a")
    assert [link.text for link in links if link.get("aria-current") == "page"] == ["System"]
    assert "System" not in ann_browser.open("/profile").root.one("nav").text
