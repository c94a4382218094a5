"""Coming, staying and going: whoever has to log in comes back to where they were."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.sync_api import Page, expect

from chromium.screen import Open, Site
from facts import PASSWORD
from rollcall.infra.runtime import utc_now

USERS = "/dashboard/users"


def log_in(page: Page, username: str = "root") -> None:
    page.get_by_label("Username or e-mail address").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_the_link_of_a_new_rollcall_makes_its_first_superuser(visitor: Page, site: Site) -> None:
    site.empty()
    visitor.goto(site.set_up_path())
    visitor.get_by_label("Username").fill("ada")
    visitor.get_by_label("E-mail address").fill("ada@example.org")
    visitor.get_by_label("Password", exact=True).fill(PASSWORD)
    visitor.get_by_label("The same password again").fill(PASSWORD)
    visitor.get_by_role("button", name="Create the first administrator").click()
    expect(visitor).to_have_title("Dashboard · Rollcall")
    assert site.find("ada").is_superuser


def test_after_a_session_has_ended_a_log_in_returns_to_the_same_page(either: Page, site: Site) -> None:
    either.goto(f"{USERS}?search=example&sort_by=username&sort_order=asc")
    here = either.url
    site.end_sessions()
    either.reload()
    expect(either).to_have_title("Log in · Rollcall")
    log_in(either)
    expect(either).to_have_url(here)
    expect(either.get_by_role("searchbox", name="Search")).to_have_value("example")


def test_a_form_that_came_too_late_is_said_and_led_back_to(either: Page, site: Site) -> None:
    either.goto("/profile")
    site.end_sessions()
    either.get_by_role("button", name="Save").click()
    expect(either.get_by_role("alert")).to_contain_text("Your session ended before this was done.")
    log_in(either)
    expect(either).to_have_title("Your profile · Rollcall")


def test_a_page_of_somebody_else_is_never_returned_to(visitor: Page) -> None:
    visitor.goto("/login?next=//elsewhere.example/")
    log_in(visitor)
    expect(visitor).to_have_url(re.compile(r"/dashboard$"))


def test_logging_out_ends_the_session(either: Page) -> None:
    either.goto("/profile")
    either.get_by_role("button", name="Log out").click()
    expect(either.get_by_role("status")).to_have_text("You are logged out.")
    either.goto("/profile")
    expect(either).to_have_title("Log in · Rollcall")


def test_back_after_logging_out_shows_nothing_of_before(page: Page) -> None:
    page.goto(USERS)
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    expect(page.get_by_role("status")).to_have_text("You are logged out.")
    page.go_back()
    expect(page).to_have_title("Log in · Rollcall")


# 11. What happened, and when


def test_what_went_wrong_stays_until_it_is_dismissed(page: Page, site: Site) -> None:
    page.goto("/profile")
    site.end_sessions()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("main")).to_be_focused()


def test_times_are_relative_with_the_exact_one_in_the_readers_zone(open_browser: Open, site: Site) -> None:
    moment = utc_now() - timedelta(days=3, hours=1)
    person = site.add(username="ann", created_at=moment)
    tokyo = open_browser(site.find("root"), timezone_id="Asia/Tokyo").new_page()
    tokyo.goto(f"{USERS}/{person.id}")
    told = tokyo.locator("time").first
    local = moment + timedelta(hours=9)
    expect(told).to_have_text(f"3 days ago {local.day} {local:%b %Y, %H:%M} GMT+9")
    expect(told).to_have_attribute("datetime", re.compile(f"^{moment:%Y-%m-%dT%H:%M}"))
    expect(told).to_have_attribute("title", re.compile(f"{local:%H:%M}:.*9"))


def test_without_javascript_the_exact_time_is_in_utc(plain_page: Page, site: Site) -> None:
    moment = utc_now() - timedelta(days=3, hours=1)
    plain_page.goto(f"{USERS}/{site.add(created_at=moment).id}")
    expect(plain_page.locator("time").first).to_have_attribute("title", f"{moment:%d %b %Y, %H:%M} UTC".lstrip("0"))


# 9. One user, and oneself


def test_copy_puts_it_on_the_clipboard_and_says_so(page: Page, site: Site) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{USERS}/{site.add(email='Ann@Example.org').id}")
    page.get_by_role("button", name="Copy the e-mail address").click()
    expect(page.get_by_role("button", name="Copied the e-mail address")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "Ann@Example.org"


def test_without_javascript_nothing_promises_to_copy(plain_page: Page, site: Site) -> None:
    plain_page.goto(f"{USERS}/{site.add().id}")
    expect(plain_page.get_by_role("button", name=re.compile("Copy"))).to_have_count(0)


def test_a_superuser_sets_a_password_and_its_owner_logs_in(either: Page, site: Site, visitor: Page) -> None:
    ann = site.add(username="ann", password_hash=None)
    either.goto(f"{USERS}/{ann.id}")
    either.get_by_role("link", name="Set a password").click()
    either.get_by_label("New password", exact=True).fill(PASSWORD)
    either.get_by_label("The same password again").fill(PASSWORD)
    either.get_by_role("button", name="Set the password").click()
    expect(either.locator(".toasts")).to_have_text("ann has a new password, and is logged out everywhere.")
    visitor.goto("/login")
    log_in(visitor, "ann")
    expect(visitor).to_have_title("Your profile · Rollcall")


def test_a_deactivated_user_is_out_at_once(either: Page, site: Site, visitor: Page) -> None:
    ann = site.add(username="ann")
    site.sign_in(visitor.context, ann)
    visitor.goto("/profile")
    either.goto(f"{USERS}/{ann.id}/deactivate")
    expect(either.get_by_text("1 session will end at once")).to_be_visible()
    either.get_by_role("button", name="Deactivate ann").click()
    expect(either.get_by_text("ann is deactivated.")).to_be_visible()
    visitor.reload()
    expect(visitor).to_have_title("Log in · Rollcall")


def test_a_user_is_deleted_after_a_question(either: Page, site: Site) -> None:
    ann = site.add(username="ann")
    either.goto(f"{USERS}/{ann.id}")
    either.get_by_role("link", name="Delete").click()
    expect(either.get_by_text("this cannot be undone")).to_be_visible()
    either.get_by_role("button", name="Delete ann").click()
    expect(either.get_by_text("ann is deleted.")).to_be_visible()
    assert either.goto(f"{USERS}/{ann.id}").status == 404


def test_the_last_superuser_is_told_why_not(either: Page, site: Site) -> None:
    with site.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET is_superuser = username = 'root'")
    either.goto(f"{USERS}/{site.find('root').id}")
    expect(either.get_by_text("You are the last active superuser. Make somebody else a superuser first")).to_be_visible()
    expect(either.get_by_role("link", name="Delete")).to_have_count(0)
