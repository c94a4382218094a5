"""Logging in and out in the browser, and who may see which page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from browser import PASSWORD, Browser
from rollcall.models import User, UserSession

SUPERUSER_PAGES = [
    "/dashboard",
    "/dashboard/system",
    "/dashboard/users",
    "/dashboard/users/export",
    "/dashboard/users/new",
    "/dashboard/users/1",
    "/dashboard/users/1/password",
    "/dashboard/users/1/deactivate",
    "/dashboard/users/1/delete",
    "/dashboard/users/1/end-sessions",
    "/dashboard/users/999999",
]
OWN_PAGES = ["/", "/profile", "/profile/password"]


def test_a_superuser_lands_on_the_dashboard(stranger: Browser, root: User) -> None:
    page = stranger.log_in("root", PASSWORD)
    assert (page.status, page.address, page.heading) == (200, "/dashboard", "Dashboard")


def test_a_plain_user_lands_on_the_own_profile(stranger: Browser, ann: User) -> None:
    page = stranger.log_in("ANN@example.org", PASSWORD)
    assert (page.status, page.address, page.heading) == (200, "/profile", "Your profile")


@pytest.mark.parametrize("name", ["ann", "no-such-user"])
def test_a_wrong_password_and_an_unknown_name_read_alike(stranger: Browser, ann: User, name: str) -> None:
    page = stranger.log_in(name, "wrong-password-here")
    assert page.status == 401
    assert page.root.one(class_="problems").text == "The username or the password is wrong."


def test_the_name_is_kept_and_the_password_is_not(stranger: Browser, ann: User) -> None:
    page = stranger.log_in("ann", "wrong-password-here")
    assert page.value("username") == "ann"
    assert "wrong-password-here" not in page.html


def test_the_summary_of_problems_takes_the_focus(stranger: Browser) -> None:
    summary = stranger.log_in("ann", "").root.one(class_="problems")
    assert {"role": "alert", "tabindex": "-1", "autofocus": ""}.items() <= summary.attributes.items()
    assert summary.one("a")["href"] == "#password"


def test_a_deactivated_user_is_told_so(stranger: Browser, make_user: Callable[..., User]) -> None:
    make_user(username="gone", is_active=False)
    page = stranger.log_in("gone", PASSWORD)
    assert page.status == 403
    assert "This account is deactivated." in page.text


def test_a_name_that_no_database_can_hold_is_only_wrong(stranger: Browser) -> None:
    assert stranger.log_in("a\0b", PASSWORD).status == 401


@pytest.mark.parametrize("path", SUPERUSER_PAGES + OWN_PAGES)
def test_a_stranger_is_sent_to_log_in(stranger: Browser, path: str) -> None:
    page = stranger.open(path)
    assert page.address.startswith("/login")
    assert page.heading == "Log in"


@pytest.mark.parametrize("path", SUPERUSER_PAGES)
def test_a_plain_user_is_refused_what_superusers_see(ann_browser: Browser, path: str) -> None:
    page = ann_browser.open(path)
    assert (page.status, page.heading) == (403, "Not allowed")


@pytest.mark.parametrize(
    "path",
    ["new", "1", "1/password", "1/activate", "1/deactivate", "1/delete", "1/end-sessions", "1/sessions/1/end", "999999/delete"],
)
def test_a_plain_user_cannot_send_a_superusers_form(ann_browser: Browser, path: str) -> None:
    token = ann_browser.open("/profile").form("Save").one("input", name="csrf_token")["value"]
    assert ann_browser.open(f"/dashboard/users/{path}", "POST", data={"csrf_token": token}).status == 403


def test_logging_in_leads_back_to_the_page_that_was_asked_for(stranger: Browser, root: User) -> None:
    page = stranger.open("/dashboard/users?search=ann&is_active=true")
    page = stranger.press(page, "Log in", username="root", password=PASSWORD)
    assert page.address == "/dashboard/users?search=ann&is_active=true"


def test_it_does_so_after_a_wrong_password_too(stranger: Browser, root: User) -> None:
    page = stranger.press(stranger.open("/dashboard/users/new"), "Log in", username="root", password="wrong-password")
    assert stranger.press(page, "Log in", password=PASSWORD).address == "/dashboard/users/new"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        "javascript:alert(1)",
        "evil.example",
        "http:/evil.example",
        "/a\r\nSet-Cookie: a=b",
        " //evil.example",
        "//[bad",
    ],
)
def test_nobody_is_sent_elsewhere_by_a_forged_link(stranger: Browser, root: User, target: str) -> None:
    page = stranger.open("/login", query_string={"next": target})
    assert "evil" not in page.html
    token = page.root.one("input", name="csrf_token")["value"]
    data = {"csrf_token": token, "username": "root", "password": PASSWORD, "next": target}
    answer = stranger.open("/login", "POST", data=data, follow=False).response
    assert (answer.status_code, answer.location) == (302, "/")


def test_a_session_that_has_ended_leads_to_log_in_and_back(root_browser: Browser, clock: Any) -> None:
    clock.advance(hours=13)
    page = root_browser.open("/dashboard/users?sort_by=email&sort_order=asc")
    page = root_browser.press(page, "Log in", username="root", password=PASSWORD)
    assert page.address == "/dashboard/users?sort_by=email&sort_order=asc"


def test_a_form_sent_after_the_session_has_ended_leads_back_to_its_page(root_browser: Browser, clock: Any) -> None:
    page = root_browser.open("/dashboard/users/new")
    clock.advance(hours=13)
    referrer = {"Referer": "http://localhost/dashboard/users/new"}
    page = root_browser.press(page, "Create the user", headers=referrer, username="new", email="new@example.org")
    assert page.heading == "Log in"
    assert "Your session ended before this was done." in page.root.one("div", role="alert").text
    assert root_browser.press(page, "Log in", username="root", password=PASSWORD).address == "/dashboard/users/new"


def test_the_same_where_the_browser_has_dropped_its_cookie(root_browser: Browser) -> None:
    page = root_browser.open("/dashboard/users/new")
    root_browser.client.delete_cookie("rollcall")
    referrer = {"Referer": "http://localhost/dashboard/users/new"}
    page = root_browser.press(page, "Create the user", headers=referrer, username="new")
    assert "Your session ended before this was done." in page.root.one("div", role="alert").text
    assert root_browser.press(page, "Log in", username="root", password=PASSWORD).address == "/dashboard/users/new"


def test_the_referrer_of_another_site_is_no_place_to_return_to(root_browser: Browser, clock: Any) -> None:
    page = root_browser.open("/profile")
    clock.advance(hours=13)
    page = root_browser.press(page, "Save", headers={"Referer": "http://localhost.evil.example/x"})
    assert page.address == "/login?next=/profile"  # the form itself


def test_logging_out_ends_the_session_at_the_server(root_browser: Browser, root: User) -> None:
    cookie = root_browser.client.get_cookie("rollcall")
    page = root_browser.press(root_browser.open("/dashboard"), "Log out")
    assert (page.address, page.toast) == ("/login", "You are logged out.")
    root_browser.client.set_cookie("rollcall", cookie.value)  # somebody has kept it
    assert root_browser.open("/dashboard").heading == "Log in"


def test_a_link_cannot_log_anybody_out(root_browser: Browser) -> None:
    assert root_browser.open("/logout").status == 405
    assert root_browser.open("/dashboard").status == 200


def test_scripts_and_other_sites_cannot_use_the_cookie(stranger: Browser, root: User) -> None:
    page = stranger.press(stranger.open("/login"), "Log in", follow=False, username="root", password=PASSWORD)
    cookie = page.response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


@pytest.mark.parametrize(
    ("https", "prefix", "name", "path"),
    [
        (True, "", "__Host-rollcall", "/"),
        (True, "/people", "__Secure-rollcall", "/people"),
        (False, "", "rollcall", "/"),
        (False, "/people", "rollcall", "/people"),
    ],
)
def test_the_cookie_has_a_name_that_others_cannot_set_and_the_path_of_the_prefix(
    stranger: Browser, root: User, https: bool, prefix: str, name: str, path: str
) -> None:
    options = {"base_url": f"{'https' if https else 'http'}://localhost{prefix}/"}
    token = stranger.open("/login", **options).root.one("input", name="csrf_token")["value"]
    form = {"username": "root", "password": PASSWORD, "csrf_token": token}
    headers = {"Referer": options["base_url"]}
    page = stranger.open("/login", "POST", data=form, follow=False, headers=headers, **options)
    cookie = page.response.headers["Set-Cookie"]
    assert cookie.startswith(f"{name}=")
    attributes = [part.strip() for part in cookie.split(";")]
    assert f"Path={path}" in attributes
    assert ("Secure" in attributes) == https
    assert not any(part.startswith("Domain") for part in attributes)


def test_a_new_log_in_ends_the_session_that_it_replaces(stranger: Browser, root: User, session: Session) -> None:
    stranger.log_in("root", PASSWORD)
    [first] = session.scalars(select(UserSession.id)).all()
    stranger.log_in("root", PASSWORD)
    [second] = session.scalars(select(UserSession.id)).all()
    assert second != first


def test_a_refused_log_in_ends_nothing(root_browser: Browser, root: User, session: Session) -> None:
    form = root_browser.open("/login")
    before = session.scalars(select(UserSession.id)).all()
    assert root_browser.press(form, "Log in", username="root", password="not-the-password").status == 401
    assert session.scalars(select(UserSession.id)).all() == before


def test_on_https_the_cookie_never_travels_in_the_clear(stranger: Browser) -> None:
    answer = stranger.client.get("/login", base_url="https://localhost")
    assert "Secure" in answer.headers["Set-Cookie"]


def test_a_login_begins_a_new_session(stranger: Browser, root: User) -> None:
    with stranger.client.session_transaction() as cookie:
        cookie["planted"] = "by somebody else"
    before = stranger.open("/login")
    stranger.press(before, "Log in", username="root", password=PASSWORD)
    with stranger.client.session_transaction() as cookie:
        assert "planted" not in cookie
    assert stranger.press(before, "Log in", username="root", password=PASSWORD).status == 400  # the old token


@pytest.mark.parametrize("change", ["is_active", "password"])
def test_who_loses_the_account_elsewhere_is_out_at_once(ann_browser: Browser, as_root: Any, ann: User, change: str) -> None:
    assert ann_browser.open("/profile").status == 200
    value = {"is_active": False, "password": "another-good-password"}[change]
    assert as_root.patch(f"/users/{ann.id}", json={change: value}).status_code == 200
    assert ann_browser.open("/profile").heading == "Log in"


@pytest.mark.parametrize("token", [None, "", "forged"])
def test_a_form_without_its_token_is_refused(root_browser: Browser, ann: User, token: str | None) -> None:
    data = {"csrf_token": token} if token is not None else {}
    page = root_browser.open(f"/dashboard/users/{ann.id}/delete", "POST", data=data)
    assert page.status == 400
    assert "no longer valid" in page.text
    assert root_browser.open(f"/dashboard/users/{ann.id}").status == 200


def test_the_token_of_another_session_is_refused(root_browser: Browser, ann_browser: Browser, ann: User) -> None:
    token = ann_browser.open("/profile").form("Log out").one("input")["value"]
    page = root_browser.open(f"/dashboard/users/{ann.id}/delete", "POST", data={"csrf_token": token})
    assert page.status == 400


def test_the_rest_interface_never_takes_the_cookie(root_browser: Browser) -> None:
    assert root_browser.open("/dashboard").status == 200
    assert root_browser.client.get("/api/v1/users").status_code == 401
    assert root_browser.client.post("/api/v1/users", json={}).status_code == 401


def test_the_pages_take_no_bearer_token(app: Flask, as_root: Any) -> None:
    assert as_root.get("//dashboard").status_code == 302


def _tries(app: Flask, number: int, username: str, address: str) -> list[int]:
    """Try to log in, by turns over REST and on the page."""
    statuses = []
    for turn in range(number):
        browser = Browser(app.test_client())
        browser.client.environ_base["REMOTE_ADDR"] = address.format(turn)
        login = {"username": username.format(turn), "password": "wrong-password"}
        if turn % 2:
            statuses.append(browser.client.post("/api/v1/auth/login", json=login).status_code)
        else:
            statuses.append(browser.log_in(**login).status)
    return statuses


def test_tries_from_one_address_are_counted_together_with_those_over_rest(make_app: Callable[..., Flask]) -> None:
    app = make_app(rate_limit_enabled=True)
    assert _tries(app, 12, "nobody{}", "203.0.113.1") == [401] * 10 + [429] * 2


def test_who_is_refused_is_told_on_a_page(make_app: Callable[..., Flask], root: User) -> None:
    app = make_app(rate_limit_enabled=True)
    assert _tries(app, 12, "root", "203.0.113.1") == [401] * 10 + [429] * 2
    browser = Browser(app.test_client())
    browser.client.environ_base["REMOTE_ADDR"] = "203.0.113.1"
    page = browser.log_in("ROOT", PASSWORD)
    assert (page.status, page.heading) == (429, "Too many tries")
    assert int(page.response.headers["Retry-After"]) > 0
