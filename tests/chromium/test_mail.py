"""Where mail is set up: a forgotten password and a new address, from the page through the mail and back, for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from playwright.sync_api import Page, expect

import smtp_server
from chromium.screen import Open, Site, serve
from chromium.test_states import AXE, OPTIONS, RUN, WIDER_THAN_THE_SCREEN
from facts import PASSWORD
from rollcall.settings import Settings
from service import wait_for
from smtp_server import Mailbox

NEW = "a-fine-new-passphrase"


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    with smtp_server.serve() as box:
        yield box


@pytest.fixture(scope="module")
def service(settings: Settings, box: Mailbox) -> Iterator[Site]:
    """The service with mail, in the place of the one without."""
    with serve(settings, ROLLCALL_SMTP_URL=box.url) as site:
        yield site


def mailed(box: Mailbox, site: Site, address: str) -> str:
    """The link in the mail to an address. It begins with ROLLCALL_PUBLIC_URL, which is unset here."""
    wait_for(lambda: bool(box.to(address)))
    message: EmailMessage = box.to(address)[-1]
    plain = message.get_body(("plain",))
    assert plain
    [link] = [line for line in plain.get_content().splitlines() if line.startswith("http")]
    return f"{site.url}/{link.partition('://')[2].partition('/')[2]}"


def require_usable(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(AXE.read_text())
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(WIDER_THAN_THE_SCREEN) == []
        assert page.evaluate(RUN, OPTIONS) == []


def test_a_forgotten_password(visitor: Page, site: Site, box: Mailbox) -> None:
    site.add(username="ann", email="ann@example.org")
    visitor.goto("/login")
    require_usable(visitor)
    visitor.get_by_role("link", name="Forgot password?").click()
    require_usable(visitor)
    visitor.get_by_label("E-mail address").fill("ann@example.org")
    visitor.get_by_role("button", name="Send the mail").click()
    expect(visitor.get_by_role("status").filter(has_text="a mail is on its way")).to_be_visible()
    visitor.goto(mailed(box, site, "ann@example.org"))
    visitor.get_by_label("New password").fill(NEW)
    visitor.get_by_label("The same password again").fill(NEW)
    visitor.get_by_role("button", name="Set the password").click()
    visitor.get_by_label("Username or e-mail address").fill("ann")
    visitor.get_by_label("Password").fill(NEW)
    visitor.get_by_role("button", name="Log in").click()
    visitor.wait_for_url("**/profile")


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without"])
def test_a_new_address(open_browser: Open, site: Site, box: Mailbox, script: bool) -> None:
    address = f"new-{script}@example.org".lower()
    page = open_browser(site.add(username="bob"), java_script_enabled=script).new_page()
    page.goto("/profile")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text=f"A mail is on its way to {address}")).to_be_visible()
    link = mailed(box, site, address)
    page.goto(link)
    if not script:
        page.get_by_label("Link").fill(link)
        page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text(f"{address} becomes the address of the account bob")).to_be_visible()
    if script:
        assert page.url == f"{site.url}/email"
        require_usable(page)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("status").filter(has_text=f"The address of bob is {address} now.")).to_be_visible()
    assert site.find("bob").email == address


def test_links_by_mail_for_one_and_for_many(page: Page, site: Site, box: Mailbox) -> None:
    user = site.add(username="carl", email="carl@example.org", password_hash=None)
    page.goto(f"/dashboard/users/{user.id}")
    require_usable(page)
    page.get_by_role("button", name="Mail a password link").click()
    expect(page.get_by_role("status").filter(has_text="is on its way to carl@example.org")).to_be_visible()
    mailed(box, site, "carl@example.org")
    page.goto("/dashboard/users/matching/password-links?search=carl@example.org")
    require_usable(page)
    page.get_by_role("button", name="Mail 1 link", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="1 mail with a password link is on the way.")).to_be_visible()
    wait_for(lambda: len(box.to("carl@example.org")) == 2)
