"""Acting on one user from the list: in place, with a question where it hurts, an undo, and the focus kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from facts import PASSWORD

if TYPE_CHECKING:
    from chromium.screen import Site, Watch

LIST = "/dashboard/users?size=100&sort_by=username&sort_order=asc"


@pytest.fixture
def names(site: Site) -> dict[str, int]:
    """Two users who stand side by side in the list: ``zed1`` is active, ``zed2`` is not."""
    return {name: site.add(username=name, is_active=name == "zed1").id for name in ("zed1", "zed2", "zed3")}


def open_list(page: Page, query: str = "&search=zed") -> None:
    page.goto(LIST + query)
    page.evaluate("window.sameDocument = true")


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def menu(page: Page, name: str) -> Locator:
    """The button that opens the menu of a row."""
    return row(page, name).locator("summary")


def choose(page: Page, deed: str, name: str) -> None:
    """Open the menu of a row, and press what does this."""
    menu(page, name).click()
    item(page, deed, name).click()


def item(page: Page, deed: str, name: str) -> Locator:
    return row(page, name).get_by_label(f"{deed} {name}", exact=True)


def is_active(page: Page, name: str) -> Locator:
    return row(page, name).get_by_text("Active", exact=True)


def is_inactive(page: Page, name: str) -> Locator:
    return row(page, name).get_by_text("Inactive", exact=True)


def question(page: Page) -> Locator:
    return page.get_by_role("dialog")


def message(page: Page, text: str) -> Locator:
    return page.locator(".toasts").get_by_text(text)


def test_an_activation_is_done_in_place_and_the_focus_stays_in_its_row(page: Page, names: dict[str, int]) -> None:
    open_list(page)
    address = page.url
    menu(page, "zed2").press("Enter")
    item(page, "Activate", "zed2").press("Enter")
    expect(message(page, "zed2 is active again.")).to_be_visible()
    expect(is_active(page, "zed2")).to_be_visible()
    expect(menu(page, "zed2")).to_be_focused()
    assert page.evaluate("window.sameDocument")
    assert page.url == address


def test_the_keys_that_save_a_form_send_it_in_place_too(page: Page, names: dict[str, int]) -> None:
    open_list(page)
    choose(page, "Deactivate", "zed1")
    question(page).get_by_role("button", name="Deactivate zed1").focus()
    page.keyboard.press("Control+Enter")
    expect(menu(page, "zed1")).to_be_focused()
    assert page.evaluate("window.sameDocument")


def test_its_undo_takes_it_back_with_the_focus_in_the_row(page: Page, names: dict[str, int]) -> None:
    open_list(page)
    choose(page, "Activate", "zed2")
    page.get_by_role("button", name="Undo").click()
    expect(message(page, "Undone: zed2 is inactive again.")).to_be_visible()
    expect(menu(page, "zed2")).to_be_focused()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    assert page.evaluate("window.sameDocument")


@pytest.mark.parametrize("leave", ["Escape", "Cancel"])
def test_a_deactivation_asks_and_leaving_the_question_changes_nothing(
    page: Page, site: Site, names: dict[str, int], leave: str
) -> None:
    open_list(page)
    menu(page, "zed1").press("Enter")
    item(page, "Deactivate", "zed1").press("Enter")
    expect(question(page)).to_contain_text("zed1 cannot log in until somebody activates the account again.")
    expect(question(page)).to_have_accessible_name("Deactivate zed1?")
    expect(question(page).get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape" if leave == "Escape" else "Enter")
    expect(question(page)).to_be_hidden()
    expect(menu(page, "zed1")).to_be_focused()
    assert site.find("zed1").is_active


def test_a_question_cannot_be_left_while_its_action_runs(page: Page, site: Site, names: dict[str, int]) -> None:
    held: list[Route] = []
    open_list(page)
    choose(page, "Deactivate", "zed1")
    page.route("**/deactivate*", lambda route: held.append(route))  # noqa: PLW0108  (Playwright wants a function of ours)
    question(page).get_by_role("button", name="Deactivate zed1").click()
    expect(question(page).get_by_role("status")).to_have_text("Deactivating zed1. This cannot be cancelled.")
    expect(question(page).get_by_role("link", name="Cancel")).to_be_disabled()
    expect(question(page).get_by_role("button", name="Close", include_hidden=True)).to_be_disabled()
    question(page).get_by_role("link", name="Cancel").click(force=True)
    for _ in range(3):  # a browser grants the second one without asking the page
        page.keyboard.press("Escape")
    page.mouse.click(5, 5)  # beside the question
    expect(question(page)).to_be_visible()
    assert len(held) == 1
    held[0].continue_()
    expect(message(page, "zed1 is deactivated.")).to_be_visible()
    expect(question(page)).to_be_hidden()
    choose(page, "Activate", "zed1")
    expect(is_active(page, "zed1")).to_be_visible()
    choose(page, "Deactivate", "zed1")
    expect(question(page)).to_be_visible()
    page.keyboard.press("Escape")  # the next question can be left again
    expect(question(page)).to_be_hidden()


def test_a_question_without_an_answer_can_be_left(page: Page, watch: Watch, names: dict[str, int]) -> None:
    watch.allow("Failed to load resource")
    open_list(page)
    choose(page, "Deactivate", "zed1")
    page.route("**/deactivate*", lambda route: route.abort())
    question(page).get_by_role("button", name="Deactivate zed1").click()
    expect(question(page)).to_contain_text("Rollcall did not answer, so the change may or may not have been saved.")
    question(page).get_by_role("button", name="Close").click()
    expect(question(page)).to_be_hidden()


def test_a_deactivation_says_which_sessions_end_and_is_undone(
    page: Page, site: Site, names: dict[str, int], visitor: Page
) -> None:
    site.sign_in(visitor.context, site.find("zed1"))
    open_list(page)
    choose(page, "Deactivate", "zed1")
    expect(question(page)).to_contain_text("1 session will end at once")
    question(page).get_by_role("button", name="Deactivate zed1").click()
    expect(message(page, "zed1 is deactivated. 1 session ended, which Undo does not bring back.")).to_be_visible()
    expect(menu(page, "zed1")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(menu(page, "zed1")).to_be_focused()
    assert site.find("zed1").is_active
    visitor.goto("/profile")
    expect(visitor.get_by_role("heading", name="Log in")).to_be_visible()


def test_where_the_row_is_gone_the_focus_is_in_the_one_in_its_place(page: Page, names: dict[str, int]) -> None:
    open_list(page, "&search=zed&is_active=false")
    choose(page, "Activate", "zed2")
    expect(page.get_by_role("link", name="zed3", exact=True)).to_be_focused()
    expect(row(page, "zed2")).to_have_count(0)


def test_a_message_is_seen_however_far_the_list_is_scrolled(page: Page, site: Site) -> None:
    page.goto("/dashboard/users?size=100&is_active=true")
    page.locator("tbody summary").last.click()
    page.get_by_role("link", name=re.compile("^Deactivate ")).click()
    question(page).get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("button", name="Undo")).to_be_in_viewport()


def test_what_is_on_its_way_is_shown_and_not_sent_twice(page: Page, names: dict[str, int]) -> None:
    held: list[Route] = []
    page.route("**/activate*", lambda route: held.append(route))  # noqa: PLW0108  (Playwright wants a function of ours)
    open_list(page)
    menu(page, "zed2").click()
    button = item(page, "Activate", "zed2")
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    button.click()
    assert len(held) == 1
    held[0].continue_()
    expect(menu(page, "zed2")).to_be_focused()


def test_a_refusal_is_shown_above_the_list(page: Page, site: Site, watch: Watch, names: dict[str, int]) -> None:
    watch.allow("Failed to load resource")  # the browser's own note of the 404
    open_list(page)
    with site.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM users WHERE username = 'zed2'")
    choose(page, "Activate", "zed2")
    expect(question(page)).to_contain_text("This user does not exist.")
    question(page).get_by_role("button", name="Close").click()
    expect(menu(page, "zed2")).to_be_focused()


def test_no_answer_is_said(page: Page, watch: Watch, names: dict[str, int]) -> None:
    watch.allow("Failed to load resource")
    page.route("**/activate*", lambda route: route.abort())
    open_list(page)
    choose(page, "Activate", "zed2")
    expect(question(page)).to_contain_text("Rollcall did not answer, so the change may or may not have been saved.")
    page.keyboard.press("Escape")
    page.unroute("**/activate*")
    choose(page, "Activate", "zed2")
    expect(message(page, "zed2 is active again.")).to_be_visible()


def test_who_is_logged_out_meanwhile_logs_in_there_and_comes_back(page: Page, names: dict[str, int]) -> None:
    open_list(page)
    address = page.url
    page.context.clear_cookies()
    choose(page, "Activate", "zed2")
    expect(question(page)).to_contain_text("Your session ended before this was done.")
    question(page).get_by_label("Username or e-mail address").fill("root")
    question(page).get_by_label("Password").fill(PASSWORD)
    question(page).get_by_role("button", name="Log in").click()
    page.wait_for_url(address)
    expect(is_inactive(page, "zed2")).to_be_visible()


def test_rows_that_a_search_has_brought_act_in_place_as_well(page: Page, names: dict[str, int]) -> None:
    open_list(page, "")
    page.get_by_role("searchbox").fill("zed")
    expect(page.get_by_role("row")).to_have_count(4)
    choose(page, "Activate", "zed2")
    expect(menu(page, "zed2")).to_be_focused()
    expect(page.get_by_role("row")).to_have_count(4)
    assert page.evaluate("window.sameDocument")


def test_ones_own_row_says_where_instead(page: Page, site: Site) -> None:
    open_list(page, "&search=root")
    menu(page, "Ada Root").click()
    expect(row(page, "Ada Root")).to_contain_text("You can be deactivated on your page only.")
    row(page, "Ada Root").get_by_role("link", name="your page").click()
    expect(page.get_by_role("main")).to_contain_text("You are the last active superuser.")


def test_a_menu_is_walked_by_arrows_and_left_by_escape(page: Page, names: dict[str, int]) -> None:
    open_list(page)
    menu(page, "zed1").focus()
    page.keyboard.press("ArrowDown")
    expect(item(page, "Set a password for", "zed1")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(item(page, "Delete", "zed1")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(item(page, "Deactivate", "zed1")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu(page, "zed1")).to_be_focused()
    expect(item(page, "Deactivate", "zed1")).to_be_hidden()


def test_one_menu_is_open_at_a_time_and_a_press_beside_it_closes_it(page: Page, names: dict[str, int]) -> None:
    open_list(page)
    menu(page, "zed3").click()
    expect(item(page, "Delete", "zed3")).to_be_visible()
    menu(page, "zed1").click()
    expect(item(page, "Delete", "zed3")).to_be_hidden()
    expect(item(page, "Delete", "zed1")).to_be_in_viewport(ratio=1)
    page.get_by_role("heading", name="Users").click()
    expect(item(page, "Delete", "zed1")).to_be_hidden()


def test_the_last_menu_of_a_page_is_within_the_window(page: Page, site: Site) -> None:
    page.goto("/dashboard/users?size=25")
    page.locator("tbody summary").last.click()
    expect(page.get_by_role("link", name=re.compile("^Delete "))).to_be_in_viewport(ratio=1)


def test_sessions_are_ended_and_a_user_deleted_from_the_list(page: Page, site: Site, names: dict[str, int]) -> None:
    site.add_session(site.find("zed1"))
    open_list(page)
    choose(page, "End sessions of", "zed1")
    question(page).get_by_role("button", name="End the sessions of zed1").click()
    expect(message(page, "The sessions of zed1 are ended.")).to_be_visible()
    expect(menu(page, "zed1")).to_be_focused()
    choose(page, "Delete", "zed1")
    question(page).get_by_role("button", name="Delete zed1").click()
    expect(message(page, "zed1 is deleted.")).to_be_visible()
    expect(page.get_by_role("link", name="zed2", exact=True)).to_be_focused()
    assert page.evaluate("window.sameDocument")


def test_without_a_script_there_are_pages_for_it(plain_page: Page, names: dict[str, int]) -> None:
    page = plain_page
    page.goto(LIST + "&search=zed")
    choose(page, "Activate", "zed2")
    expect(message(page, "zed2 is active again.")).to_be_visible()
    choose(page, "Deactivate", "zed2")
    expect(page.get_by_role("heading", name="Deactivate zed2?")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="Deactivate zed2").click()
    expect(row(page, "zed2")).to_contain_text("Inactive")
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "zed2")).not_to_contain_text("Inactive")
    expect(message(page, "Undone: zed2 is active again.")).to_be_visible()
