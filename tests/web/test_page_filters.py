"""The filters of the list page: days in a form, chips, and the links from the dashboard to exactly the users that it counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from browser import Browser, Page
from rollcall.models import User

LIST = "/dashboard/users"


def _names(page: Page) -> list[str]:
    return [row.one("td", class_="username").text for row in page.root.one("tbody").all("tr")]


def _chips(page: Page) -> dict[str, str]:
    return {
        link["aria-label"].removeprefix("Remove the filter "): link["href"]
        for link in page.root.one("ul", class_="chips").all("a")
        if link.get("aria-label")
    }


def _field(page: Page, name: str) -> str:
    return page.root.one("form", role="search").one("input", name=name)["value"]


@pytest.fixture
def week(make_user: Callable[..., User], clock: Any) -> None:
    """Two users on each of seven days: one as it begins, one just before it ends."""
    midnight = clock.now.replace(hour=0)
    for back in range(1, 8):
        make_user(username=f"early{back}", created_at=midnight - timedelta(days=back))
        make_user(username=f"late{back}", created_at=midnight - timedelta(days=back - 1, microseconds=1))


def test_the_date_fields_show_the_users_of_both_days_and_those_between(root_browser: Browser, week: None) -> None:
    page = root_browser.press(root_browser.open(LIST), "Search", created_from="2026-03-08", created_to="2026-03-09")
    assert _names(page) == ["late2", "early2", "late3", "early3"]
    assert page.root.one(id_="range").text == "1–4 of 4"
    assert (_field(page, "created_from"), _field(page, "created_to")) == ("2026-03-08", "2026-03-09")
    assert list(_chips(page)) == ["Created 8 Mar 2026 to 9 Mar 2026"]
    assert _names(root_browser.open(_chips(page)["Created 8 Mar 2026 to 9 Mar 2026"]))[0] == "late1"


@pytest.mark.parametrize(
    ("days", "label", "count"),
    [
        ({"created_from": "2026-03-08"}, "Created from 8 Mar 2026", 6),
        ({"created_to": "2026-03-08"}, "Created before 9 Mar 2026", 11),
        ({"created_from": "2026-03-08", "created_to": "2026-03-08"}, "Created on 8 Mar 2026", 2),
    ],
)
def test_a_chip_names_the_days_and_takes_them_away(
    root_browser: Browser, week: None, days: dict[str, str], label: str, count: int
) -> None:
    page = root_browser.press(root_browser.open(LIST), "Search", **days)
    assert len(_names(page)) == count
    assert list(_chips(page)) == [label]
    assert root_browser.open(_chips(page)[label]).address == LIST


def test_days_are_kept_by_sorting_paging_and_the_way_back(root_browser: Browser, week: None) -> None:
    page = root_browser.open(f"{LIST}?created_from=2026-03-08&created_to=2026-03-09&size=2")
    following = root_browser.open(page.root.one("nav", class_="pages").one("a", rel="next")["href"])
    assert _names(following) == ["late3", "early3"]
    person = root_browser.open(page.root.one("tbody").all("th").__next__().one("a")["href"])
    back = root_browser.open(next(person.root.one("nav", aria_label="Breadcrumb").all("a"))["href"])
    assert _names(back) == ["late2", "early2"]
    [header] = [each["href"] for each in page.root.one("thead").all("a") if each.text.startswith("Username")]
    assert _names(root_browser.open(header)) == ["early2", "early3"]
    again = root_browser.press(page, "Search", search="late")
    assert _names(again) == ["late2", "late3"]


@pytest.mark.parametrize("name", ["created_from", "created_to", "created_after", "last_login_before"])
@pytest.mark.parametrize("value", ["yesterday", "2026-02-30", "9999-12-31T"])
def test_a_day_that_is_none_is_said_and_left_out(root_browser: Browser, ann: User, name: str, value: str) -> None:
    page = root_browser.open(LIST, query_string={name: value})
    assert page.status == 422
    assert "ISO 8601" in page.root.one("div", class_="problems").text
    assert _names(page) == ["ann", "root"]


@pytest.mark.parametrize("query", ["created_before=0001-01-01T00:00:00Z", "created_to=9999-12-31", "created_from=0001-01-01"])
def test_the_ends_of_the_calendar_end_no_page(root_browser: Browser, ann: User, query: str) -> None:
    page = root_browser.open(f"{LIST}?{query}")
    assert page.status == (422 if "to=9999" in query else 200)
    assert page.root.one(id_="range")


def test_a_moment_within_a_day_is_kept_exactly_by_the_form(root_browser: Browser, week: None) -> None:
    page = root_browser.open(f"{LIST}?created_after=2026-03-09T23:59:59.999999Z&is_active=true")
    assert _names(page) == ["root", "late1", "early1", "late2"][1:]
    assert "Created from 9 Mar 2026, 23:59 UTC" in _chips(page)
    assert _field(page, "created_from") == ""
    assert _names(root_browser.press(page, "Search", search="late")) == ["late1", "late2"]
    assert _names(root_browser.press(page, "Search", created_from="2026-03-10")) == ["late1", "early1"]


def test_filters_without_a_field_of_their_own_are_chips_and_kept(
    root_browser: Browser, engine: Engine, ann: User, root: User
) -> None:
    with engine.begin() as connection:
        changes = "UPDATE users SET created_at = '2026-01-01', password_hash = NULL WHERE id = :id"
        connection.execute(text(changes), {"id": ann.id})
        connection.execute(text("INSERT INTO user_logins VALUES (:id, '2026-03-01 00:00+00')"), {"id": ann.id})
    query = (
        "last_login_after=2026-03-01T00:00:00Z&last_login_before=2026-03-01T00:00:00.000001Z&username=ANN&email=ann@example.org"
    )
    page = root_browser.open(f"{LIST}?{query}&never_logged_in=false&has_password=false")
    assert _names(page) == ["ann"]
    assert set(_chips(page)) == {
        "Has logged in",
        "Without a password",
        "Username ANN",
        "E-mail address ann@example.org",
        "Last log-in from 1 Mar 2026",
        "Last log-in before 1 Mar 2026, 00:00 UTC",
    }
    chosen = [option.text for option in page.root.one("form", role="search").all("option", selected="")]
    assert chosen == ["Has logged in", "Without a password"]
    again = root_browser.press(page, "Search")  # which sends no selects
    assert set(_chips(again)) == set(_chips(page)) - set(chosen)
    assert _names(root_browser.open(f"{LIST}?never_logged_in=true")) == ["root"]
    assert _names(root_browser.open(f"{LIST}?sort_by=last_login_at")) == ["ann", "root"]


def test_all_that_match_are_those_of_the_filters(root_browser: Browser, week: None, session: Any) -> None:
    page = root_browser.open(f"{LIST}?created_from=2026-03-08&created_to=2026-03-09&size=2")
    [href] = [each["href"] for each in page.root.all("a") if each.text == "Deactivate all 4"]
    question = root_browser.open(href)
    assert "4 users match Created 8 Mar 2026 to 9 Mar 2026" in question.text
    root_browser.press(question, "Deactivate 4 users")
    inactive = session.scalars(text("SELECT username FROM users WHERE NOT is_active ORDER BY id")).all()
    assert inactive == ["early2", "late2", "early3", "late3"]


def test_export_has_the_users_of_the_filters(root_browser: Browser, week: None) -> None:
    page = root_browser.open(f"{LIST}?created_to=2026-03-05&never_logged_in=true")
    [href] = [each["href"] for each in page.root.all("a") if each.text == "Export CSV"]
    lines = root_browser.client.get(href).text.splitlines()
    assert [line.split(",")[2] for line in lines[1:]] == ["late6", "early6", "late7", "early7", "root"]


@pytest.mark.parametrize("days", [7, 30])
def test_each_bar_and_each_day_of_the_chart_lead_to_exactly_its_users(root_browser: Browser, week: None, days: int) -> None:
    section = root_browser.open(f"/dashboard?days={days}").root.one("section", aria_labelledby="sign-ups")
    bars = list(section.one("svg").all("a"))
    rows = [row for row in section.one("tbody").all("tr") if list(row.all("a"))]
    assert len(bars) == len(rows) == min(days - 1, 7)
    assert [bar["href"] for bar in bars] == [row.one("a")["href"] for row in rows][::-1]
    assert {bar["tabindex"] for bar in bars} == {"-1"}
    for back, bar in enumerate(reversed(bars), 1):
        assert bar.one("title").text.endswith(": 2")
        assert _names(root_browser.open(bar["href"])) == [f"late{back}", f"early{back}"]


@pytest.mark.parametrize("number", range(6))
def test_each_card_leads_to_exactly_the_users_that_it_counts(
    root_browser: Browser, make_user: Callable[..., User], clock: Any, number: int
) -> None:
    for hours in (0, 11, 13, 167, 168, 169):
        make_user(created_at=clock.now - timedelta(hours=hours), is_active=hours != 13, is_superuser=hours == 11)
    card = list(root_browser.open("/dashboard").root.all("a", class_="card stat"))[number]
    count = int(card.one("strong").text)
    page = root_browser.open(card["href"])
    assert count == [7, 6, 1, 2, 2, 5][number]
    assert (page.root.one(id_="range").text, len(_names(page))) == (f"1–{count} of {count}", count)
