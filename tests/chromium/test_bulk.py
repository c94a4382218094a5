"""Acting on many users from the list: the bar that comes with the first who is selected, and all that match."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import text

if TYPE_CHECKING:
    from chromium.conftest import Open
    from chromium.screen import Site, Watch


@pytest.fixture
def zeds(site: Site) -> None:
    """Six users, the last of them inactive, whom a search for ``zed`` finds."""
    for number in range(6):
        site.add(username=f"zed{number}", is_active=number < 5)


def open_list(page: Page, query: str = "") -> None:
    page.goto(f"/dashboard/users?search=zed&sort_by=username&sort_order=asc{query}")


def select(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()


def bar(page: Page) -> Locator:
    return page.locator("#bulk")


def question(page: Page) -> Locator:
    return page.get_by_role("dialog")


def active(site: Site) -> list[str]:
    with site.engine.connect() as connection:
        query = text("SELECT username FROM users WHERE is_active AND username LIKE 'zed%' ORDER BY username")
        return list(connection.scalars(query))


def test_the_bar_comes_with_the_first_and_says_how_many(page: Page, zeds: None) -> None:
    open_list(page)
    expect(bar(page).get_by_role("button")).to_have_count(0)
    select(page, "zed0")
    expect(bar(page).get_by_role("status")).to_have_text("1 selected")
    expect(bar(page).get_by_role("button", name="Deactivate selected")).to_be_visible()
    select(page, "zed3")
    expect(bar(page).get_by_role("status")).to_have_text("2 selected")
    for name in ("zed0", "zed3"):
        page.get_by_role("checkbox", name=f"Select {name}").uncheck()
    expect(bar(page).get_by_role("button")).to_have_count(0)


def test_all_on_the_page_are_selected_at_once(page: Page, zeds: None) -> None:
    open_list(page)
    everyone = page.get_by_role("checkbox", name="Select all on this page")
    everyone.check()
    expect(bar(page).get_by_role("status")).to_have_text("6 selected")
    page.get_by_role("checkbox", name="Select zed2").uncheck()
    expect(everyone).to_be_checked(indeterminate=True)
    page.get_by_role("checkbox", name="Select zed2").check()
    expect(everyone).to_be_checked()
    everyone.uncheck()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)


def test_the_bar_is_in_sight_wherever_the_list_is(page: Page, site: Site) -> None:
    page.goto("/dashboard/users?size=100")
    boxes = page.locator("tbody").get_by_role("checkbox")
    boxes.first.check()
    expect(bar(page).get_by_role("button", name="Export selected")).to_be_in_viewport()
    boxes.last.check()
    expect(bar(page).get_by_role("button", name="Export selected")).to_be_in_viewport()


def test_the_selected_are_deactivated_in_place_and_back_again(page: Page, site: Site, zeds: None) -> None:
    open_list(page)
    page.evaluate("window.sameDocument = true")
    select(page, "zed1", "zed2", "zed5")
    bar(page).get_by_role("button", name="Deactivate selected").click()
    expect(question(page)).to_have_accessible_name("Deactivate 2 users?")
    expect(question(page)).to_contain_text("1 is inactive already, and stays so.")
    question(page).get_by_role("button", name="Deactivate 2 users").click()
    expect(page.locator(".toasts")).to_contain_text("2 users are deactivated.")
    expect(page.get_by_role("checkbox", name="Select all on this page")).to_be_focused()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)
    assert active(site) == ["zed0", "zed3", "zed4"]
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toasts")).to_contain_text("Undone: 2 users are active again.")
    assert active(site) == ["zed0", "zed1", "zed2", "zed3", "zed4"]
    assert page.evaluate("window.sameDocument")


def test_leaving_the_question_keeps_the_selection_and_the_focus(page: Page, zeds: None) -> None:
    open_list(page)
    select(page, "zed1", "zed2")
    bar(page).get_by_role("button", name="Deactivate selected").click()
    expect(question(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(bar(page).get_by_role("button", name="Deactivate selected")).to_be_focused()
    expect(bar(page).get_by_role("status")).to_have_text("2 selected")


def test_all_that_match_are_changed_with_their_number(page: Page, site: Site, zeds: None) -> None:
    open_list(page, "&size=2&is_active=true")
    select(page, "zed0")
    expect(bar(page)).to_contain_text("All 5:")
    bar(page).get_by_role("link", name="Deactivate all 5").click()
    expect(question(page)).to_contain_text("5 users match “zed”, Active.")
    question(page).get_by_role("button", name="Deactivate 5 users").click()
    expect(page.locator(".toasts")).to_contain_text("5 users are deactivated.")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    expect(page.get_by_text("Nobody matches.")).to_be_visible()
    expect(page.get_by_role("main")).to_be_focused()
    assert active(site) == []


def test_others_than_were_asked_about_are_asked_about_anew(page: Page, site: Site, watch: Watch, zeds: None) -> None:
    watch.allow("Failed to load resource")  # the browser's own note of the 409
    open_list(page, "&size=2")
    select(page, "zed0")
    bar(page).get_by_role("link", name="Deactivate all 6").click()
    expect(question(page)).to_be_visible()
    site.add(username="zed9")
    question(page).get_by_role("button", name="Deactivate 5 users").click()
    expect(question(page).get_by_role("alert")).to_contain_text("nothing was changed")
    expect(question(page).get_by_role("alert")).to_be_focused()
    assert len(active(site)) == 6
    question(page).get_by_role("button", name="Deactivate 6 users").click()
    expect(page.locator(".toasts")).to_contain_text("6 users are deactivated.")
    assert active(site) == []


def test_the_selected_are_downloaded(page: Page, zeds: None) -> None:
    open_list(page)
    select(page, "zed4", "zed1")
    with page.expect_download() as download:
        bar(page).get_by_role("button", name="Export selected").click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[2] for line in lines] == ["username", "zed1", "zed4"]
    expect(bar(page).get_by_role("status")).to_have_text("2 selected")


def test_the_bar_counts_the_rows_that_a_search_has_brought(page: Page, zeds: None) -> None:
    page.goto("/dashboard/users")
    page.get_by_role("searchbox").fill("zed")
    expect(page.get_by_role("row")).to_have_count(7)
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(bar(page).get_by_role("status")).to_have_text("6 selected")


@pytest.mark.parametrize("script", [True, False])
def test_it_fits_a_narrow_screen(open_browser: Open, site: Site, script: bool) -> None:
    narrow = {"width": 360, "height": 740}
    page = open_browser(site.find("root"), viewport=narrow, java_script_enabled=script).new_page()
    page.goto("/dashboard/users")
    page.locator("tbody").get_by_role("checkbox").first.check()
    for button in bar(page).get_by_role("button").all():
        expect(button).to_be_in_viewport(ratio=1)
    assert page.locator("html").evaluate("(html) => html.scrollWidth <= html.clientWidth") if script else True


def test_without_a_script_the_bar_is_simply_there(plain_page: Page, site: Site, zeds: None) -> None:
    page = plain_page
    open_list(page)
    expect(page.get_by_role("checkbox", name="Select all on this page")).to_have_count(0)
    select(page, "zed1", "zed2")
    bar(page).get_by_role("button", name="Deactivate selected").click()
    page.get_by_role("button", name="Deactivate 2 users").click()
    expect(page.locator(".toasts")).to_contain_text("2 users are deactivated.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toasts")).to_contain_text("Undone: 2 users are active again.")
    assert len(active(site)) == 5


def test_without_a_script_nobody_selected_is_said(plain_page: Page, zeds: None) -> None:
    open_list(plain_page)
    bar(plain_page).get_by_role("button", name="Activate selected", exact=True).click()
    expect(plain_page.get_by_role("alert")).to_contain_text("No users are selected.")
