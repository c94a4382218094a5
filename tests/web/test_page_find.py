"""The search in the head of every page: where it is, what it answers, and that it works as a plain form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from browser import Browser, Page
from rollcall.models import User

FIND = "/dashboard/find"


def find(browser: Browser, term: str) -> Page:
    return browser.open(FIND, query_string={"search": term})


def message(page: Page) -> str:
    return page.root.one("div")["data-hits"]


def hits(page: Page) -> list[str]:
    return [hit.text for hit in page.root.all("a", role="option")]


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/users", "/dashboard/system", "/profile", "/dashboard/users/999999"])
def test_every_page_of_a_superuser_has_it(root_browser: Browser, ann: User, path: str) -> None:
    page = root_browser.open(path)
    page = root_browser.press(page, "Find", search="ann")
    assert page.address == "/dashboard/users?search=ann"
    assert page.root.one("td", class_="username").text == "ann"


def test_nobody_else_has_it(ann_browser: Browser, stranger: Browser) -> None:
    for page in (ann_browser.open("/profile"), stranger.open("/login")):
        assert not list(page.root.all("input", type="search"))
        assert "find.js" not in page.html
    assert find(ann_browser, "root").status == 403
    assert find(stranger, "root").heading == "Log in"


def test_a_hit_shows_who_it_is_and_leads_there(root_browser: Browser, make_user: Callable[..., User]) -> None:
    user = make_user(username="tove-77", email="tove@nowhere.example", full_name="Tove Ünïque", is_active=False)
    page = find(root_browser, " TOVE ")
    assert (page.status, message(page)) == (200, "1 user")
    assert hits(page) == ["Tove Ünïque tove-77 tove@nowhere.example Inactive"]
    hit = page.root.one("a", role="option")
    assert (hit["tabindex"], hit["aria-selected"]) == ("-1", "false")
    page = root_browser.open(hit["href"])
    assert page.address.startswith(f"/dashboard/users/{user.id}")
    [back] = page.root.one("nav", aria_label="Breadcrumb").all("a")
    assert back["href"] == "/dashboard/users?search=TOVE"


def test_at_most_eight_are_shown_and_the_others_counted(root_browser: Browser, make_user: Callable[..., User]) -> None:
    for number in range(8):
        make_user(username=f"zed{number}")
    page = find(root_browser, "zed")
    assert (message(page), len(hits(page))) == ("8 users", 8)
    assert "data-more" not in page.root.one("div").attributes
    make_user(username="zed8")
    page = find(root_browser, "zed")
    assert (message(page), len(hits(page))) == ("8 of 9 users", 8)
    assert "data-more" in page.root.one("div").attributes


def test_a_count_that_is_a_bound_says_more_than(root_browser: Browser, session: Session) -> None:
    session.add_all(User(username=f"many{number}", email=f"many{number}@example.org") for number in range(250))
    session.commit()
    assert message(find(root_browser, "many")).startswith("8 of more than ")


def test_an_id_finds_its_user_first(root_browser: Browser, ann: User, make_user: Callable[..., User]) -> None:
    make_user(username=f"other{ann.id}x")
    page = find(root_browser, str(ann.id))
    assert hits(page)[0].startswith("Ann Lee ann ")
    assert any("other" in hit for hit in hits(page)[1:])


def test_nobody_is_said(root_browser: Browser) -> None:
    page = find(root_browser, "nobody-like-this")
    assert (page.status, message(page), hits(page)) == (200, "No user found.", [])


@pytest.mark.parametrize("term", ["", "  ", "x" * 101, "a\0b"])
def test_what_cannot_be_searched_is_said(root_browser: Browser, term: str) -> None:
    page = find(root_browser, term)
    assert page.status == 422
    assert message(page)
    assert hits(page) == []


def test_a_name_that_attacks_stays_text(root_browser: Browser, make_user: Callable[..., User]) -> None:
    evil = """<script>alert(1)</script>"'>{{7*7}}"""
    make_user(username="evil", full_name=evil)
    page = find(root_browser, "evil")
    assert hits(page)[0].startswith(f"{evil} evil ")
    assert not list(page.root.all("script"))
