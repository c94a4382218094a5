"""The file behind the button on the list of users: exactly the users of the list, in its order."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from browser import Browser, Page
from rollcall.models import User


def _rows(page: Page) -> list[dict[str, str]]:
    assert page.response.content_type == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(page.html)))


def _file_of(browser: Browser, address: str = "/dashboard/users") -> Page:
    """Open the list at an address and press the button."""
    [link] = [link for link in browser.open(address).root.all("a", class_="button") if link.text == "Export CSV"]
    return browser.open(link["href"])


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?search=user&is_active=true",
        "?is_active=false&sort_by=username&sort_order=asc",
        "?search=user&size=2&sort_by=email&sort_order=desc",
        "?search=&is_active=&is_superuser=",
    ],
)
def test_the_file_is_the_whole_filtered_list_in_its_order(
    root_browser: Browser, make_user: Callable[..., User], query: str
) -> None:
    for number in range(6):
        make_user(is_active=number % 2 == 0, full_name=f"Someone {number}")
    page = root_browser.open(f"/dashboard/users{query}")
    names = []
    while True:
        names += [row.one("td", class_="username").text for row in page.root.one("table", class_="people").one("tbody").all("tr")]
        following = list(page.root.all("a", rel="next"))
        if not following:
            break
        page = root_browser.open(following[0]["href"])
    # Also from its last page it is written from its beginning.
    assert [row["username"] for row in _rows(_file_of(root_browser, page.address))] == names


def test_it_is_saved_under_a_name_with_its_day(root_browser: Browser) -> None:
    answer = _file_of(root_browser).response
    assert answer.headers["Content-Disposition"] == "attachment; filename=users-2026-03-11.csv"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["=1+1", "+49", "-2", "@SUM(A1)", "'=1"])
def test_no_cell_is_a_formula(root_browser: Browser, make_user: Callable[..., User], name: str) -> None:
    make_user(full_name=name)
    assert _rows(_file_of(root_browser))[0]["full_name"] == f"'{name}"


def test_no_hash_of_a_password_is_in_it(root_browser: Browser) -> None:
    assert "argon2" not in _file_of(root_browser).html


def test_it_may_take_longer_than_a_page(app: Flask) -> None:
    assert app.view_functions["web.export_users"].deadline_times == 20


def test_it_is_the_same_file_as_over_rest_with_a_mark_by_which_excel_knows_utf_8(
    root_browser: Browser, root: User, make_user: Callable[..., User], as_root: Any
) -> None:
    chosen = make_user(full_name="Zoë, \"Z\" 'Ø'")
    over_rest = as_root.get("/users/export?format=csv").data
    assert over_rest.startswith(b"id,")
    assert _file_of(root_browser).response.data == b"\xef\xbb\xbf" + over_rest
    selected = root_browser.open(f"/dashboard/users/selected/export?id={chosen.id}").response.data
    assert selected.startswith(b"\xef\xbb\xbfid,")


@pytest.mark.parametrize("query", ["is_active=yes", "search=%00", "sort_by=password_hash", "role=x", "search=a&search=b"])
def test_a_filter_that_is_not_understood_gives_no_file(root_browser: Browser, query: str) -> None:
    page = root_browser.open(f"/dashboard/users/export?{query}")
    assert (page.status, page.heading) == (422, "This did not work")


def test_nobody_is_no_file(root_browser: Browser) -> None:
    assert "Export CSV" not in root_browser.open("/dashboard/users?search=nobody-like-this").text
