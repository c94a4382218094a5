"""Everybody's own account."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from browser import PASSWORD, Browser
from rollcall.models import User

GOOD = "another-good-password"


def test_own_details_can_be_changed(ann_browser: Browser, ann: User, session: Session) -> None:
    page = ann_browser.press(ann_browser.open("/profile"), "Save", username="anna", full_name="Anna")
    assert (page.toast, page.value("username")) == ("Your profile is saved.", "anna")
    assert session.get_one(User, ann.id).full_name == "Anna"


def test_nobody_becomes_a_superuser_by_a_field_of_their_own(ann_browser: Browser, ann: User, session: Session) -> None:
    token = ann_browser.open("/profile").form("Save").one("input", name="csrf_token")["value"]
    fields = {"username": "ann", "email": "ann@example.org", "is_superuser": "true", "is_active": ""}
    assert ann_browser.open("/profile", "POST", data=fields | {"csrf_token": token}).status == 200
    user = session.get_one(User, ann.id)
    assert (user.is_superuser, user.is_active) == (False, True)


def test_what_is_wrong_is_said_and_kept(ann_browser: Browser, root: User) -> None:
    page = ann_browser.press(ann_browser.open("/profile"), "Save", username="x", email="ROOT@example.org")
    assert (page.status, page.value("email")) == (422, "ROOT@example.org")
    page = ann_browser.press(page, "Save", username="ann")
    needed = "Enter your current password to change your password or your e-mail address."
    assert (page.status, page.problem("current_password")) == (422, needed)
    page = ann_browser.press(page, "Save", current_password=PASSWORD)
    assert (page.status, page.problem("email")) == (409, "This e-mail address is already in use.")
    assert PASSWORD not in page.html


def test_a_new_address_needs_the_password_and_ends_the_other_sessions(
    ann_browser: Browser, browser_of: Any, ann: User, session: Session
) -> None:
    other = browser_of(ann)
    page = ann_browser.press(ann_browser.open("/profile"), "Save", email="new@example.org", current_password="not-this-one")
    assert (page.status, page.problem("current_password")) == (422, "This is not your current password.")
    page = ann_browser.press(page, "Save", current_password=PASSWORD)
    assert page.toast == "Your profile is saved. You are logged out everywhere else."
    assert session.get_one(User, ann.id).email == "new@example.org"
    assert other.open("/profile").heading == "Log in"


def test_an_own_password_needs_the_current_one(ann_browser: Browser) -> None:
    page = ann_browser.open("/profile/password")
    new = {"password": GOOD, "password_again": GOOD}
    page = ann_browser.press(page, "Change the password", current_password="not-this-one", **new)
    assert (page.status, page.problem("current_password")) == (422, "This is not your current password.")
    assert "not-this-one" not in page.html


def test_a_changed_password_keeps_this_session_and_ends_the_others(ann_browser: Browser, browser_of: Any, ann: User) -> None:
    other = browser_of(ann)
    page = ann_browser.open("/profile/password")
    page = ann_browser.press(page, "Change the password", current_password=PASSWORD, password=GOOD, password_again=GOOD)
    assert page.address == "/profile"
    assert "logged out everywhere else" in page.toast
    assert other.open("/profile").heading == "Log in"


def test_other_sessions_are_listed_and_ended(ann_browser: Browser, browser_of: Any, ann: User) -> None:
    other = browser_of(ann)
    page = ann_browser.open("/profile")
    assert len(list(page.root.one("section", aria_labelledby="sessions").one("tbody").all("tr"))) == 2
    page = ann_browser.press(page, "Log out everywhere else")
    assert page.status == 200
    assert other.open("/profile").heading == "Log in"


def test_a_superuser_changes_the_own_password_there_too(root_browser: Browser, root: User) -> None:
    assert root_browser.open(f"/dashboard/users/{root.id}/password").address == "/profile/password"
