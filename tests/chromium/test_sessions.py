"""Sessions and changes in a real browser: told apart, ended one by one, and readable on a telephone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlalchemy.orm import Session

from chromium.screen import Site
from facts import PASSWORD
from rollcall.infra.runtime import utc_now
from rollcall.models import User, UserSession
from rollcall.services.users import directory

LONGEST_ADDRESS = "2001:db8:85a3:1234:5678:8a2e:370f:7334"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
NAME = "Wolfeschlegelsteinhausenbergerdorff"


@pytest.fixture
def ann(site: Site) -> User:
    """A plain user with a session elsewhere, about whom much was changed."""
    ann = site.add(username="ann", email="ann@example.org", full_name="Ann Lee")
    expires = utc_now() + timedelta(hours=11)
    with Session(site.engine) as session:
        session.add(
            UserSession(user_id=ann.id, token_hash=b"x" * 32, expires_at=expires, address=LONGEST_ADDRESS, user_agent=FIREFOX)
        )
        for number in range(12):
            change = {"email": f"{NAME}{number}@{NAME}.example.org".lower(), "full_name": f"{NAME} {number}"}
            directory.change_user(session, ann.id, change, None, utc_now() - timedelta(minutes=12 - number))
        session.commit()
    return ann


def end_the_other_one(page: Page) -> None:
    sessions = page.get_by_role("region", name="Sessions")
    expect(sessions.get_by_role("row")).to_have_count(3)
    sessions.get_by_role("button", name=f"End the session of Firefox on Linux at {LONGEST_ADDRESS}").click()
    expect(page.get_by_role("status").filter(has_text="The session is ended.")).to_be_visible()
    expect(sessions.get_by_role("row")).to_have_count(2)


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_one_of_ones_own_sessions_is_ended(open_browser: Callable[..., BrowserContext], ann: User, script: bool) -> None:
    page = open_browser(ann, java_script_enabled=script).new_page()
    page.goto("/profile")
    end_the_other_one(page)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your profile")


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_a_superuser_ends_one_of_somebody(
    open_browser: Callable[..., BrowserContext], site: Site, ann: User, script: bool
) -> None:
    open_browser(ann).new_page().goto("/profile")
    page = open_browser(site.find("root"), java_script_enabled=script).new_page()
    page.goto(f"/dashboard/users/{ann.id}")
    end_the_other_one(page)


def test_a_browser_is_recognised_by_what_it_says(visitor: Page, ann: User) -> None:
    visitor.goto("/login")
    visitor.get_by_label("Username or e-mail address").fill("ann")
    visitor.get_by_label("Password").fill(PASSWORD)
    visitor.get_by_role("button", name="Log in").click()
    this = visitor.get_by_role("row").filter(has_text="This one")
    expect(this.get_by_role("rowheader")).to_contain_text("Chrome on Linux")
    expect(this.get_by_role("rowheader")).to_contain_text("127.0.0.1")
    expect(this.get_by_title("HeadlessChrome/")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(open_browser: Callable[..., BrowserContext], site: Site, ann: User, width: int) -> None:
    root = site.find("root")
    for user, path in ((ann, "/profile"), (root, f"/dashboard/users/{ann.id}")):
        page = open_browser(user, viewport={"width": width, "height": 800}).new_page()
        page.goto(path)
        page.get_by_text("2 earlier changes").click()
        expect(page.get_by_role("region", name="Recent changes").get_by_role("listitem")).to_have_count(12)
        parts = page.locator("section, .scroll, li").filter(visible=True)
        assert parts.evaluate_all("(all) => all.filter((part) => part.scrollWidth > part.clientWidth + 1).length") == 0
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for device in page.get_by_role("region", name="Sessions").get_by_role("rowheader").all():
            assert device.evaluate("(cell) => cell.clientWidth") >= 120, "a word of its name may be broken"
        button = page.get_by_role("button", name="End the session of Firefox").bounding_box()
        assert button
        assert min(button["width"], button["height"]) >= 24  # WCAG 2.2, 2.5.8
