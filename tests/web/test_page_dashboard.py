"""The dashboard: the numbers of the REST interface, the sign-ups, the latest users."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from browser import PASSWORD, Browser
from rollcall.models import User
from rollcall.web import chart


def _cards(browser: Browser) -> dict[str, str]:
    cards = browser.open("/dashboard").root.all("a", class_="card stat")
    return {card.one("span").text: card.one("strong").text for card in cards}


def test_the_six_statistics_are_on_it(root_browser: Browser, make_user: Callable[..., User], clock: Any) -> None:
    make_user(created_at=clock.now - timedelta(days=3))
    make_user(created_at=clock.now - timedelta(days=30), is_active=False)
    make_user(created_at=clock.now - timedelta(hours=1))
    expected = {"Users": "4", "Active": "3", "Inactive": "1", "Superusers": "1", "New today": "1", "New this week": "2"}
    assert _cards(root_browser) == expected


STORES = ["redis", "files", "away", "off"]


@pytest.fixture(params=STORES)
def cached_app(request: pytest.FixtureRequest, make_app: Callable[..., Flask], tmp_path: Path, cache_url: str) -> Flask:
    url = {"redis": cache_url, "away": "redis://127.0.0.1:9/0"}.get(request.param)
    return make_app(cache_enabled=request.param != "off", cache_redis_url=url, home=tmp_path)


def test_they_are_those_of_the_chart_and_the_list_beside_them(
    cached_app: Flask, root: User, make_user: Callable[..., User], clock: Any
) -> None:
    browser = Browser(cached_app.test_client())
    browser.log_in("root", PASSWORD)
    assert _cards(browser)["Users"] == "1"
    clock.advance(seconds=1)
    make_user(username="newest", created_at=clock.now)  # by another way than this service
    page = browser.open("/dashboard")
    assert "As of 12:00:01 UTC" in page.text
    assert _cards(browser)["New today"] == "1"
    assert page.root.one("title", id_="chart-title").text.startswith("1 sign-up ")
    assert page.root.one("section", aria_labelledby="latest").one("tbody").all("a").__next__().text == "newest"


def test_what_an_administrator_changes_is_in_the_next_page(
    cached_app: Flask, root: User, ann: User, sign_in: Callable[[User], dict[str, str]]
) -> None:
    browser, headers = Browser(cached_app.test_client()), sign_in(root)
    browser.log_in("root", PASSWORD)
    assert (_cards(browser)["Active"], _cards(browser)["Inactive"]) == ("2", "0")
    question = browser.open(f"/dashboard/users/{ann.id}/deactivate")
    browser.press(question, f"Deactivate {ann.username}")
    assert (_cards(browser)["Active"], _cards(browser)["Inactive"]) == ("1", "1")
    users = [{"username": f"new{number}", "email": f"new{number}@example.org"} for number in range(3)]
    assert cached_app.test_client().post("/api/v1/users/bulk", json=users, headers=headers).status_code == 201
    assert _cards(browser)["Users"] == "5"


def test_the_rest_interface_has_what_a_page_has_shown_and_is_cached(
    make_app: Callable[..., Flask],
    tmp_path: Path,
    root: User,
    make_user: Callable[..., User],
    sign_in: Callable[[User], dict[str, str]],
    clock: Any,
) -> None:
    app = make_app(cache_enabled=True, home=tmp_path)
    browser, headers = Browser(app.test_client()), sign_in(root)
    browser.log_in("root", PASSWORD)

    def total() -> int:
        return int(app.test_client().get("/api/v1/dashboard/stats", headers=headers).json["total_users"])

    assert total() == 1
    make_user()
    clock.advance(seconds=12)
    assert total() == 1
    assert _cards(browser)["Users"] == "2"
    assert total() == 2


@pytest.mark.parametrize("number", range(4))
def test_a_card_leads_to_the_users_that_it_counts(root_browser: Browser, make_user: Callable[..., User], number: int) -> None:
    make_user(is_active=False)
    make_user(is_superuser=True, is_active=False)
    card = list(root_browser.open("/dashboard").root.all("a", class_="card stat"))[number]
    count = card.one("strong").text
    assert f"1–{count} of {count}" in root_browser.open(card["href"]).text


def test_the_latest_ten_users_are_on_it(root_browser: Browser, make_user: Callable[..., User], clock: Any) -> None:
    for number in range(12):
        make_user(username=f"late{number}", created_at=clock.now - timedelta(minutes=number))
    latest = root_browser.open("/dashboard").root.one("section", aria_labelledby="latest")
    assert [row.one("a").text for row in latest.one("tbody").all("tr")] == [f"late{number}" for number in range(10)]


def test_the_chart_has_every_day_and_a_table_with_the_same(
    root_browser: Browser, make_user: Callable[..., User], clock: Any
) -> None:
    make_user(created_at=clock.now)
    make_user(created_at=clock.now - timedelta(days=29))
    make_user(created_at=clock.now - timedelta(days=30))
    page = root_browser.open("/dashboard").root.one("section", aria_labelledby="sign-ups")
    assert len(list(page.one("svg").all("rect"))) == 30
    assert "2 sign-ups in 30 days" in page.one("title", id_="chart-title").text
    rows = [[cell.text for cell in row.children if not isinstance(cell, str)] for row in page.one("tbody").all("tr")]
    assert rows[0] == ["2026-03-11", "1"]
    assert rows[-1] == ["2026-02-10", "1"]
    assert len(rows) == 30


@pytest.mark.parametrize(("asked", "shown"), [("7", 7), ("365", 365), ("8", 30), ("x", 30), ("-1", 30)])
def test_the_days_are_of_ones_choice(root_browser: Browser, asked: str, shown: int) -> None:
    page = root_browser.open("/dashboard", query_string={"days": asked})
    assert len(list(page.root.one("svg").all("rect"))) == shown


@pytest.mark.parametrize(("most", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (5, 6), (7, 10), (11, 20), (61, 100), (9_999, 10_000)])
def test_the_scale_ends_in_a_round_number_that_holds_every_bar(clock: Any, most: int, top: int) -> None:
    drawn = chart.sign_ups([(clock.now.date(), 0), (clock.now.date(), most)])
    assert [number for _, number in drawn.lines] == [0, top // 2, top]
    assert all(0 <= bar.y <= bar.y + bar.height <= drawn.base + 0.01 for bar in drawn.bars)
    assert drawn.bars[1].height == pytest.approx((drawn.base - drawn.lines[2][0]) * most / top, abs=0.02)


@pytest.mark.parametrize("days", [1, 7, 30, 365])
def test_a_few_days_are_named_and_today_is_one_of_them(clock: Any, days: int) -> None:
    today = clock.now.date()
    drawn = chart.sign_ups([(today - timedelta(days=back), 1) for back in reversed(range(days))])
    assert drawn.names[0][1] == today
    assert 1 <= len(drawn.names) <= 6
