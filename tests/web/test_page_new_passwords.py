"""The pages hold a new password to the same rules as the REST interface, beside the field."""

from __future__ import annotations

import pytest
from flask import Flask

from browser import PASSWORD, Browser
from rollcall.models import User
from rollcall.services.users import first_superuser

ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
REFUSED = [(ARGON2, "This is a password hash"), ("Ann2024!", "user's name or address")]


@pytest.mark.parametrize(("password", "sentence"), REFUSED)
def test_in_the_forms(app: Flask, stranger: Browser, password: str, sentence: str) -> None:
    form = stranger.open(first_superuser.link_path(str(app.secret_key)))
    names = {"username": "ann", "email": "ann@example.org", "full_name": ""}
    page = stranger.press(form, "Create the first administrator", **names, password=password, password_again=password)
    assert page.status == 422
    assert sentence in page.problem("password")
    assert ARGON2 not in page.text


@pytest.mark.parametrize(("password", "sentence"), REFUSED)
def test_of_the_own_password(ann_browser: Browser, password: str, sentence: str) -> None:
    form = ann_browser.open("/profile/password")
    values = {"current_password": PASSWORD, "password": password, "password_again": password}
    page = ann_browser.press(form, "Change the password", **values)
    assert page.status == 422
    assert sentence in page.problem("password")


@pytest.mark.parametrize(("password", "sentence"), REFUSED)
def test_of_another_users_password(root_browser: Browser, ann: User, password: str, sentence: str) -> None:
    form = root_browser.open(f"/dashboard/users/{ann.id}/password")
    page = root_browser.press(form, "Set the password", password=password, password_again=password)
    assert page.status == 422
    assert sentence in page.problem("password")
