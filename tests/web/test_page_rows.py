"""What a row of the list offers to do to a user, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from sqlalchemy.orm import Session

from browser import Browser, Page
from rollcall.models import User


def _row(page: Page, user: User) -> str:
    return page.root.one("tr", id_=f"user-{user.id}").one("td", class_="actions").text


def _token(page: Page) -> str:
    return page.root.one("form", action="/logout").one("input")["value"]


def _undoes(page: Page) -> bool:
    return any(button.text == "Undo" for button in page.root.all("button"))


def _is_active(session: Session, user: User) -> bool:
    session.expire_all()
    return session.get_one(User, user.id).is_active


def test_an_activation_is_undone_at_once_and_one_is_back_in_the_list(
    root_browser: Browser, make_user: Callable[..., User], session: Session
) -> None:
    user = make_user(username="off", is_active=False)
    page = root_browser.press(root_browser.open("/dashboard/users?search=off"), "Activate")
    assert page.toast == "off is active again."
    page = root_browser.press(page, "Undo")
    assert (page.toast, page.address) == ("Undone: off is inactive again.", "/dashboard/users?search=off")
    assert not _is_active(session, user)
    assert not _undoes(page)


def test_a_deactivation_is_undone_but_for_the_sessions(
    root_browser: Browser, ann_browser: Browser, ann: User, session: Session
) -> None:
    page = root_browser.open("/dashboard/users?search=ann")
    ask = root_browser.open(page.root.one("a", aria_label="Deactivate ann")["href"])
    page = root_browser.press(ask, "Deactivate ann")
    assert page.toast == "ann is deactivated. 1 session ended, which Undo does not bring back."
    page = root_browser.press(page, "Undo")
    assert (page.toast, page.address) == ("Undone: ann is active again.", "/dashboard/users?search=ann")
    assert _is_active(session, ann)
    assert ann_browser.open("/profile").heading == "Log in"


def test_sessions_are_spoken_of_only_where_there_were_any(root_browser: Browser, ann: User) -> None:
    page = root_browser.press(root_browser.open(f"/dashboard/users/{ann.id}/deactivate"), "Deactivate ann")
    assert page.toast == "ann is deactivated."
    assert root_browser.press(page, "Undo").address == f"/dashboard/users/{ann.id}"


def test_what_changed_nothing_is_not_undone(root_browser: Browser, ann: User, make_user: Callable[..., User]) -> None:
    off = make_user(username="off", is_active=False)
    token = _token(root_browser.open("/dashboard"))
    for path in (f"/dashboard/users/{ann.id}/activate", f"/dashboard/users/{off.id}/deactivate"):
        page = root_browser.open(path, "POST", data={"csrf_token": token})
        assert page.toast
        assert not _undoes(page)


@pytest.mark.parametrize("action", ["delete", "end-sessions"])
def test_what_cannot_be_undone_does_not_offer_it(root_browser: Browser, ann: User, action: str) -> None:
    verb = {"delete": "Delete", "end-sessions": "End the sessions of"}[action]
    assert not _undoes(root_browser.press(root_browser.open(f"/dashboard/users/{ann.id}/{action}"), f"{verb} ann"))


def test_who_has_deactivated_the_own_account_cannot_undo_it(
    root_browser: Browser, root: User, make_user: Callable[..., User]
) -> None:
    make_user(is_superuser=True)
    page = root_browser.press(root_browser.open(f"/dashboard/users/{root.id}/deactivate"), "Deactivate root")
    assert page.heading == "Log in"
    assert not _undoes(page)


def test_an_undo_says_who_has_gone_or_changed_meanwhile(
    root_browser: Browser, make_user: Callable[..., User], as_root: Any
) -> None:
    user = make_user(username="off", is_active=False)
    page = root_browser.press(root_browser.open("/dashboard/users?search=off"), "Activate")
    as_root.delete(f"/users/{user.id}")
    page = root_browser.press(page, "Undo")
    assert page.toast == "Undone: nobody is inactive again. 1 other had changed again meanwhile, or is gone."


def test_ones_own_row_explains_instead_of_offering(root_browser: Browser, root: User, make_user: Callable[..., User]) -> None:
    make_user(is_superuser=True)
    page = root_browser.open("/dashboard/users")
    assert _row(page, root).endswith("Change your password End sessions You can be deactivated on your page only.")
    link = page.root.one("tr", id_=f"user-{root.id}").one("td", class_="actions").one("p").one("a")
    assert root_browser.open(link["href"]).root.one("a", href=f"/dashboard/users/{root.id}/deactivate#ask")


def test_superusers_without_a_password_may_go_and_do_not_stay_for_others(
    root_browser: Browser, root: User, make_user: Callable[..., User], session: Session
) -> None:
    """What the list offers, what the pages explain and what the guard refuses are one rule."""
    synthetic = make_user(username="synthetic", is_superuser=True, password_hash=None)
    menu = "⋯ Actions for synthetic Set a password End sessions Deactivate Delete"
    assert _row(root_browser.open("/dashboard/users"), synthetic) == menu
    assert "the last active superuser" in root_browser.open(f"/dashboard/users/{root.id}").text
    ask = root_browser.open(f"/dashboard/users/{root.id}/deactivate")
    assert "You are the last active superuser." in ask.text
    token = _token(ask)
    assert root_browser.open(f"/dashboard/users/{root.id}/deactivate", "POST", data={"csrf_token": token}).status == 409
    page = root_browser.open(f"/dashboard/users/{synthetic.id}/deactivate")
    assert "last active superuser" not in page.text
    assert root_browser.press(page, "Deactivate synthetic").status == 200
    assert not _is_active(session, synthetic)


def test_the_list_asks_the_database_no_more_for_its_rows(
    root_browser: Browser, make_user: Callable[..., User], statements: list[str]
) -> None:
    for number in range(6):
        make_user(is_superuser=number % 2 == 0, is_active=number % 3 == 0)
    root_browser.open("/dashboard/users")
    assert len(statements) == 3, statements  # who asks, the total, the page


@pytest.mark.parametrize("deed", ["activate", "deactivate"])
def test_only_superusers_undo(ann_browser: Browser, root: User, deed: str) -> None:
    token = _token(ann_browser.open("/profile"))
    page = ann_browser.open(f"/dashboard/users/undo/{deed}", "POST", data={"id": root.id, "csrf_token": token})
    assert (page.status, page.heading) == (403, "Not allowed")


def test_an_undo_needs_the_token_of_the_form(root_browser: Browser, ann: User, session: Session) -> None:
    assert root_browser.open("/dashboard/users/undo/activate", "POST", data={"id": ann.id}).status == 400
    assert _is_active(session, ann)


def test_an_undo_leads_nowhere_else(root_browser: Browser, ann: User) -> None:
    token = _token(root_browser.open("/dashboard"))
    data = {"id": ann.id, "next": "//evil.example/", "csrf_token": token}
    assert root_browser.open("/dashboard/users/undo/activate", "POST", data=data).address == "/dashboard/users"


def test_an_undo_never_deactivates_who_asks(root_browser: Browser, root: User, session: Session) -> None:
    token = _token(root_browser.open("/dashboard"))
    root_browser.open("/dashboard/users/undo/activate", "POST", data={"id": root.id, "csrf_token": token})
    assert _is_active(session, root)


def test_the_offer_for_a_whole_page_fits_into_a_cookie(root_browser: Browser, session: Session) -> None:
    users = [
        User(id=2**62 + Random(number).getrandbits(61), username=f"u{number:03}", email=f"u{number}@example.org")
        for number in range(100)
    ]
    session.add_all(users)
    session.commit()
    query = "&".join(f"id={user.id}" for user in users)
    ask = root_browser.open(f"/dashboard/users/selected/deactivate?{query}")
    page = root_browser.press(ask, "Deactivate 100 users", follow=False)
    assert len(page.response.headers["Set-Cookie"]) < 4096
    page = root_browser.open("/dashboard/users")
    assert len(list(page.form("Undo").all("input", name="id"))) == 100
