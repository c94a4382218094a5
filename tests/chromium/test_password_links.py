"""Password links in a real browser: from the superuser's page to a log-in, with the secret in no request line and no referrer."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, expect

from chromium.screen import Open, Site

NEW = "a-fine-new-passphrase"


def made(page: Page, site: Site, username: str) -> str:
    """Make a link as a superuser does."""
    page.goto(f"/dashboard/users/{site.find(username).id}")
    page.get_by_role("button", name="Make a password link").click()
    return page.locator("#link").inner_text()


def set_password(page: Page) -> None:
    page.get_by_label("New password").fill(NEW)
    page.get_by_label("The same password again").fill(NEW)
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_role("status").filter(has_text="is set. Log in with it.")).to_be_visible()


def log_in(page: Page, username: str) -> None:
    page.get_by_label("Username or e-mail address").fill(username)
    page.get_by_label("Password").fill(NEW)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/profile")


@pytest.fixture
def newcomer(site: Site) -> str:
    return str(site.add(username="new", email="new@example.org", password_hash=None).username)


def test_a_link_is_opened_and_its_secret_is_sent_in_no_address(page: Page, visitor: Page, site: Site, newcomer: str) -> None:
    link = made(page, site, newcomer)
    token = link.partition("#")[2]
    sent: list[Request] = []

    def note(request: Request) -> None:
        sent.append(request)

    visitor.on("request", note)
    visitor.goto(link)
    expect(visitor.get_by_text("For the account new")).to_be_visible()
    assert visitor.url == f"{site.url}/password"
    set_password(visitor)
    log_in(visitor, newcomer)
    assert len(token) == 43
    assert not [each.url for each in sent if token in each.url or token in each.headers.get("referer", "")]
    assert [each.url for each in sent if token in (each.post_data or "")]
    visitor.go_back()
    assert token not in visitor.url


def test_without_a_script_the_link_is_pasted(plain_page: Page, open_browser: Open, site: Site, newcomer: str) -> None:
    link = made(plain_page, site, newcomer)
    visitor = open_browser(java_script_enabled=False).new_page()
    visitor.goto(link)
    visitor.get_by_label("Link").fill(link)
    visitor.get_by_role("button", name="Continue").click()
    set_password(visitor)
    log_in(visitor, newcomer)


def test_another_link_over_the_same_page(page: Page, visitor: Page, site: Site, newcomer: str) -> None:
    old = made(page, site, newcomer)
    new = made(page, site, newcomer)
    visitor.goto(old)
    expect(visitor.get_by_role("alert")).to_contain_text("This link does not work")
    visitor.goto(new)
    expect(visitor.get_by_text("For the account new")).to_be_visible()


def test_links_for_everybody_without_a_password(either: Page, visitor: Page, site: Site, newcomer: str, tmp_path: Path) -> None:
    either.goto("/dashboard/users?has_password=false&size=25")
    every = either.get_by_role("checkbox", name="Select all on this page")
    if every.is_visible():  # a script shows the bar once somebody is selected
        every.check()
    either.get_by_role("link", name="Password links for all 121").click()
    with either.expect_download() as loading:
        either.get_by_role("button", name="Make 121 links and download").click()
    file = tmp_path / "links.csv"
    loading.value.save_as(file)
    with file.open(encoding="utf-8-sig", newline="") as text:
        links = {row["username"]: row["link"] for row in csv.DictReader(text)}
    assert len(links) == 121
    expect(either.get_by_role("heading", level=1)).to_have_text("Make 121 password links?")
    visitor.goto(links[newcomer])
    set_password(visitor)
    log_in(visitor, newcomer)
