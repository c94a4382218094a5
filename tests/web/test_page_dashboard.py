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


def test_they_come_from_the_cache_of_the_rest_interface(
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
    assert app.test_client().get("/api/v1/dashboard/stats", headers=headers).json["total_users"] == 1
    make_user()
    clock.advance(seconds=12)
    assert _cards(browser)["Users"] == "1"
    assert "As of 12 s ago" in browser.open("/dashboard").text
    clock.advance(seconds=60)
    assert _cards(browser)["Users"] == "2"


@pytest.mark.parametrize("store", ["redis", "files", "away", "off"])
def test_pressing_refresh_computes_them_now(
    make_app: Callable[..., Flask],
    tmp_path: Path,
    cache_url: str,
    root: User,
    make_user: Callable[..., User],
    clock: Any,
    store: str,
) -> None:
    url = {"redis": cache_url, "away": "redis://127.0.0.1:9/0"}.get(store)
    app = make_app(cache_enabled=store != "off", cache_redis_url=url, home=tmp_path)
    browser, other = Browser(app.test_client()), Browser(app.test_client())
    browser.log_in("root", PASSWORD)
    other.log_in("root", PASSWORD)
    make_user()
    clock.advance(seconds=12)
    page = browser.press(browser.open("/dashboard?days=90"), "Refresh")
    assert (page.address, page.toast) == ("/dashboard?days=90", "The statistics are computed anew.")
    assert "As of just now" in page.text
    assert _cards(browser)["Users"] == _cards(other)["Users"] == "2"


def test_a_forged_form_refreshes_nothing_and_leads_nowhere(root_browser: Browser, ann_browser: Browser) -> None:
    assert root_browser.open("/dashboard/refresh", "POST").status == 400
    token = root_browser.open("/dashboard").form("Refresh").one("input", name="csrf_token")["value"]
    data = {"csrf_token": token, "next": "//evil.example/"}
    assert root_browser.open("/dashboard/refresh", "POST", data=data, follow=False).response.location == "/dashboard"
    token = ann_browser.open("/profile").form("Save").one("input", name="csrf_token")["value"]
    assert ann_browser.open("/dashboard/refresh", "POST", data={"csrf_token": token}, follow=False).status == 403


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
