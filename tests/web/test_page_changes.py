"""What changed lately about a user, in words: all of it for superusers, and for everybody what concerns themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from browser import PASSWORD, Browser, Page
from facts import NOON
from rollcall.models import User
from rollcall.services.events import trail
from rollcall.services.identity.accounts import Identity
from rollcall.services.users import directory

NEW_PASSWORD = "another-good-password"


def lately(page: Page) -> list[str]:
    """The entries as they read, without their exact times."""
    section = page.root.one("section", aria_labelledby="lately")
    exact = re.compile(r" \d+ [A-Z][a-z]{2} \d{4}, \d\d:\d\d UTC$")
    return [exact.sub("", entry.text.replace(" ,", ",")) for entry in section.all("li")]


@pytest.fixture
def change(session: Session, ann: User, acting: Callable[[User], Identity]) -> Callable[..., None]:
    """Change Ann, an hour before another change."""
    moment = NOON - timedelta(days=3)

    def make(by: User | None, **fields: Any) -> None:
        nonlocal moment
        directory.change_user(session, ann.id, fields, acting(session.get(User, by.id)) if by else None, moment)
        session.commit()
        moment += timedelta(hours=1)

    return make


def test_without_changes_it_says_so(root_browser: Browser, ann_browser: Browser, ann: User) -> None:
    for page in (root_browser.open(f"/dashboard/users/{ann.id}"), ann_browser.open("/profile")):
        assert page.root.one("section", aria_labelledby="lately").text == "Recent changes No changes on record."


def test_changes_read_as_sentences_the_newest_first(
    root_browser: Browser, root: User, ann: User, change: Callable[..., None]
) -> None:
    change(root, email="new@example.org")
    change(root, full_name=None)
    change(root, full_name="Ann")
    change(root, password=NEW_PASSWORD)
    change(root, is_active=False)
    change(None, is_active=True)
    change(root, username="anna", is_superuser=True)
    change(ann, username="ann", is_superuser=False, password=PASSWORD, current_password=NEW_PASSWORD)
    page = root_browser.open(f"/dashboard/users/{ann.id}")
    assert lately(page) == [
        "anna set a new password, 2 days ago",
        "anna changed the username from anna to ann and made this user a plain user, 2 days ago",
        "root changed the username from ann to anna and made this user a superuser, 2 days ago",
        "The operator activated this user, 2 days ago",
        "root deactivated this user, 2 days ago",
        "root set a new password, 2 days ago",
        "root set the full name to Ann, 2 days ago",
        "root removed the full name Ann Lee, 2 days ago",
        "root changed the e-mail address from ann@example.org to new@example.org, 3 days ago",
    ]


def test_a_change_says_exactly_when_for_those_who_have_no_mouse(
    root_browser: Browser, root: User, ann: User, change: Callable[..., None]
) -> None:
    change(root, full_name="Ann")
    page = root_browser.open(f"/dashboard/users/{ann.id}")
    time = page.root.one("section", aria_labelledby="lately").one("time", class_="whole")
    assert time.text == "3 days ago 8 Mar 2026, 12:00 UTC"


def test_ones_own_page_says_you_and_names_no_other(
    browser_of: Callable[[User], Browser], root: User, ann: User, change: Callable[..., None]
) -> None:
    change(root, email="new@example.org", is_superuser=True)
    change(None, full_name="Ann")
    change(ann, username="anna", is_superuser=False)
    page = browser_of(ann).open("/profile")
    assert lately(page) == [
        "You changed the username from ann to anna and made yourself a plain user, 2 days ago",
        "The operator changed the full name from Ann Lee to Ann, 2 days ago",
        "A superuser changed the e-mail address from ann@example.org to new@example.org and made you a superuser, 3 days ago",
    ]
    assert "root" not in page.html


def test_who_made_a_change_and_is_deleted_is_still_named(
    root_browser: Browser, ann_browser: Browser, ann: User, make_user: Callable[..., User], change: Any, session: Session
) -> None:
    other = make_user(username="other", is_superuser=True)
    change(other, full_name="Ann")
    directory.delete_user(session, other.id, None, NOON)
    session.commit()
    assert lately(root_browser.open(f"/dashboard/users/{ann.id}"))[0].startswith("other changed the full name")
    assert lately(ann_browser.open("/profile"))[0].startswith("A superuser changed the full name")


def test_the_pages_record_what_is_done_on_them(root_browser: Browser, ann_browser: Browser, ann: User, session: Session) -> None:
    ann_browser.press(ann_browser.open("/profile"), "Save", username="anna")
    new = {"password": NEW_PASSWORD, "password_again": NEW_PASSWORD}
    ann_browser.press(ann_browser.open("/profile/password"), "Change the password", current_password=PASSWORD, **new)
    user = f"/dashboard/users/{ann.id}"
    root_browser.press(root_browser.open(user), "Save", email="new@example.org")
    root_browser.press(root_browser.open(f"{user}/password"), "Set the password", **new)
    root_browser.press(root_browser.open(f"{user}/deactivate"), "Deactivate anna")
    root_browser.press(root_browser.open(user), "Activate")
    recorded = [(entry.by_username, entry.changes) for entry in trail.recent(session, ann.id)]
    assert recorded == [
        ("root", {"is_active": [False, True]}),
        ("root", {"is_active": [True, False]}),
        ("root", {"password": True}),
        ("root", {"email": ["ann@example.org", "new@example.org"]}),
        ("anna", {"password": True}),
        ("ann", {"username": ["ann", "anna"]}),
    ]


def test_a_form_that_is_refused_shows_them_as_well(
    root_browser: Browser, root: User, ann: User, change: Callable[..., None]
) -> None:
    change(root, full_name="Ann")
    page = root_browser.press(root_browser.open(f"/dashboard/users/{ann.id}"), "Save", email="no address")
    assert (page.status, len(lately(page))) == (422, 1)


def test_earlier_changes_are_behind_a_disclosure(root_browser: Browser, ann: User, change: Callable[..., None]) -> None:
    for number in range(12):
        change(None, full_name=f"Ann {number}")
    page = root_browser.open(f"/dashboard/users/{ann.id}")
    details = page.root.one("section", aria_labelledby="lately").one("details")
    assert details.one("summary").text == "2 earlier changes"
    assert len(list(details.all("li"))) == 2
    assert len(lately(page)) == 12


def test_changes_of_others_are_nobodys_business(
    make_app: Callable[..., Flask], ann_browser: Browser, make_user: Callable[..., User], session: Session, ann: User
) -> None:
    other = make_user(username="other")
    directory.change_user(session, other.id, {"full_name": "Secret"}, None, NOON)
    session.commit()
    assert "Secret" not in ann_browser.open("/profile").html
    assert ann_browser.open(f"/dashboard/users/{other.id}").status == 403
