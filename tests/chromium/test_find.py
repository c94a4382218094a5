"""Find a user from any page, by the search in the head: by keyboard or pointer, and never to the wrong one."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from chromium.screen import Site, Watch
from rollcall.infra.runtime import utc_now

FOUND = "Tove Ünïque"
FROM = "/dashboard/system"


@pytest.fixture
def tove(site: Site) -> int:
    """Somebody whom nobody else is found with."""
    return site.add(username="tove-77", email="tove@nowhere.example", full_name=FOUND).id


@pytest.fixture
def zeds(site: Site) -> list[int]:
    """Three whom a search for ``zed`` finds, the newest first."""
    return [site.add(username=f"zed{number}").id for number in range(3)][::-1]


def box(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Find a user")


def hits(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Users found").get_by_role("option")


def said(page: Page) -> Locator:
    return page.locator(".hits").get_by_role("status")


def held(page: Page, term: str) -> list[Route]:
    """Keep back the answer to a search; the request is in the list once it was made."""
    kept: list[Route] = []
    page.route(re.compile(rf"find\?search={term}$"), lambda route: kept.append(route))  # noqa: PLW0108  (Playwright looks into a function)
    return kept


# The keys


@pytest.mark.parametrize("keys", ["/", "Control+k", "Meta+k"])
@pytest.mark.parametrize("path", ["/dashboard", FROM, "/profile", "/dashboard/users/new", "/dashboard/users/999999"])
def test_keys_lead_to_it_from_any_page(page: Page, path: str, keys: str) -> None:
    page.goto(path)
    page.keyboard.press(keys)
    expect(box(page)).to_be_focused()
    expect(box(page)).to_have_value("")


def test_control_k_leads_to_it_from_another_field_and_from_the_list(page: Page) -> None:
    page.goto("/dashboard/users/new")
    page.get_by_label("Username").fill("ada")
    page.keyboard.press("Control+k")
    expect(box(page)).to_be_focused()
    page.get_by_label("Username").fill("")
    page.goto("/dashboard/users")
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    page.keyboard.press("Control+k")
    expect(box(page)).to_be_focused()


def test_the_arrows_choose_and_enter_opens(page: Page, zeds: list[int]) -> None:
    page.goto(FROM)
    page.keyboard.press("/")
    page.keyboard.type("zed")
    expect(hits(page)).to_have_count(3)
    expect(box(page)).to_have_attribute("aria-expanded", "true")
    expect(said(page)).to_have_text("3 users")
    assert box(page).get_attribute("aria-activedescendant") is None
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(box(page)).to_be_focused()
    expect(box(page)).to_have_attribute("aria-activedescendant", f"hit-{zeds[1]}")
    expect(hits(page).and_(page.locator("[aria-selected=true]"))).to_contain_text("zed1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("zed1")
    expect(page.locator("#person")).to_be_focused()


def test_the_arrows_go_round_by_way_of_the_box(page: Page, zeds: list[int]) -> None:
    page.goto(FROM)
    box(page).fill("zed")
    expect(hits(page)).to_have_count(3)
    page.keyboard.press("ArrowUp")
    expect(box(page)).to_have_attribute("aria-activedescendant", f"hit-{zeds[2]}")
    page.keyboard.press("ArrowDown")
    expect(box(page)).not_to_have_attribute("aria-activedescendant", re.compile("."))
    page.keyboard.press("ArrowDown")
    expect(box(page)).to_have_attribute("aria-activedescendant", f"hit-{zeds[0]}")
    page.keyboard.press("ArrowUp")
    expect(box(page)).not_to_have_attribute("aria-activedescendant", re.compile("."))


def test_enter_opens_the_only_hit(page: Page, tove: int) -> None:
    page.goto(FROM)
    box(page).fill("nowhere.ex")
    expect(hits(page)).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/dashboard/users/{tove}?*")


def test_enter_before_the_answer_waits_for_it(page: Page, tove: int) -> None:
    page.goto(FROM)
    page.keyboard.press("/")
    page.keyboard.type("tove-77\n")
    page.wait_for_url(f"**/dashboard/users/{tove}?*")


@pytest.mark.parametrize("term", ["zed", "nobody-like-this"])
def test_enter_with_more_hits_or_none_leads_to_the_list(page: Page, zeds: list[int], term: str) -> None:
    page.goto(FROM)
    page.keyboard.press("/")
    page.keyboard.type(f"{term}\n")
    page.wait_for_url(f"**/dashboard/users?search={term}")
    expect(page.get_by_role("searchbox", name="Search")).to_have_value(term)


def test_all_hits_are_a_tab_away(page: Page, site: Site) -> None:
    page.goto(FROM)
    box(page).fill("example")
    expect(said(page)).to_have_text(re.compile(r"^8 of (more than )?\d+ users$"))
    expect(hits(page)).to_have_count(8)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Show all in the list")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard/users?search=example")


@pytest.mark.parametrize("leave", ["Escape", "Tab", "press"])
def test_it_closes(page: Page, tove: int, leave: str) -> None:
    page.goto(FROM)
    box(page).fill("tove")
    expect(hits(page)).to_have_count(1)
    if leave == "press":
        page.get_by_role("heading", level=1).click()
    else:
        page.keyboard.press(leave)
    expect(hits(page)).to_have_count(0)
    expect(box(page)).to_have_attribute("aria-expanded", "false")
    expect(box(page)).to_have_value("tove")
    if leave == "Escape":
        expect(box(page)).to_be_focused()
        page.keyboard.press("ArrowDown")  # as in other comboboxes, that opens it again
        expect(hits(page)).to_have_count(1)


def test_a_pointer_opens_a_hit(page: Page, zeds: list[int]) -> None:
    page.goto(FROM)
    box(page).click()
    page.keyboard.type("zed")
    hits(page).nth(2).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("zed0")


# Answers that are late, or do not come


def test_an_outdated_answer_is_never_shown(page: Page, tove: int) -> None:
    page.goto(FROM)
    late = held(page, "a")
    with page.expect_request(re.compile("search=a$")):
        box(page).fill("a")
    box(page).fill("tove")
    expect(hits(page)).to_have_count(1)
    for route in late:
        route.fulfill(content_type="text/html", body='<div data-hits="outdated"></div>')
    page.evaluate("fetch('/health/live').then((answer) => answer.text())")  # an answer after that one has come
    expect(said(page)).to_have_text("1 user")


def test_a_search_that_takes_long_says_so(page: Page, tove: int) -> None:
    page.clock.install()
    page.goto(FROM)
    page.clock.pause_at(utc_now() + timedelta(hours=1))
    late = held(page, "tove")
    with page.expect_request(re.compile("search=tove$")):
        box(page).fill("tove")
        page.clock.run_for(150)
    page.clock.run_for(299)
    expect(said(page)).to_have_text("")
    page.clock.run_for(1)
    expect(said(page)).to_have_text("Searching…")
    late[0].continue_()
    expect(said(page)).to_have_text("1 user")


@pytest.mark.parametrize("way", ["offline", "aborted"])
def test_no_answer_is_said_and_another_try_finds(page: Page, tove: int, watch: Watch, way: str) -> None:
    watch.allow("Failed to load resource")
    page.goto(FROM)
    if way == "offline":
        page.context.set_offline(True)
    else:
        page.route("**/dashboard/find?*", lambda route: route.abort())
    box(page).fill("tove")
    expect(said(page)).to_have_text("Rollcall did not answer. Check the connection and try again.")
    page.keyboard.press("Enter")  # stays here, too
    expect(said(page)).to_have_text("Rollcall did not answer. Check the connection and try again.")
    page.context.set_offline(False)
    page.unroute("**/dashboard/find?*")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/dashboard/users/{tove}?*")


def test_the_end_of_the_session_is_said(page: Page, site: Site) -> None:
    page.goto(FROM)
    site.end_sessions()
    box(page).fill("tove")
    expect(said(page)).to_have_text("Your session has ended. Log in to search.")


# Without a script


def test_without_a_script_it_leads_to_the_list(plain_page: Page, tove: int) -> None:
    plain_page.goto(FROM)
    plain_page.get_by_role("searchbox", name="Find a user").fill("tove")
    plain_page.get_by_role("button", name="Find", exact=True).click()
    expect(plain_page.locator("#range")).to_have_text("1–1 of 1")
    plain_page.get_by_role("link", name=FOUND).click()
    expect(plain_page.get_by_role("heading", level=1)).to_have_text(FOUND)
