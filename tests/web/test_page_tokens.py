"""API tokens on the pages: created, shown once, listed, ended; and everybody's, for superusers alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from browser import Browser, Page
from facts import NOON
from rollcall.models import ApiToken, User

NEW = {"name": "Nightly", "scopes": ["self", "users:read"], "expires_in_days": "30"}


def create(browser: Browser, **change: Any) -> Page:
    """Send the form for a new token."""
    form = browser.open("/profile/tokens").form("Create the token")
    assert {option["value"] for option in form.one("select").all("option")} == {"30", "90", "365", ""}
    token = form.one("input", name="csrf_token")["value"]
    return browser.open("/profile/tokens", "POST", data={"csrf_token": token, **NEW, **change})


def test_a_token_is_created_shown_once_and_ended(ann_browser: Browser, nobody: Any) -> None:
    page = create(ann_browser)
    assert page.status == 200
    token = next(code.text for code in page.root.all("code") if code.text.startswith("rct_"))
    assert re.fullmatch("rct_[0-9A-Za-z]{49}", token)
    bearer = {"Authorization": f"Bearer {token}"}
    assert nobody.get("/auth/me", headers=bearer).json["username"] == "ann"
    page = ann_browser.open("/profile/tokens")
    assert token not in page.html
    [row] = page.root.one("tbody").all("tr")
    assert row.one("th").text == "Nightly users:read, self"
    assert "ends in 1 month" in row.text
    page = ann_browser.press(page, "End the token Nightly")
    assert (page.address, page.toast) == ("/profile/tokens", "The token Nightly is ended.")
    assert "You have none." in page.text
    assert nobody.get("/auth/me", headers=bearer).status_code == 401


def test_a_token_without_an_end(ann_browser: Browser) -> None:
    page = create(ann_browser, expires_in_days="")
    assert "It does not expire." in page.text


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"name": " "}, "name", "Give the token a name"),
        ({"scopes": []}, "scopes", "at least one scope"),
        ({"scopes": ["root"]}, "scopes", "one of"),
        ({"expires_in_days": "x"}, "expires_in_days", "whole number"),
        ({"expires_in_days": "0"}, "expires_in_days", "between 1 and 3650"),
    ],
)
def test_what_is_wrong_is_said_and_the_input_stays(
    ann_browser: Browser, change: dict[str, Any], field: str, problem: str
) -> None:
    page = create(ann_browser, **change)
    assert page.status == 422
    assert problem in page.text
    kept = [box["value"] for box in page.root.all("input", name="scopes") if box.get("checked") is not None]
    assert kept == ([] if field == "scopes" else ["users:read", "self"])


def test_superusers_see_and_end_everybodys_and_page_through_them(root_browser: Browser, engine: Engine, ann: User) -> None:
    with engine.begin() as connection:
        for number in range(51):
            row = {"token_hash": bytes([number]) * 32, "user_id": ann.id, "name": f"T{number}", "scopes": ["self"]}
            connection.execute(insert(ApiToken).values(created_at=NOON, **row))
    page = root_browser.open("/dashboard/tokens")
    rows = list(page.root.one("tbody").all("tr"))
    assert (len(rows), "T50" in rows[0].text, "ann" in rows[0].text) == (50, True, True)
    older = root_browser.open(next(link["href"] for link in page.root.all("a") if link.text == "Older"))
    assert [row.one("th").one("bdi").text for row in older.root.one("tbody").all("tr")] == ["T0"]
    page = root_browser.press(page, "End the token T50 of ann")
    assert (page.address, page.toast) == ("/dashboard/tokens", "The token T50 is ended.")
    assert "Older" not in page.text  # fifty are left


def test_plain_users_see_and_end_only_their_own(ann_browser: Browser, root: User, api_token: Any, engine: Engine) -> None:
    api_token(root, "self")
    assert ann_browser.open("/dashboard/tokens").status == 403
    page = ann_browser.open("/profile/tokens")
    assert "Test" not in page.text
    token = next(page.root.all("input", name="csrf_token"))["value"]
    assert ann_browser.open("/profile/tokens/1/end", "POST", data={"csrf_token": token}).status == 404
