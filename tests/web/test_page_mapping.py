"""The mapping step of the import page: what each column becomes, choices, the first rows, and what is remembered."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

from browser import Browser, Page
from rollcall.models import User

PATH = "/dashboard/users/import"
GERMAN = "Vorname;Nachname;E-Mail;Abteilung;Aktiv\nZoë;Groß;zoe@b.de;Vertrieb;ja\nJürgen;Lee;j@b.de;Lager;nein\n".encode("cp1252")


def send(browser: Browser, do: str, content: bytes, **chosen: Any) -> Page:
    token = browser.open(PATH).root.one("form", data_import="").one("input", name="csrf_token")["value"]
    fields = {"csrf_token": token, "do": do, "file": FileStorage(io.BytesIO(content), "people.csv"), **chosen}
    body, length, boundary = stream_encode_multipart(fields, use_tempfile=False)
    content_type = f"multipart/form-data; boundary={boundary}"
    return browser.open(PATH, "POST", data=body.read(length), content_type=content_type)


def selected(page: Page, field: str) -> str:
    return next(
        option.text for option in page.root.one("select", name=f"map-{field}").all("option") if "selected" in option.attributes
    )


def shown(page: Page) -> list[list[str]]:
    [table] = [table for table in page.root.all("table") if "as they will be stored" in table.text]
    return [[cell.text for cell in row.all("td")] for row in table.one("tbody").all("tr")]


def run_of(page: Page) -> str:
    return page.root.one("input", name="run")["value"]


def test_a_spreadsheet_is_mapped_shown_and_imported(root_browser: Browser, session: Session) -> None:
    page = send(root_browser, "check", GERMAN)
    assert page.status == 422
    assert "Abteilung" in page.text
    assert selected(page, "full_name") == "as recognised: Vorname+Nachname"
    assert shown(page) == [
        ["2", "zoe@b.de", "zoe@b.de", "Zoë Groß", "yes", "none"],
        ["3", "j@b.de", "j@b.de", "Jürgen Lee", "no", "none"],
    ]
    page = send(root_browser, "check", GERMAN, chosen="1", ignore="Abteilung")
    assert "2 users can be created" in page.text
    page = send(root_browser, "import", GERMAN, run=run_of(page))
    assert "2 users created." in page.text
    users = session.scalars(select(User).where(User.username != "root").order_by(User.id))
    assert [(user.email, user.full_name, user.is_active) for user in users] == [
        ("zoe@b.de", "Zoë Groß", True),
        ("j@b.de", "Jürgen Lee", False),
    ]


def test_the_choices_are_remembered_for_the_same_columns(root_browser: Browser, browser_of: Callable[[User], Browser]) -> None:
    send(root_browser, "check", GERMAN, chosen="1", ignore="Abteilung", **{"map-is_active": "!Aktiv"})
    again = b"Aktiv;E-Mail;Nachname;Vorname;Abteilung\nja;x@b.de;Lee;Ann;Lager\n"
    page = send(root_browser, "check", again)
    assert page.status == 200
    assert selected(page, "is_active") == "the opposite of Aktiv"
    assert shown(page) == [["2", "x@b.de", "x@b.de", "Ann Lee", "no", "none"]]
    assert send(root_browser, "check", again, chosen="1").status == 422
    assert send(root_browser, "check", again).status == 422  # and that is what was chosen last


def test_the_choices_are_remembered_although_a_row_is_bad(root_browser: Browser) -> None:
    assert send(root_browser, "check", GERMAN.replace(b"j@b.de", b"j"), chosen="1", ignore="Abteilung").status == 422
    assert "2 users can be created" in send(root_browser, "check", GERMAN).text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("timezone", "Mars", "There is no time zone"),
        ("encoding", "utf-99", "There is no encoding"),
        ("source", "x", "There is no source"),
        ("map-email", "Nowhere", "The file has no column"),
    ],
)
def test_a_choice_that_is_not_valid_is_refused(root_browser: Browser, field: str, value: str, said: str) -> None:
    page = send(root_browser, "check", GERMAN, chosen="1", **{field: value})
    assert (page.status, said in page.text) == (422, True)


def test_an_encoding_and_a_time_zone_are_chosen(root_browser: Browser, session: Session) -> None:
    content = "E-Mail;Name;Erstellt am\nl@b.de;Łukasz Świąć;2021-03-04 05:06\n".encode("cp1250")
    page = send(root_browser, "check", content)
    assert "cp1250 (Łukasz Świąć)" in page.text
    page = send(root_browser, "check", content, chosen="1", encoding="cp1250")
    assert "1 row has a time without an offset" in page.text
    page = send(root_browser, "check", content, chosen="1", encoding="cp1250", timezone="Europe/Berlin")
    assert "1 user created." in send(root_browser, "import", content, run=run_of(page)).text
    user = session.scalars(select(User).where(User.email == "l@b.de")).one()
    assert (user.full_name, user.created_at.isoformat()) == ("Łukasz Świąć", "2021-03-04T04:06:00+00:00")


def test_a_column_whose_name_looks_like_data_is_in_no_menu(root_browser: Browser) -> None:
    page = send(root_browser, "check", b'{"email": "a@b.de", "$2a$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6": 1}')
    assert "$2a$05" not in page.html
