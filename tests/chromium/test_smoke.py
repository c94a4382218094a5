"""That there is a browser, that it opens the pages, and that it tells of what no page may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from facts import PASSWORD

if TYPE_CHECKING:  # where there is no Playwright, this module is collected all the same, to be skipped
    from playwright.sync_api import Page

    from chromium.screen import Watch


def log_in(page: Page, password: str = PASSWORD) -> None:
    page.goto("/")
    page.get_by_label("Username or e-mail address").fill("root")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_a_superuser_logs_in(visitor: Page) -> None:
    log_in(visitor)
    visitor.wait_for_url("**/dashboard")
    assert visitor.title() == "Dashboard · Rollcall"


def test_pages_that_are_errors_are_no_fault_of_theirs(visitor: Page) -> None:
    log_in(visitor, "not-the-password")
    visitor.get_by_role("alert").wait_for()
    assert visitor.title() == "Error: Log in · Rollcall"
    assert visitor.goto("/no-such-page").status == 404


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("console.error('broken')", "console: broken"),
        ("setTimeout(() => { throw new Error('broken') })", "uncaught: broken"),
        ("fetch('/no-such-file').then(() => null)", "console: Failed to load resource"),
        ("fetch('http://127.0.0.1:9/').catch(() => null)", "Content Security Policy"),
        ("document.body.setAttribute('style', 'color: red')", "Content Security Policy"),
    ],
)
def test_the_watch_tells_of_faults(page: Page, watch: Watch, script: str, told: str) -> None:
    page.goto("/profile")
    page.evaluate(script)
    page.evaluate("new Promise((done) => setTimeout(done))")  # what the browser tells comes in order
    assert told in " ".join(watch.faults)
    watch.faults.clear()
