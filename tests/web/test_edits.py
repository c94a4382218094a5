"""Two people who edit one user at the same time: nobody undoes, without knowing it, what the other one has saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from browser import Browser
from rollcall.models import User


@pytest.fixture
def boss(make_user: Callable[..., User]) -> User:
    return make_user(username="boss", email="boss@example.org", full_name="The Boss", is_superuser=True)


@pytest.fixture
def other_browser(make_user: Callable[..., User], browser_of: Any) -> Browser:
    return browser_of(make_user(username="other", is_superuser=True))


def test_a_page_that_is_out_of_date_does_not_undo_a_demotion(
    root_browser: Browser, other_browser: Browser, boss: User, session: Session
) -> None:
    address = f"/dashboard/users/{boss.id}"
    mine, theirs = root_browser.open(address), other_browser.open(address)
    other_browser.press(theirs, "Save", is_superuser=None)
    page = root_browser.press(mine, "Save", full_name="The former Boss")
    assert page.status == 412
    assert "other changed this user meanwhile. Nothing of yours was saved." in page.text
    assert "Superuser: changed from yes to no" in page.text
    assert page.value("full_name") == "The former Boss"
    assert "checked" not in page.root.one("input", id_="is_superuser").attributes
    assert session.get_one(User, boss.id).full_name == "The Boss"
    session.expire_all()
    saved = root_browser.press(page, "Save")
    assert saved.toast == "boss is saved."
    stored = session.get_one(User, boss.id, populate_existing=True)
    assert (stored.full_name, stored.is_superuser) == ("The former Boss", False)


def test_both_values_of_a_field_are_shown_and_what_was_typed_stays(
    root_browser: Browser, other_browser: Browser, boss: User
) -> None:
    address = f"/dashboard/users/{boss.id}"
    mine = root_browser.open(address)
    other_browser.press(other_browser.open(address), "Save", full_name="Theirs", username="chief")
    page = root_browser.press(mine, "Save", full_name="Mine")
    assert "Full name: changed from The Boss to Theirs ; you entered Mine" in page.text
    assert "Username: changed from boss to chief" in page.text
    assert (page.value("full_name"), page.value("username")) == ("Mine", "chief")


def test_a_page_that_is_refused_twice_knows_the_newest_version(root_browser: Browser, other_browser: Browser, boss: User) -> None:
    address = f"/dashboard/users/{boss.id}"
    page = root_browser.open(address)
    for name in ("A", "B"):
        other_browser.press(other_browser.open(address), "Save", full_name=name)
        page = root_browser.press(page, "Save", username="chief")
        assert (page.status, page.value("full_name"), page.value("username")) == (412, name, "chief")
    assert root_browser.press(page, "Save").toast == "chief is saved."


def test_a_mistake_keeps_the_version(root_browser: Browser, other_browser: Browser, boss: User) -> None:
    address = f"/dashboard/users/{boss.id}"
    page = root_browser.press(root_browser.open(address), "Save", email="nonsense")
    assert page.status == 422
    other_browser.press(other_browser.open(address), "Save", full_name="Theirs")
    page = root_browser.press(page, "Save", email="new@example.org")
    assert (page.status, page.value("email")) == (412, "new@example.org")


def test_only_what_was_changed_is_saved(root_browser: Browser, boss: User, session: Session) -> None:
    page = root_browser.press(root_browser.open(f"/dashboard/users/{boss.id}"), "Save", full_name="New")
    assert page.toast == "boss is saved."
    assert session.get_one(User, boss.id).email == "boss@example.org"


def test_ones_own_profile_likewise(ann_browser: Browser, root_browser: Browser, ann: User) -> None:
    mine = ann_browser.open("/profile")
    root_browser.press(root_browser.open(f"/dashboard/users/{ann.id}"), "Save", full_name="Theirs")
    page = ann_browser.press(mine, "Save", username="anna")
    assert page.status == 412
    assert "A superuser changed your profile meanwhile." in page.text
    assert (page.value("username"), page.value("full_name")) == ("anna", "Theirs")
    assert ann_browser.press(page, "Save").toast == "Your profile is saved."
