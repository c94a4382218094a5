"""Errors as pages for people, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from browser import Browser
from rollcall.models import User

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_an_unknown_address_is_a_page_for_a_browser(stranger: Browser) -> None:
    page = stranger.open("/no/such/page")
    assert (page.status, page.heading) == (404, "Not found")
    assert stranger.open(page.root.one("a", class_="button")["href"]).heading == "Log in"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html;q=0.5", ""])
def test_an_unknown_address_is_json_for_a_program(stranger: Browser, accept: str) -> None:
    answer = stranger.client.get("/no/such/page", headers={"Accept": accept})
    assert answer.json["error"] == "not_found"


@pytest.mark.parametrize("path", ["/api/v1/no-such", "/api/v1/users", "/api/v1/users/0", "/metrics/x", "/health/x"])
def test_the_rest_interface_answers_browsers_in_json_too(stranger: Browser, path: str) -> None:
    answer = stranger.client.get(path, headers=HTML)
    assert set(answer.json) == {"error", "message", "details", "request_id"}


def test_a_wrong_method_is_a_page(root_browser: Browser, ann: User) -> None:
    page = root_browser.open(f"/dashboard/users/{ann.id}/activate")
    assert (page.status, page.heading) == (405, "Not possible here")
    assert page.response.headers["Allow"] == "OPTIONS, POST"


def test_what_goes_wrong_here_is_a_page_with_the_requests_id(
    root_browser: Browser, engine: Engine, statements: list[str]
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE user_tally RENAME TO user_tally_away"))
    try:
        page = root_browser.open("/dashboard", headers={"X-Request-ID": "find-me"})
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE user_tally_away RENAME TO user_tally"))
    assert (page.status, page.heading) == (500, "Something went wrong")
    assert "find-me" in page.text
    assert page.root.one("a", class_="me").text == "root"
    assert "user_tally" in statements[-1], "an error page asks the database for nothing"
    assert "user_tally" not in page.html


def test_a_database_that_is_away_is_a_page(make_app: Callable[..., Flask]) -> None:
    app = make_app(database_url="postgresql://rollcall@127.0.0.1:9/none")
    browser = Browser(app.test_client())
    with browser.client.session_transaction() as cookie:
        cookie["token"] = "t"
    page = browser.open("/dashboard")
    assert (page.status, page.heading) == (503, "Unavailable")
    assert page.response.headers["Retry-After"] == "2"
    assert browser.open("/login").status == 200


def test_a_deadline_that_passes_is_a_page(root_browser: Browser) -> None:
    page = root_browser.open("/dashboard", headers={"X-Request-Timeout": "0.000001"})
    assert (page.status, page.heading) == (504, "That took too long")
    assert "Request exceeded 1e-06s timeout" in page.text


def test_a_form_that_is_too_large_is_a_page(root_browser: Browser) -> None:
    page = root_browser.press(root_browser.open("/profile"), "Save", full_name="x" * 70_000)
    assert page.status == 413
