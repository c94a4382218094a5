"""Forms and keys: what is wrong is said where it is, what was typed is kept, and the keyboard is enough."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Dialog, Locator, Page, Route, expect

from chromium.screen import Site, Watch
from facts import PASSWORD

USERS = "/dashboard/users"
NEW = f"{USERS}/new"


@pytest.fixture
def asked(page: Page) -> list[str]:
    """The kinds of dialogs that the browser has opened; each is answered with no."""
    kinds: list[str] = []

    def answer(dialog: Dialog) -> None:
        kinds.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", answer)
    return kinds


def field(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


# 10. What is wrong


def test_problems_are_beside_their_fields_and_in_a_summary_that_has_the_focus(either: Page) -> None:
    either.goto(NEW)
    field(either, "Username").fill("x")
    field(either, "Password").fill("correct-horse-battery")
    with either.expect_response(lambda answer: answer.request.method == "POST") as answered:
        either.get_by_role("button", name="Create the user").click()
    assert answered.value.status == 422
    summary = either.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary.get_by_role("link")).to_have_count(3)
    expect(field(either, "Username")).to_have_accessible_description(
        "A username has at least 2 characters. 2 to 64 letters, digits, . _ and -, or the e-mail address."
    )
    assert field(either, "Username").get_attribute("aria-invalid") == "true"
    assert field(either, "Full name (optional)").get_attribute("aria-invalid") is None


def test_a_line_of_the_summary_leads_to_its_field(either: Page) -> None:
    either.goto(NEW)
    either.get_by_role("button", name="Create the user").click()
    either.get_by_role("alert").get_by_role("link", name=re.compile("^E-mail address")).press("Enter")
    expect(field(either, "E-mail address")).to_be_focused()


def test_what_was_typed_is_kept_and_passwords_are_not(either: Page) -> None:
    either.goto(NEW)
    field(either, "Username").fill("ada")
    field(either, "E-mail address").fill("no address")
    field(either, "Password").fill("correct-horse-battery")
    field(either, "Active").uncheck()
    either.get_by_role("button", name="Create the user").click()
    expect(either.get_by_role("alert")).to_be_visible()
    expect(field(either, "Username")).to_have_value("ada")
    expect(field(either, "E-mail address")).to_have_value("no address")
    expect(field(either, "Password")).to_have_value("")
    expect(field(either, "Active")).not_to_be_checked()


def test_a_user_is_created(either: Page, site: Site) -> None:
    either.goto(NEW)
    for label, typed in (
        ("Username", "ada"),
        ("E-mail address", "ada@example.org"),
        ("Full name (optional)", "Ada Lovelace"),
        ("Password", "correct-horse-battery"),
        ("The same password again", "correct-horse-battery"),
    ):
        field(either, label).fill(typed)
    either.get_by_role("button", name="Create the user").click()
    expect(either.locator(".toasts")).to_have_text("ada is created.")
    expect(either.get_by_role("heading", level=1)).to_have_text("Ada Lovelace")
    assert site.find("ada").is_active


def test_pressed_twice_is_sent_once(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto("/profile")
    page.get_by_role("button", name="Save").evaluate("(button) => { button.click(); button.click(); }")
    expect(page.get_by_text("Your profile is saved.")).to_be_visible()
    assert len(sent) == 1


# 10. The guard


def test_leaving_a_changed_form_is_asked_about(page: Page, asked: list[str]) -> None:
    page.goto("/profile")
    field(page, "Full name (optional)").fill("Somebody Else")
    page.get_by_role("link", name="Users").click(no_wait_after=True)
    expect(page).to_have_title("Your profile · Rollcall")
    assert asked == ["beforeunload"]
    expect(field(page, "Full name (optional)")).to_have_value("Somebody Else")


def test_a_form_that_is_as_it_was_is_left_without_a_question(page: Page, asked: list[str]) -> None:
    page.goto("/profile")
    field(page, "Full name (optional)").fill("Somebody Else")
    field(page, "Full name (optional)").fill("Ada Root")
    page.get_by_role("link", name="Users").click()
    expect(page).to_have_title("Users · Rollcall")
    assert asked == []


def test_saving_is_not_asked_about(page: Page, asked: list[str]) -> None:
    page.goto("/profile")
    field(page, "Full name (optional)").fill("Ada the Root")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your profile is saved.")).to_be_visible()
    assert asked == []


def test_what_was_refused_is_still_guarded(page: Page, asked: list[str]) -> None:
    page.goto(NEW)
    field(page, "Username").fill("x")
    page.get_by_role("button", name="Create the user").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("link", name="Cancel").click(no_wait_after=True)
    expect(page).to_have_title("Error: New user · Rollcall")
    assert asked == ["beforeunload"]


# No answer, and the end of a session


@pytest.mark.parametrize("way", ["offline", "aborted"])
def test_a_form_without_an_answer_stays_as_it_is_and_says_so(
    page: Page, site: Site, watch: Watch, asked: list[str], way: str
) -> None:
    watch.allow("Failed to load resource")
    page.goto(NEW)
    for label, typed in (("Username", "ada"), ("E-mail address", "ada@example.org")):
        field(page, label).fill(typed)
    for label in ("Password", "The same password again"):
        field(page, label).fill("correct-horse-battery")
    if way == "offline":
        page.context.set_offline(True)
    else:
        page.route(f"**{NEW}", lambda route: route.abort())
    create = page.get_by_role("button", name="Create the user")
    create.click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Rollcall did not answer, so the change may or may not have been saved.")
    expect(field(page, "Username")).to_have_value("ada")
    expect(field(page, "Password")).to_have_value("correct-horse-battery")
    expect(create).not_to_have_attribute("aria-busy", "true")
    page.get_by_role("link", name="Users").click(no_wait_after=True)  # it is guarded as before
    expect(page).to_have_title("New user · Rollcall")
    assert asked == ["beforeunload"]
    page.context.set_offline(False)
    page.unroute(f"**{NEW}")
    create.click()
    expect(page.locator(".toasts")).to_have_text("ada is created.")
    expect(alert).to_have_count(0)
    assert site.find("ada").is_active


def test_while_a_form_is_on_its_way_cancel_waits_with_it(page: Page, site: Site) -> None:
    held: list[Route] = []
    page.goto(NEW)
    page.route(f"**{NEW}", lambda route: held.append(route))  # noqa: PLW0108  (Playwright wants a function of ours)
    for label, typed in (("Username", "ada"), ("E-mail address", "ada@example.org")):
        field(page, label).fill(typed)
    for label in ("Password", "The same password again"):
        field(page, label).fill("correct-horse-battery")
    page.get_by_role("button", name="Create the user").click()
    expect(page.get_by_text("Creating the user.")).to_be_visible()
    cancel = page.get_by_role("link", name="Cancel")
    expect(cancel).to_be_disabled()
    cancel.click(force=True)
    held[0].continue_()
    expect(page.locator(".toasts")).to_have_text("ada is created.")


@pytest.mark.parametrize("gone", ["session", "cookie"])
def test_what_was_typed_is_back_after_a_log_in(either: Page, site: Site, gone: str) -> None:
    either.goto(NEW)
    field(either, "Username").fill("ada")
    field(either, "Full name (optional)").fill("Ada Lovelace")
    field(either, "Password").fill("correct-horse-battery")
    field(either, "Superuser").check()
    if gone == "session":
        site.end_sessions()
    else:
        either.context.clear_cookies()
    either.get_by_role("button", name="Create the user").click()
    expect(either.get_by_role("alert")).to_contain_text("Your session ended before this was done.")
    field(either, "Username or e-mail address").fill("root")
    field(either, "Password").fill(PASSWORD)
    either.get_by_role("button", name="Log in").click()
    expect(either).to_have_title("New user · Rollcall")
    expect(either.get_by_role("alert")).to_contain_text("Your input is back")
    expect(field(either, "Username")).to_have_value("ada")
    expect(field(either, "Full name (optional)")).to_have_value("Ada Lovelace")
    expect(field(either, "Password")).to_have_value("")
    expect(field(either, "Superuser")).to_be_checked()


# 10. Keys


@pytest.mark.parametrize("keys", ["Control+Enter", "Meta+Enter"])
def test_control_and_enter_save(page: Page, keys: str) -> None:
    page.goto("/profile")
    field(page, "Full name (optional)").fill("Ada the Root")
    page.keyboard.press(keys)
    expect(page.get_by_text("Your profile is saved.")).to_be_visible()


def test_slash_goes_to_the_search(page: Page) -> None:
    page.goto(f"{USERS}?search=old")
    page.keyboard.press("/")
    search = page.get_by_role("searchbox")
    expect(search).to_be_focused()
    expect(search).to_have_value("old")
    page.keyboard.type("new")  # in place of what was there
    expect(search).to_have_value("new")


def test_a_slash_that_is_typed_is_a_slash(page: Page) -> None:
    page.goto(USERS)
    page.get_by_role("searchbox").press_sequentially("/a/b?")  # the first one leads to the search, where we are
    expect(page.get_by_role("searchbox")).to_have_value("a/b?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_escape_clears_the_search(page: Page) -> None:
    page.goto(f"{USERS}?search=nobody-like-this")
    page.get_by_role("searchbox").press("Escape")
    expect(page.get_by_role("searchbox")).to_have_value("")
    expect(page.locator("#range")).to_have_text("1–50 of 121")


def test_question_mark_lists_the_keys_and_escape_closes_them(page: Page) -> None:
    page.goto("/profile")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    for key in ("/", "?", "Esc", "Ctrl", "K", "↓", "Enter"):
        expect(keys.locator("kbd", has_text=re.compile(f"^{re.escape(key)}$")).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()


def test_keys_of_the_browser_stay_the_browsers(page: Page) -> None:
    page.goto("/profile")
    page.keyboard.press("Control+/")
    page.keyboard.press("Alt+/")
    expect(page.get_by_role("combobox", name="Find a user")).not_to_be_focused()


def test_the_first_tab_leads_past_the_head(either: Page) -> None:
    either.goto("/dashboard")
    either.keyboard.press("Tab")
    skip = either.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    either.keyboard.press("Enter")
    expect(either.locator("main")).to_be_focused()
