"""API tokens in a real browser, with a script and without: created, copied, used and ended."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from chromium.screen import Site
from service import call


def create(page: Page) -> str:
    """Create a token, and read it off the page."""
    page.goto("/profile")
    page.get_by_role("link", name="API tokens").click()
    page.get_by_role("textbox", name="Name").fill("Nightly")
    page.get_by_role("checkbox", name="self").check()
    page.get_by_label("Ends after").select_option("30 days")
    page.get_by_role("button", name="Create the token").click()
    return page.locator("#token").inner_text()


def test_a_token_is_created_used_and_ended(either: Page, site: Site) -> None:
    token = create(either)
    assert re.fullmatch("rct_[0-9A-Za-z]{49}", token)
    bearer = {"Authorization": f"Bearer {token}"}
    assert call(site.url, "GET", "/api/v1/auth/me", headers=bearer).json["username"] == "root"
    either.get_by_role("link", name="Back to your tokens").click()
    either.get_by_role("link", name="Tokens of all users").click()
    row = either.get_by_role("row").filter(has_text="Nightly")
    expect(row).to_contain_text("root")
    row.get_by_role("button", name="End the token Nightly of root").click()
    expect(either.get_by_text("The token Nightly is ended.")).to_be_visible()
    assert call(site.url, "GET", "/api/v1/auth/me", headers=bearer).status_code == 401


def test_a_script_copies_the_token(page: Page, site: Site) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    token = create(page)
    page.get_by_role("button", name="Copy the token").click()
    expect(page.locator("#copied")).not_to_be_empty()
    assert page.evaluate("navigator.clipboard.readText()") == token
