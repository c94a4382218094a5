"""The way back to the list of users as it was searched: from the pages that it leads to, and after what is done there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from browser import PASSWORD, Browser, Page
from rollcall.models import User

NEW = {"username": "new", "email": "new@example.org", "password": PASSWORD, "password_again": PASSWORD}
SEARCHED = "/dashboard/users?search=ann&is_active=true&sort_by=username&sort_order=asc&size=10"

ALL = "/dashboard/users/matching/deactivate?search=user&sort_by=email&sort_order=asc&size=2"


def _breadcrumb(page: Page) -> str:
    return next(page.root.one("nav", aria_label="Breadcrumb").all("a"))["href"]


def _first_user(browser: Browser, page: Page) -> Page:
    return browser.open(page.root.one("tbody").one("th").one("a")["href"])


def _ask_and_act(browser: Browser, page: Page, link: str, button: str) -> Page:
    [href] = [each["href"] for each in page.root.all("a") if each.text == link]
    return browser.press(browser.open(href), button)


@pytest.mark.parametrize("deed", ["look", "save", "refused", "password", "deactivate", "activate", "end sessions"])
def test_the_breadcrumb_leads_to_the_list_as_it_was_searched(
    root_browser: Browser, ann: User, sign_in: Callable[[User], dict[str, str]], deed: str
) -> None:
    sign_in(ann)
    page = _first_user(root_browser, root_browser.open(SEARCHED))
    if deed == "save":
        page = root_browser.press(page, "Save", full_name="Ann Other")
    elif deed == "refused":
        page = root_browser.press(page, "Save", email="none")
    elif deed == "password":
        [href] = [each["href"] for each in page.root.all("a") if each.text == "Set a password"]
        page = root_browser.press(root_browser.open(href), "Set the password", password=PASSWORD, password_again=PASSWORD)
    elif deed in ("deactivate", "activate"):
        page = _ask_and_act(root_browser, page, "Deactivate", "Deactivate ann")
        if deed == "activate":
            page = root_browser.press(page, "Activate")
    elif deed == "end sessions":
        page = _ask_and_act(root_browser, page, "End all sessions", "End the sessions of ann")
    assert page.root.one("h2", id_="details")
    assert _breadcrumb(page) == SEARCHED


def test_a_deletion_leads_to_the_list_as_it_was_searched(root_browser: Browser, ann: User) -> None:
    page = _first_user(root_browser, root_browser.open(SEARCHED))
    assert _ask_and_act(root_browser, page, "Delete", "Delete ann").address == SEARCHED


def test_so_does_a_new_user(root_browser: Browser) -> None:
    page = root_browser.open(SEARCHED)
    [href] = [each["href"] for each in page.root.all("a", class_="button primary") if each.text == "New user"]
    page = root_browser.open(href)
    assert [each["href"] for each in page.root.all("a") if each.text == "Cancel"] == [SEARCHED]
    assert _breadcrumb(root_browser.press(page, "Create the user", **NEW)) == SEARCHED


@pytest.mark.parametrize("leave", ["change", "cancel"])
def test_so_does_a_question_about_all_that_match(root_browser: Browser, make_user: Callable[..., User], leave: str) -> None:
    for _ in range(3):
        make_user()
    searched = "/dashboard/users?search=user&sort_by=email&sort_order=asc&size=2"
    page = root_browser.open(root_browser.open(searched).root.one("p", class_="all").one("a", data_ask="", href=ALL)["href"])
    if leave == "change":
        assert root_browser.press(page, "Deactivate 3 users").address == searched
    else:
        assert [link["href"] for link in page.root.all("a") if link.text == "Cancel"] == [searched]


@pytest.mark.parametrize(
    "planted",
    ["_external=1&_scheme=javascript&_anchor=x", "//evil.example", "next=//evil.example", "search=" + "x" * 2_000, "%00"],
)
def test_a_planted_list_leads_nowhere_else(root_browser: Browser, ann: User, planted: str) -> None:
    page = root_browser.open(f"/dashboard/users/{ann.id}", query_string={"list": planted})
    assert _breadcrumb(page) == "/dashboard/users"


@pytest.mark.parametrize("path", ["{ann}/deactivate", "selected/deactivate?id={ann}", "matching/deactivate?search=ann"])
def test_a_question_is_sent_below_the_prefix_of_the_proxy(
    make_app: Callable[..., Flask], root: User, ann: User, path: str
) -> None:
    browser = Browser(make_app(trusted_proxies=1).test_client())
    browser.log_in("root", PASSWORD)
    page = browser.open(f"/dashboard/users/{path.format(ann=ann.id)}", headers={"X-Forwarded-Prefix": "/rollcall"})
    actions = {form["action"] for form in page.root.all("form", method="post")}
    assert len(actions) == 2
    assert all(action.startswith("/rollcall/") for action in actions)
