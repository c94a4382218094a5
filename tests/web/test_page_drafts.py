"""What was typed into a form is there again after a log-in, for whoever typed it and for nobody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from browser import PASSWORD, Browser, Page
from rollcall.models import User

NEW = "/dashboard/users/new"
TYPED = {"username": "new", "email": "new@example.org", "full_name": "Zoë “Ж” O'Neill <b>", "is_superuser": "true"}
PASSWORDS = {"password": "a-secret-of-hers", "password_again": "a-secret-of-hers"}


def _log_in(browser: Browser, page: Page, username: str = "root") -> Page:
    return browser.press(page, "Log in", username=username, password=PASSWORD)


@pytest.fixture(params=["ended", "cookie gone"])
def ended(request: pytest.FixtureRequest, root_browser: Browser, session: Session) -> Callable[[], None]:
    """End the session of ``root_browser``: at the server, or as browsers do when its time is over."""

    def end() -> None:
        if request.param == "ended":
            session.execute(text("DELETE FROM sessions"))
            session.commit()
        else:
            root_browser.client.delete_cookie("rollcall")

    return end


def test_what_was_typed_is_back_after_the_log_in_and_not_sent(
    root_browser: Browser, ended: Callable[[], None], session: Session
) -> None:
    page = root_browser.open(NEW)
    ended()
    page = root_browser.press(page, "Create the user", is_active=None, **TYPED, **PASSWORDS)
    assert page.heading == "Log in"
    assert "Your session ended before this was done." in page.text
    page = _log_in(root_browser, page)
    assert (page.status, page.address, page.heading) == (200, NEW, "New user")
    assert "Your input is back" in page.root.one("div", role="alert").text
    assert {name: page.value(name) for name in TYPED} == TYPED
    boxes = {box["name"]: "checked" in box.attributes for box in page.root.all("input", type="checkbox")}
    assert boxes == {"is_active": False, "is_superuser": True, "must_change_password": False}
    assert "a-secret-of-hers" not in page.html
    assert session.query(User).filter_by(username="new").count() == 0
    page = root_browser.press(page, "Create the user", **PASSWORDS)
    assert page.toast == "new is created."
    assert root_browser.open(NEW).value("username") is None  # once


@pytest.mark.parametrize(
    ("path", "button"), [("/profile", "Save"), ("/dashboard/users/{ann}?list=search%3Dann", "Save")], ids=["profile", "user"]
)
def test_so_it_is_in_every_form(root_browser: Browser, ann: User, ended: Callable[[], None], path: str, button: str) -> None:
    page = root_browser.open(path.format(ann=ann.id))
    ended()
    page = _log_in(root_browser, root_browser.press(page, button, full_name="Somebody Else"))
    assert page.address == path.format(ann=ann.id)
    assert page.value("full_name") == "Somebody Else"


def test_a_password_is_in_no_cookie(root_browser: Browser, ended: Callable[[], None]) -> None:
    page = root_browser.open("/profile/password")
    ended()
    values = {"current_password": PASSWORD, "password": "a-secret-of-hers", "password_again": "a-secret-of-hers"}
    page = root_browser.press(page, "Change the password", **values)
    with root_browser.client.session_transaction() as cookie:
        assert cookie["draft"]["values"] == {"username": "root"}
    assert _log_in(root_browser, page).heading == "Change your password"


def test_another_user_who_logs_in_never_sees_it(
    root_browser: Browser, make_user: Callable[..., User], ended: Callable[[], None]
) -> None:
    make_user(username="eve", is_superuser=True)
    page = root_browser.open(NEW)
    ended()
    page = _log_in(root_browser, root_browser.press(page, "Create the user", **TYPED), "eve")
    assert (page.address, page.value("username")) == (NEW, None)
    with root_browser.client.session_transaction() as cookie:
        assert "draft" not in cookie


def test_an_hour_later_it_is_forgotten(root_browser: Browser, ended: Callable[[], None], clock: Any) -> None:
    page = root_browser.open(NEW)
    ended()
    page = root_browser.press(page, "Create the user", **TYPED)
    clock.advance(hours=1)
    assert _log_in(root_browser, page).value("username") is None


def test_who_has_logged_in_again_elsewhere_gets_it_back_at_once(root_browser: Browser) -> None:
    page = root_browser.open(NEW)
    root_browser.log_in("root", PASSWORD)  # in another tab
    page = root_browser.press(page, "Create the user", **TYPED)
    assert (page.address, page.value("username")) == (NEW, "new")
    assert "it was not saved" in page.text


def test_more_than_a_cookie_holds_is_not_kept(root_browser: Browser, ended: Callable[[], None]) -> None:
    page = root_browser.open(NEW)
    ended()
    referrer = {"Referer": f"http://localhost{NEW}"}
    page = root_browser.press(page, "Create the user", headers=referrer, **(TYPED | {"full_name": "x" * 2_000}))
    page = _log_in(root_browser, page)
    assert (page.address, page.value("username")) == (NEW, None)


def test_a_form_that_cannot_be_handled_now_is_led_back_to(make_app: Callable[..., Flask], ann: User) -> None:
    app = make_app(rate_limit_enabled=True)
    browser = Browser(app.test_client())
    browser.log_in("ann", PASSWORD)
    page = browser.open("/profile")
    for _ in range(11):
        answer = browser.press(page, "Save", full_name="Somebody Else")
    assert answer.status == 429
    [back] = [link["href"] for link in answer.root.all("a") if link.text == "Back to the form"]
    assert browser.open(back).value("full_name") == "Somebody Else"


OTHER_SITES = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", OTHER_SITES)
def test_a_form_of_another_site_changes_no_cookie(app: Flask, root_browser: Browser, headers: dict[str, str]) -> None:
    """It comes without ours: an answer that sets one would end the session of whoever was led to send it."""
    page = root_browser.open(NEW)
    mark = page.form("Create the user").one("input", name="form_of")["value"]
    browser = Browser(app.test_client())
    sent = browser.open(NEW, "POST", data=TYPED | {"form_of": mark}, headers=headers, follow=False)
    assert sent.status == 302
    assert "Set-Cookie" not in sent.response.headers


@pytest.mark.parametrize("mark", ["", "1", "forged.mark"])
def test_without_our_mark_nothing_is_kept(stranger: Browser, root: User, mark: str) -> None:
    page = stranger.open(NEW, "POST", data=TYPED | {"form_of": mark}, headers={"Referer": f"http://localhost{NEW}"})
    page = _log_in(stranger, page)
    assert (page.address, page.value("username")) == (NEW, None)


def test_a_script_is_told_where_the_answer_leads_and_its_message_waits_there(root_browser: Browser, ann: User) -> None:
    """A browser's ``fetch`` follows a redirect unseen, and would use the message up."""
    script = {"X-Requested-With": "rollcall"}
    page = root_browser.open("/profile")
    answer = root_browser.press(page, "Save", headers=script, full_name="Ada Root").response
    assert (answer.status_code, answer.headers["Location"], answer.data) == (204, "/profile", b"")
    assert root_browser.open("/profile").toast == "Your profile is saved."
    assert root_browser.press(page, "Save", headers=script, email="none").status == 422
