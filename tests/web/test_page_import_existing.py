"""The import page's choice for people who are there already, and the import of the good rows of a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

from browser import Browser, Page
from rollcall.models import ImportRun, User

PATH = "/dashboard/users/import"
FILE = "email,username,full_name\nann@example.org,ann,Ann Lee-Cho\nbob@b.de,bob,\n"
MIXED = (
    "E-Mail;Name;Abteilung;Kennwort\nzoe@b.de;Zoë Groß;Lager;Velvet-Otter-31\n"
    "nobody;Jürgen;Lager;Granite-Lark-72\nann@example.org;Ann;Lager;\n"
)


def send(browser: Browser, do: str, content: str, **chosen: Any) -> Page:
    token = browser.open(PATH).root.one("form", data_import="").one("input", name="csrf_token")["value"]
    fields = {"csrf_token": token, "do": do, "file": FileStorage(io.BytesIO(content.encode()), "people.csv"), **chosen}
    body, length, boundary = stream_encode_multipart(fields, use_tempfile=False)
    content_type = f"multipart/form-data; boundary={boundary}"
    return browser.open(PATH, "POST", data=body.read(length), content_type=content_type)


def check(browser: Browser, content: str, existing: str, **chosen: Any) -> Page:
    return send(browser, "check", content, chosen="1", existing=existing, **chosen)


def press_import(browser: Browser, content: str, checked: Page, **chosen: Any) -> Page:
    return send(browser, "import", content, run=checked.root.one("input", name="run")["value"], **chosen)


def changes(page: Page) -> list[list[str]]:
    table = page.root.one("div", aria_label="Changes").one("tbody")
    return [[cell.text for cell in row.all("td")] for row in table.all("tr")]


def selected(page: Page) -> str:
    return next(each["value"] for each in page.root.one("select", name="existing").all("option") if "selected" in each.attributes)


@pytest.fixture
def full_names(engine: Engine) -> Callable[[], dict[str, str | None]]:
    def read() -> dict[str, str | None]:
        with Session(engine) as session:
            return {name: full for name, full in session.execute(select(User.username, User.full_name)) if name != "root"}

    return read


@pytest.fixture(autouse=True)
def ann(ann: User) -> User:
    """She is there already, in every test."""
    return ann


def test_by_default_their_rows_are_refused_and_the_choice_is_open(root_browser: Browser) -> None:
    page = send(root_browser, "check", FILE)
    assert page.status == 422
    assert selected(page) == "fail"
    assert "open" in page.root.one("details", id_="mapping").attributes
    assert "Some of these people are there already." in page.text


def test_they_are_left_alone(root_browser: Browser, full_names: Callable[[], dict[str, str | None]]) -> None:
    before = full_names()["ann"]
    page = check(root_browser, FILE, "skip")
    assert (page.status, selected(page)) == (200, "skip")
    assert "1 user can be created, 0 changed, 1 left as they are" in page.text
    assert "1 user created, 0 changed, 1 left as they were." in press_import(root_browser, FILE, page).text
    assert full_names() == {"ann": before, "bob": None}


def test_they_are_changed_as_shown(root_browser: Browser, full_names: Callable[[], dict[str, str | None]]) -> None:
    before = full_names()["ann"]
    page = check(root_browser, FILE, "update")
    assert "1 user can be created, 1 changed, 0 left as they are" in page.text
    assert changes(page) == [["2", "ann", "full_name", before or "nothing", "Ann Lee-Cho"]]
    assert "1 user created, 1 changed, 0 left as they were." in press_import(root_browser, FILE, page).text
    assert full_names() == {"ann": "Ann Lee-Cho", "bob": None}
    assert "1 user created, 1 changed" in root_browser.open(PATH).root.one("ul", class_="plain").text


def test_an_import_does_what_was_checked_whatever_the_form_says_by_then(
    root_browser: Browser, full_names: Callable[[], dict[str, str | None]]
) -> None:
    before = full_names()["ann"]
    page = check(root_browser, FILE, "skip")
    press_import(root_browser, FILE, page, chosen="1", existing="update")
    assert full_names()["ann"] == before


def test_ten_users_are_shown_and_all_are_in_the_file(root_browser: Browser, make_user: Callable[..., User]) -> None:
    for number in range(13):
        make_user(username=f"person-{number}", email=f"p{number}@b.de", full_name="Old")
    rows = "".join(f"p{number}@b.de,person-{number},New é,a long password\n" for number in range(13))
    content = "email,username,full_name,password\n" + rows
    page = check(root_browser, content, "update")
    assert changes(page)[:2] == [["2", "person-0", "full_name", "Old", "New é"], ["2", "person-0", "password", "a new password"]]
    assert len(changes(page)) == 20
    assert "The first 10 of 13 users." in page.text
    answer = send(root_browser, "changes", content, chosen="1", existing="update").response
    assert answer.headers["Content-Disposition"] == "attachment; filename=changes.csv"
    rows_of_file = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert rows_of_file[0] == ["line", "username", "field", "old", "new"]
    assert len(rows_of_file) == 27
    assert rows_of_file[-2:] == [["14", "person-12", "full_name", "Old", "New é"], ["14", "person-12", "password", "", ""]]


def test_bad_rows_are_those_of_the_choice(root_browser: Browser) -> None:
    content = FILE + "nobody,x,\n"
    lines = [row.split(",")[0] for row in send(root_browser, "bad-rows", content).html.splitlines()]
    assert lines[1:] == ["2", "4"]
    lines = [row.split(",")[0] for row in send(root_browser, "bad-rows", content, chosen="1", existing="skip").html.splitlines()]
    assert lines[1:] == ["4"]


def test_a_choice_that_there_is_not_is_refused(root_browser: Browser) -> None:
    page = check(root_browser, FILE, "replace")
    assert (page.status, "Choose one of fail, skip, update." in page.text) == (422, True)


@pytest.mark.parametrize(("content", "existing"), [("email,username\n", "fail"), ("email\nann@example.org\n", "skip")])
def test_where_nothing_would_be_written_no_import_is_offered(root_browser: Browser, content: str, existing: str) -> None:
    page = check(root_browser, content, existing)
    assert (page.status, "There is nothing to import." in page.text) == (200, True)
    assert not list(page.root.all("button", value="import"))


def test_an_import_that_finds_nobody_left_to_write_is_done(root_browser: Browser, session: Session) -> None:
    page = check(root_browser, FILE, "skip")
    session.execute(text("INSERT INTO users (email, username, created_at, updated_at) VALUES ('bob@b.de', 'bob', now(), now())"))
    session.commit()
    assert "0 users created, 0 changed, 2 left as they were." in press_import(root_browser, FILE, page).text


def test_the_good_rows_go_in_and_the_fixed_ones_by_themselves(
    root_browser: Browser, full_names: Callable[[], dict[str, str | None]]
) -> None:
    chosen = {"ignore": "Abteilung", "map-password": "Kennwort", "chosen": "1", "existing": "update"}
    page = send(root_browser, "check", MIXED, **chosen)
    assert page.status == 422
    assert "2 rows are fine: 1 user can be created, 1 changed, 0 left as they are." in page.text
    assert changes(page) == [["4", "ann", "full_name", "Ann Lee", "Ann"]]
    bad = send(root_browser, "bad-rows", MIXED, **chosen).response.get_data().decode("utf-8-sig")
    done = press_import(root_browser, MIXED, page)
    assert "1 user created, 1 changed, 0 left as they were." in done.text
    assert "1 bad row is left." in done.text
    assert full_names() == {"ann": "Ann", "zoe@b.de": "Zoë Groß"}
    fixed = bad.replace("nobody", "juergen@b.de")
    page = send(root_browser, "check", fixed)
    assert (page.status, selected(page)) == (200, "update")
    assert "1 user created, 0 changed, 0 left as they were." in press_import(root_browser, fixed, page).text
    assert full_names()["juergen@b.de"] == "Jürgen"


def test_good_rows_whose_names_are_taken_meanwhile_are_left_too(
    root_browser: Browser, make_user: Callable[..., User], full_names: Callable[[], dict[str, str | None]]
) -> None:
    content = "email,username\nbob@b.de,bob\ncid@b.de,cid\nnobody,x\n"
    page = send(root_browser, "check", content)
    make_user(username="bob")
    done = press_import(root_browser, content, page)
    assert "1 user created." in done.text
    assert "2 bad rows are left." in done.text
    assert {"bob", "cid"} < set(full_names())


def test_where_no_good_row_is_left_nothing_is_imported(root_browser: Browser, make_user: Callable[..., User]) -> None:
    content = "email,username\nbob@b.de,bob\nnobody,x\n"
    page = send(root_browser, "check", content)
    make_user(username="bob")
    done = press_import(root_browser, content, page)
    assert (done.status, "Nothing was imported" in done.text) == (422, True)


def test_a_fault_of_the_whole_file_leaves_nothing_to_import(root_browser: Browser, session: Session) -> None:
    page = send(root_browser, "check", "email,username,town\nbob@b.de,bob,Ulm\nnobody,x,Ulm\n")
    assert page.status == 422
    assert not list(page.root.all("button", value="import"))
    assert session.scalars(select(ImportRun)).all() == []


def test_the_last_superuser_stays_one(root_browser: Browser, root: User) -> None:
    content = f"email,username,is_superuser\n{root.email},root,false\nbob@b.de,bob,false\n"
    page = check(root_browser, content, "update")
    assert page.status == 422
    assert "This would leave no active superuser who can log in." in page.text
    assert page.root.one("button", value="import").text == "Import 1 good row"


def test_the_result_leads_to_links_for_those_without_a_password(root_browser: Browser) -> None:
    content = "email,username,password\nbob@b.de,bob,\ncid@b.de,cid,a long password\n"
    done = press_import(root_browser, content, send(root_browser, "check", content))
    [address] = [link["href"] for link in done.root.all("a") if link.text == "Password links for these users"]
    page = root_browser.open(address)
    assert page.heading == "Make 1 password link?"
    answer = root_browser.press(page, "Make 1 link and download").response
    assert [row["username"] for row in csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig")))] == ["bob"]
