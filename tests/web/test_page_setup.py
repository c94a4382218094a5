"""The link that makes the first superuser: for the operator only, and once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from browser import PASSWORD, Browser, Page
from rollcall.models import User
from rollcall.services.users import first_superuser
from threads import together

FIELDS = {
    "username": "ada",
    "email": "ada@example.org",
    "full_name": "Ada Lovelace",
    "password": PASSWORD,
    "password_again": PASSWORD,
}


@pytest.fixture
def path(app: Flask) -> str:
    return first_superuser.link_path(str(app.secret_key))


def _set_up(browser: Browser, path: str, **fields: str) -> Page:
    return browser.press(browser.open(path), "Create the first administrator", **(FIELDS | fields))


def test_the_link_makes_a_superuser_who_is_logged_in_at_once(stranger: Browser, path: str, session: Session) -> None:
    page = _set_up(stranger, path)
    assert (page.status, page.address) == (200, "/dashboard")
    user = session.scalars(select(User)).one()
    assert (user.username, user.full_name, user.is_active, user.is_superuser) == ("ada", "Ada Lovelace", True, True)


def test_its_password_is_the_one_that_was_typed(stranger: Browser, path: str) -> None:
    page = _set_up(stranger, path)
    stranger.press(page, "Log out")
    assert stranger.log_in("ada", PASSWORD).address == "/dashboard"


def test_it_works_once(stranger: Browser, app: Flask, path: str, session: Session) -> None:
    late = Browser(app.test_client())
    form = late.open(path)
    _set_up(stranger, path)
    page = late.press(form, "Create the first administrator", **(FIELDS | {"username": "eve", "email": "eve@example.org"}))
    assert (page.status, page.heading) == (403, "Not allowed")
    assert "already set up" in page.text
    assert late.open(path).status == 403
    assert session.scalars(select(User.username)).all() == ["ada"]


def test_a_deactivated_superuser_is_one(stranger: Browser, path: str, make_user: Callable[..., User]) -> None:
    make_user(is_superuser=True, is_active=False)
    assert stranger.open(path).status == 403


def test_plain_users_do_not_close_it(stranger: Browser, path: str, ann: User) -> None:
    assert _set_up(stranger, path).address == "/dashboard"


def test_of_two_at_once_one_wins(app: Flask, path: str, session: Session) -> None:
    browsers = [Browser(app.test_client()) for _ in range(4)]
    forms = [browser.open(path) for browser in browsers]

    def send(number: int) -> int:
        names = {"username": f"first{number}", "email": f"first{number}@example.org"}
        button = "Create the first administrator"
        return browsers[number].press(forms[number], button, follow=False, **(FIELDS | names)).status

    statuses = together([lambda number=number: send(number) for number in range(4)])  # type: ignore[misc]
    assert sorted(statuses) == [302, 403, 403, 403]
    assert len(session.scalars(select(User)).all()) == 1


@pytest.mark.parametrize("token", ["x", "A" * 43, "%C3%A9" * 20, "%00"])
def test_a_guessed_link_is_no_page(stranger: Browser, token: str) -> None:
    assert stranger.open(f"/setup/{token}").status == 404
    form = stranger.open("/login").root.one("input", name="csrf_token")["value"]
    assert stranger.open(f"/setup/{token}", "POST", data=FIELDS | {"csrf_token": form}).status == 404


def test_another_key_makes_another_link(path: str) -> None:
    assert first_superuser.link_path("x" * 32) != path
    assert len(path.removeprefix("/setup/")) == 43  # 256 bits


def test_what_is_wrong_is_said_beside_the_fields(stranger: Browser, path: str) -> None:
    page = _set_up(stranger, path, username="a b", email="", password="password", password_again="other")
    assert page.status == 422
    assert "only letters" in page.problem("username")
    assert page.problem("email") == "This field is required."
    assert "most common" in page.problem("password")
    assert page.problem("password_again") == "The passwords do not match."
    assert page.value("full_name") == "Ada Lovelace"


def test_a_name_that_is_taken_is_said_beside_its_field(stranger: Browser, path: str, ann: User) -> None:
    page = _set_up(stranger, path, username="ANN")
    assert (page.status, page.problem("username")) == (409, "This username is already in use.")


def test_the_command_prints_the_link(app: Flask, path: str) -> None:
    result = app.test_cli_runner().invoke(args=["setup-link", "--url", "https://example.org/"])
    assert result.exit_code == 0
    assert result.stdout == f"https://example.org{path}\n"


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1:8104", "http://127.0.0.1:8104"),
        ("0.0.0.0:8104", "http://127.0.0.1:8104"),
        ("[::]:8104", "http://[::1]:8104"),
        ("192.0.2.7:80", "http://192.0.2.7:80"),
    ],
)
def test_the_link_names_the_address_that_is_served(make_app: Callable[..., Flask], path: str, bind: str, url: str) -> None:
    result = make_app(bind=bind).test_cli_runner().invoke(args=["setup-link"])
    assert result.stdout == f"{url}{path}\n"


def test_a_port_that_is_taken_is_said_instead_of_a_link(make_app: Callable[..., Flask]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        runner = make_app(bind=f"127.0.0.1:{port}").test_cli_runner()
        taken = runner.invoke(args=["setup-link", "--before-start"])
        assert (taken.exit_code, taken.stdout) == (1, "")
        assert f"Port {port} of 127.0.0.1 is already in use." in taken.stderr
        # Without the option the command is for a service that runs already.
        assert f":{port}/setup/" in runner.invoke(args=["setup-link"]).stdout
    assert runner.invoke(args=["setup-link", "--before-start"]).exit_code == 0


def test_the_command_says_why_there_is_no_link(app: Flask, root: User) -> None:
    result = app.test_cli_runner().invoke(args=["setup-link"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "there is a superuser who can log in: root." in result.stderr


def test_the_command_says_what_to_do_about_an_inactive_superuser(app: Flask, make_user: Callable[..., User]) -> None:
    make_user(username="ina", is_superuser=True, is_active=False)
    make_user(username="imp", is_superuser=True, password_hash=None)
    result = app.test_cli_runner().invoke(args=["setup-link"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "though inactive: ina. 'users activate ina'" in result.stderr


@pytest.mark.parametrize("active", [True, False])
def test_superusers_who_cannot_log_in_do_not_close_it(
    stranger: Browser, app: Flask, path: str, session: Session, make_user: Callable[..., User], active: bool
) -> None:
    make_user(username="imported", is_superuser=True, password_hash=None, is_active=active)
    printed = app.test_cli_runner().invoke(args=["setup-link", "--url", "https://example.org"]).stdout
    assert printed == f"https://example.org{path}\n"
    assert _set_up(stranger, path).address == "/dashboard"
    assert set(session.scalars(select(User.username))) == {"imported", "ada"}
    assert stranger.open(path).status == 403


def test_it_closes_when_a_superuser_gets_a_password(
    stranger: Browser, app: Flask, path: str, make_user: Callable[..., User]
) -> None:
    make_user(username="imported", is_superuser=True, password_hash=None)
    form = stranger.open(path)
    runner = app.test_cli_runner()
    runner.invoke(args=["users", "set-password", "imported", "--password-stdin"], input="correct horse battery\n")
    page = stranger.press(form, "Create the first administrator", **FIELDS)
    assert (page.status, page.heading) == (403, "Not allowed")


def test_the_command_says_plainly_that_the_database_is_away(make_app: Callable[..., Any]) -> None:
    app = make_app(database_url="postgresql://rollcall@127.0.0.1:9/none")
    result = app.test_cli_runner().invoke(args=["setup-link"])
    assert result.exit_code == 1
    assert "PostgreSQL cannot be reached" in result.output


def test_the_link_begins_with_the_public_url(make_app: Callable[..., Flask], path: str) -> None:
    result = make_app(public_url="https://people.example.org/roll").test_cli_runner().invoke(args=["setup-link"])
    assert result.stdout == f"https://people.example.org/roll{path}\n"
