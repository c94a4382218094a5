"""The dashboard: figures that lead somewhere, and a chart that can be read, heard and counted."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from chromium.screen import SEEDED, Site
from rollcall.infra.runtime import utc_now

ALL = SEEDED + 1


def card(page: Page, label: str):
    return page.get_by_role("listitem").get_by_role("link", name=re.compile(f"^{label} "))


@pytest.mark.parametrize(
    ("label", "query"),
    [
        ("Users", ""),
        ("Active", "is_active=true"),
        ("Inactive", "is_active=false"),
        ("Superusers", "is_superuser=true"),
    ],
)
def test_a_figure_leads_to_those_it_counts(either: Page, site: Site, label: str, query: str) -> None:
    site.add(is_active=False, is_superuser=True)
    either.goto("/dashboard")
    count = card(either, label).locator("strong").inner_text()
    card(either, label).click()
    expect(either).to_have_url(re.compile(f"/dashboard/users{f'[?]{query}' if query else ''}$"))
    expect(either.locator("#range")).to_have_text(re.compile(rf"^1–\d+ of {count}$"))


@pytest.mark.parametrize("label", ["New today", "New this week"])
def test_new_users_are_at_the_top_of_the_list(either: Page, site: Site, label: str) -> None:
    site.add(username="newest", created_at=utc_now() + timedelta(seconds=1))
    either.goto("/dashboard")
    card(either, label).click()
    expect(either.locator("tbody th a").first).to_have_text("newest")


def test_each_view_has_the_figures_of_its_moment(either: Page, site: Site) -> None:
    either.goto("/dashboard")
    expect(card(either, "Users").locator("strong")).to_have_text(str(ALL))
    site.add()
    either.get_by_role("link", name="Refresh").click()
    expect(card(either, "Users").locator("strong")).to_have_text(str(ALL + 1))
    expect(either.get_by_text(re.compile(r"^As of \d\d:\d\d:\d\d UTC$"))).to_be_visible()


@pytest.mark.parametrize("days", [7, 30, 90, 365])
def test_the_chart_shows_so_many_days(either: Page, days: int) -> None:
    either.goto("/dashboard")
    either.get_by_role("link", name=f"{days} days", exact=True).click()
    expect(either).to_have_url(re.compile(f"days={days}"))
    expect(either.get_by_role("link", name=f"{days} days", exact=True)).to_have_attribute("aria-current", "true")
    chart = either.get_by_role("group", name=re.compile(f"sign-ups? in {days} days"))
    expect(chart.locator("rect")).to_have_count(days)
    expect(chart.locator("rect > title")).to_have_count(days)
    expect(chart.locator("rect > title").last).to_have_text(re.compile(rf"^{utc_now():%a %d %b %Y}: \d+$"))


def test_the_chart_has_a_scale_and_names_days(either: Page) -> None:
    either.goto("/dashboard")
    labels = either.locator(".chart text").all_text_contents()
    assert "0" in labels
    assert f"{utc_now().day} {utc_now():%b}" in labels


def test_the_chart_is_a_table_too(either: Page) -> None:
    either.goto("/dashboard?days=7")
    table = either.get_by_role("table").filter(has_text="Day (UTC)")
    expect(table).to_be_hidden()
    either.get_by_text("The same as a table").click()
    expect(table.locator("tbody tr")).to_have_count(7)
    expect(table.locator("tbody th").first).to_have_text(f"{utc_now():%Y-%m-%d}")
    total = sum(int(cell) for cell in table.locator("td").all_inner_texts())
    expect(either.get_by_role("group", name=re.compile(f"^{total} sign-ups? in 7 days"))).to_be_visible()


def test_a_user_among_the_latest_is_one_press_away(either: Page, site: Site) -> None:
    site.add(username="newest", full_name="Newest of All", created_at=utc_now() + timedelta(seconds=1))
    either.goto("/dashboard")
    either.get_by_role("link", name="Newest of All").click()
    expect(either.get_by_role("heading", level=1)).to_have_text("Newest of All")
