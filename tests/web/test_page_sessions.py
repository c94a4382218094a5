"""The sessions on the pages: what they are told apart by, and ending one of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from browser import PASSWORD, Browser, Element, Page
from facts import NOON
from rollcall.models import User, UserSession
from rollcall.services.identity import accounts
from rollcall.services.users import first_superuser

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def rows(page: Page) -> list[Element]:
    return list(page.root.one("section", aria_labelledby="sessions").one("tbody").all("tr"))


def end(browser: Browser, page: Page, row: Element) -> Page:
    """Press the button in a row."""
    form = row.one("form", method="post")
    return browser.open(form["action"], "POST", data={"csrf_token": form.one("input", name="csrf_token")["value"]})


@pytest.fixture
def from_elsewhere(app: Flask, ann: User) -> Browser:
    """Ann's browser at another place, in which she has logged in."""
    browser = Browser(app.test_client())
    browser.client.environ_base |= {"REMOTE_ADDR": "2001:db8::7", "HTTP_USER_AGENT": FIREFOX}
    assert browser.log_in("ann", PASSWORD).address == "/profile"
    return browser


def test_a_session_shows_its_device_and_address(root_browser: Browser, from_elsewhere: Browser, ann: User) -> None:
    for page, this in ((root_browser.open(f"/dashboard/users/{ann.id}"), ""), (from_elsewhere.open("/profile"), "This one ")):
        [row] = rows(page)
        assert row.one("th").text == f"Firefox on Linux {this}2001:db8::7"
        assert row.one("bdi")["title"] == FIREFOX
        assert "just now 11 Mar 2026, 12:00 UTC ends in 12 hours" in row.text


def test_what_is_not_known_of_a_session_is_said(root_browser: Browser, ann_browser: Browser, ann: User) -> None:
    [row] = rows(root_browser.open(f"/dashboard/users/{ann.id}"))
    assert row.one("th").text == "Unknown device unknown address"
    assert row.one("bdi").get("title") is None


def test_the_set_up_session_has_its_device_too(stranger: Browser, app: Flask) -> None:
    stranger.client.environ_base |= {"HTTP_USER_AGENT": FIREFOX}
    page = stranger.open(first_superuser.link_path(str(app.secret_key)))
    new = {"username": "ada", "email": "ada@example.org", "password": PASSWORD, "password_again": PASSWORD}
    stranger.press(page, "Create the first administrator", **new)
    [row] = rows(stranger.open("/profile"))
    assert row.one("th").text == "Firefox on Linux This one 127.0.0.1"


def test_ones_own_session_is_first_and_has_no_button(ann_browser: Browser, from_elsewhere: Browser, ann: User) -> None:
    first, second = rows(ann_browser.open("/profile"))
    assert "This one" in first.text
    assert not list(first.all("form"))
    assert second.one("button").text == "End the session of Firefox on Linux at 2001:db8::7"


def test_ending_one_of_ones_own_sessions_ends_that_one(
    ann_browser: Browser, from_elsewhere: Browser, browser_of: Callable[[User], Browser], ann: User
) -> None:
    third = browser_of(ann)
    page = ann_browser.open("/profile")
    [row] = [row for row in rows(page) if "Firefox" in row.text]
    page = end(ann_browser, page, row)
    assert (page.address, page.toast, len(rows(page))) == ("/profile", "The session is ended.", 2)
    assert from_elsewhere.open("/profile").heading == "Log in"
    assert third.open("/profile").heading == "Your profile"


def test_a_superuser_ends_one_session_of_somebody(
    root_browser: Browser, ann_browser: Browser, from_elsewhere: Browser, ann: User
) -> None:
    page = root_browser.open(f"/dashboard/users/{ann.id}")
    page = end(root_browser, page, rows(page)[0])
    assert (page.address, page.toast, len(rows(page))) == (f"/dashboard/users/{ann.id}", "The session is ended.", 1)
    assert from_elsewhere.open("/profile").heading == "Log in"
    assert ann_browser.open("/profile").heading == "Your profile"


@pytest.mark.parametrize("action", ["/profile/sessions/{}/end", "/dashboard/users/{user}/sessions/{}/end"])
@pytest.mark.parametrize("of", ["ann", "nobody"])
def test_the_session_of_somebody_else_is_not_found(
    root_browser: Browser, ann_browser: Browser, root: User, ann: User, session: Session, action: str, of: str
) -> None:
    [opened] = accounts.open_sessions(session, ann.id, NOON)
    token = root_browser.open("/profile").form("Log out").one("input")["value"]
    path = action.format(opened.id if of == "ann" else 999_999, user=root.id)
    page = root_browser.open(path, "POST", data={"csrf_token": token})
    assert (page.status, page.heading) == (404, "Not found")
    assert "This session does not exist" in page.text
    assert ann_browser.open("/profile").heading == "Your profile"


def test_a_plain_user_ends_nobody_elses(ann_browser: Browser, root_browser: Browser, root: User, session: Session) -> None:
    [opened] = accounts.open_sessions(session, root.id, NOON)
    token = ann_browser.open("/profile").form("Log out").one("input")["value"]
    for path, status in (
        (f"/profile/sessions/{opened.id}/end", 404),
        (f"/dashboard/users/{root.id}/sessions/{opened.id}/end", 403),
    ):
        assert ann_browser.open(path, "POST", data={"csrf_token": token}).status == status
    assert root_browser.open("/dashboard").status == 200


def test_ending_the_session_that_asks_is_logging_out(ann_browser: Browser, ann: User, session: Session) -> None:
    [opened] = accounts.open_sessions(session, ann.id, NOON)
    token = ann_browser.open("/profile").form("Log out").one("input")["value"]
    page = ann_browser.open(f"/profile/sessions/{opened.id}/end", "POST", data={"csrf_token": token})
    assert page.heading == "Log in"


def test_a_session_that_has_ended_meanwhile_is_not_found(ann_browser: Browser, from_elsewhere: Browser, ann: User) -> None:
    page = ann_browser.open("/profile")
    from_elsewhere.press(from_elsewhere.open("/profile"), "Log out")
    assert end(ann_browser, page, rows(page)[1]).status == 404


@pytest.mark.parametrize("token", [None, "", "forged"])
def test_no_session_ends_without_the_token(ann_browser: Browser, ann: User, session: Session, token: str | None) -> None:
    [opened] = accounts.open_sessions(session, ann.id, NOON)
    data = {"csrf_token": token} if token is not None else {}
    assert ann_browser.open(f"/profile/sessions/{opened.id}/end", "POST", data=data).status == 400
    assert ann_browser.open(f"/profile/sessions/{opened.id}/end").status == 405
    assert ann_browser.open("/profile").heading == "Your profile"


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", "9223372036854775808", "9" * 5_000, "%00", "%ED%A0%80", "٣"])
def test_ids_that_cannot_be_are_not_found(root_browser: Browser, root: User, number: str) -> None:
    token = root_browser.open("/profile").form("Log out").one("input")["value"]
    for path in (f"/profile/sessions/{number}/end", f"/dashboard/users/{root.id}/sessions/{number}/end"):
        assert root_browser.open(path, "POST", data={"csrf_token": token}).status == 404


def test_of_very_many_sessions_the_newest_are_listed(
    ann_browser: Browser, ann: User, engine: Engine, statements: list[str]
) -> None:
    values: list[dict[str, Any]] = [
        {"user_id": ann.id, "token_hash": number.to_bytes(32), "expires_at": NOON + timedelta(hours=1)} for number in range(60)
    ]
    with engine.begin() as connection:
        connection.execute(insert(UserSession), values)
    page = ann_browser.open("/profile")
    assert len(rows(page)) == 50
    assert "This one" in rows(page)[0].text
    assert "And 11 older ones." in page.text
    assert len(statements) == 4, statements  # who asks; the user; the sessions; what changed lately
