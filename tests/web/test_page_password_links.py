"""Password links on the pages: made on a user's page and in the list, used by whoever has one; races; and what no log sees."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, select, text
from sqlalchemy.orm import Session

import servers
from browser import PASSWORD, Browser, Page
from rollcall.models import OneTimeLink, User
from rollcall.services.identity import attempts
from service import bearer, call
from threads import together, wait_until_blocked

NEW = "a-fine-new-passphrase"


def make(browser: Browser, user: User) -> str:
    """A link, as it stands on the page that shows it once."""
    page = browser.press(browser.open(f"/dashboard/users/{user.id}"), "Make a password link")
    assert page.status == 200
    return page.root.one("code").text


def opened(browser: Browser, link: str) -> Page:
    """The page with the form for the new password; without a script a person pastes the link."""
    return browser.press(browser.open("/password"), "Continue", token=link)


def set_password(browser: Browser, link: str, password: str = NEW, again: str | None = None) -> Page:
    return browser.press(opened(browser, link), "Set the password", password=password, password_again=again or password)


def test_a_user_sets_a_password_and_logs_in(root_browser: Browser, stranger: Browser, make_user: Callable[..., User]) -> None:
    new = make_user(username="new", password_hash=None)
    page = opened(stranger, make(root_browser, new))
    assert "For the account new" in page.text
    page = stranger.press(page, "Set the password", password=NEW, password_again=NEW)
    assert (page.address, page.toast) == ("/login", "The password of new is set. Log in with it.")
    assert stranger.log_in("new", NEW).address == "/profile"


def test_all_sessions_of_the_user_end(root_browser: Browser, ann_browser: Browser, stranger: Browser, ann: User) -> None:
    set_password(stranger, make(root_browser, ann))
    assert ann_browser.open("/profile").address.startswith("/login")


def test_the_same_rules_as_for_every_new_password(root_browser: Browser, stranger: Browser, ann: User) -> None:
    link = make(root_browser, ann)
    for typed, again, field, problem in (
        ("short", None, "password", "at least 8"),
        ("password123", None, "password", "most common"),
        ("ann-lee-2024", None, "password", "made of the user's name"),
        ("$2b$12$" + "a" * 53, None, "password", "password hash"),
        (NEW, NEW + "!", "password_again", "do not match"),
    ):
        page = set_password(stranger, link, typed, again)
        assert page.status == 422
        assert problem in page.problem(field)
    assert set_password(stranger, link).address == "/login"


def test_a_link_that_does_not_work_says_so_before_a_password_is_typed(
    root_browser: Browser, stranger: Browser, ann: User
) -> None:
    link = make(root_browser, ann)
    set_password(stranger, link)
    page = opened(stranger, link)
    assert page.status == 404
    assert "it was used, has expired, or a newer one replaced it" in page.text
    assert page.value("token") is None
    assert opened(stranger, "x\x00y").status == 404
    assert opened(stranger, "").status == 404


def test_wrong_links_are_limited_for_each_client_and_right_ones_are_not(
    make_app: Callable[..., Flask], root_browser: Browser, ann: User
) -> None:
    link = make(root_browser, ann)
    browser = Browser(make_app(rate_limit_enabled=True).test_client())
    statuses = [opened(browser, f"wrong-{number}").status for number in range(attempts.PER_WINDOW + 1)]
    assert statuses == [404] * attempts.PER_WINDOW + [429]
    assert opened(browser, link).status == 200


def test_the_secret_is_behind_the_hash_and_never_in_the_cookie(
    root_browser: Browser, stranger: Browser, ann: User, app: Flask
) -> None:
    link = make(root_browser, ann)
    token = link.partition("/password#")[2]
    assert len(token) == 43
    page = opened(stranger, link)
    assert page.response.headers["Cache-Control"] == "no-store"
    assert token not in str(page.response.headers)
    refused = stranger.press(page, "Set the password", password="short", password_again="short")
    assert token not in str(refused.response.headers)
    assert refused.root.one("input", name="token")["value"] == token


def test_the_own_page_offers_no_link(root_browser: Browser, root: User) -> None:
    assert "Make a password link" not in root_browser.open(f"/dashboard/users/{root.id}").text


def test_a_link_of_an_inactive_user_is_shown_as_one_that_does_nothing_yet(
    root_browser: Browser, make_user: Callable[..., User]
) -> None:
    off = make_user(username="off", is_active=False)
    page = root_browser.press(root_browser.open(f"/dashboard/users/{off.id}"), "Make a password link")
    assert "off is inactive" in page.text


# Races


@pytest.fixture
def paused(app: Flask) -> Iterator[Callable[[str, Callable[[], None]], None]]:
    """Do something right before the application sends the next statement with a text in it."""
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    waiting: list[tuple[str, Callable[[], None]]] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if waiting and waiting[0][0] in statement:
            waiting.pop()[1]()

    event.listen(engine, "before_cursor_execute", look)
    yield lambda part, action: waiting.append((part, action))
    event.remove(engine, "before_cursor_execute", look)
    assert not waiting


def test_of_two_uses_at_once_one_wins(
    app: Flask, root_browser: Browser, ann: User, engine: Engine, nobody: Any, session: Session
) -> None:
    link = make(root_browser, ann)
    browsers = [Browser(app.test_client()) for _ in range(4)]
    pages = [opened(browser, link) for browser in browsers]
    chosen = [f"{NEW}-{number}" for number in range(4)]

    def use(number: int) -> int:
        typed = dict.fromkeys(("password", "password_again"), chosen[number])
        return browsers[number].press(pages[number], "Set the password", follow=False, **typed).status

    with engine.connect() as holder:  # all of them wait for the user's row
        holder.execute(text("SELECT FROM users WHERE id = :id FOR NO KEY UPDATE"), {"id": ann.id})

        def release() -> int:
            wait_until_blocked(engine, 4)
            holder.rollback()
            return 0

        statuses = together([*(lambda number=number: use(number) for number in range(4)), release])[:4]  # type: ignore[misc]
    assert sorted(statuses) == [302, 404, 404, 404]
    winner = chosen[statuses.index(302)]
    worked = [nobody.post("/auth/login", json={"username": "ann", "password": each}).status_code for each in chosen]
    assert worked == [200 if each == winner else 401 for each in chosen]


def test_a_new_link_while_the_old_one_is_used_ends_that(
    root_browser: Browser, stranger: Browser, ann: User, paused: Any, nobody: Any
) -> None:
    old = make(root_browser, ann)
    links = []
    page = opened(stranger, old)
    paused("FOR NO KEY UPDATE", lambda: links.append(make(root_browser, ann)))
    used = stranger.press(page, "Set the password", password=NEW, password_again=NEW)
    assert used.status == 404
    assert nobody.post("/auth/login", json={"username": "ann", "password": PASSWORD}).status_code == 200
    assert set_password(stranger, links[0]).address == "/login"


@pytest.mark.parametrize("change", ["UPDATE users SET is_active = false WHERE id = :id", "DELETE FROM users WHERE id = :id"])
def test_a_user_who_is_deactivated_or_deleted_during_the_use_gets_no_password(
    root_browser: Browser, stranger: Browser, ann: User, paused: Any, engine: Engine, session: Session, change: str
) -> None:
    page = opened(stranger, make(root_browser, ann))

    def lose() -> None:
        with engine.begin() as connection:
            connection.execute(text(change), {"id": ann.id})

    paused("FOR NO KEY UPDATE", lose)
    assert stranger.press(page, "Set the password", password=NEW, password_again=NEW).status == 404
    assert session.scalars(select(User.password_hash).where(User.id == ann.id)).one_or_none() in (None, ann.password_hash)


# Many


def ask(browser: Browser, query: str) -> Page:
    return browser.open(f"/dashboard/users/matching/password-links?{query}")


def test_the_list_offers_links_for_everybody_who_matches(root_browser: Browser, engine: Engine, stranger: Browser) -> None:
    with engine.begin() as connection:
        people = "SELECT 'p' || n || '@example.org', 'p' || n FROM generate_series(1, 1200) AS n"
        connection.execute(text(f"INSERT INTO users (email, username) {people}"))
    page = root_browser.open("/dashboard/users?has_password=false")
    [link] = [each["href"] for each in page.root.one("p", class_="all").all("a") if "Password links" in each.text]
    page = root_browser.open(link)
    assert page.heading == "Make 1,200 password links?"
    reply = root_browser.press(page, "Make 1,200 links and download")
    assert reply.response.headers["Content-Disposition"] == "attachment; filename=password-links-2026-03-11.csv"
    assert reply.html.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(reply.html.removeprefix("\ufeff"))))
    assert len({row["link"] for row in rows}) == 1200
    assert set_password(stranger, rows[600]["link"]).toast == f"The password of {rows[600]['username']} is set. Log in with it."


def test_the_question_says_what_would_happen(root_browser: Browser, ann: User, make_user: Callable[..., User]) -> None:
    make_user(username="off", is_active=False, password_hash=None)
    page = ask(root_browser, "search=example.org")
    assert page.heading == "Make 2 password links?"
    assert "1 of them has a password already" in page.text
    assert "1 of them is inactive" in page.text


def test_another_number_than_was_confirmed_is_asked_again(
    root_browser: Browser, ann: User, make_user: Callable[..., User], session: Session
) -> None:
    page = ask(root_browser, "is_active=true")
    make_user()
    page = root_browser.press(page, "Make 1 link and download")
    assert page.status == 409
    assert "The filter matches 2 users, not 1" in page.text
    assert page.heading == "Make 2 password links?"
    assert session.scalars(select(OneTimeLink)).all() == []


def test_selected_users_and_nobody(root_browser: Browser, ann: User) -> None:
    page = root_browser.open(f"/dashboard/users/selected/password-links?id={ann.id}")
    assert "ann@example.org" in root_browser.press(page, "Make 1 link and download").html
    assert "No users are selected" in root_browser.open("/dashboard/users/selected/password-links").text
    assert ask(root_browser, "search=nobody").heading == "Nobody to make links for"


@pytest.mark.parametrize("path", ["selected/password-links?id=1", "matching/password-links"])
def test_only_superusers_make_links(ann_browser: Browser, path: str) -> None:
    assert ann_browser.open(f"/dashboard/users/{path}").status == 403


def test_no_log_of_the_service_has_the_secret(engine: Engine, root: User, ann: User, database_url: str) -> None:
    environment = {
        "DATABASE_URL": database_url,
        "SECRET_KEY": "s" * 31 + "t",
        "ROLLCALL_LOG_FORMAT": "json",
        "GUNICORN_CMD_ARGS": "--access-logfile - --log-level debug",
    }
    with servers.gunicorn(environment) as service:
        url = call(service.url, "POST", f"/api/v1/users/{ann.id}/password-link", headers=bearer(engine, root)).json["url"]
        assert url.startswith(f"{service.url}/password#")
        page = call(service.url, "GET", "/password")
        csrf = page.data.decode().partition('name="csrf_token" value="')[2].partition('"')[0]
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        token = url.partition("#")[2]
        body = f"csrf_token={csrf}&token={token}&password={NEW}".encode()
        headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
        assert call(service.url, "POST", "/password", body, headers).status_code == 302
        log = service.log.read_text()
    assert "password_link_used" in log
    assert token not in log
    assert NEW not in log
