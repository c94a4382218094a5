"""The import page in a browser: with a script the file stays chosen and the progress is seen; without, it works all the same."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect
from sqlalchemy import text

from chromium.screen import Site, Watch
from service import wait_for

PATH = "/dashboard/users/import"
GOOD = "email;username;full_name\nann@b.de;ann;Zoë Groß\nbob@b.de;bob;\n"
BAD = "email;username;full_name\nann@b.de;ann;Zoë Groß\nnobody;x;=1+1\n"


def choose(page: Page, content: str, encoding: str = "utf-8", name: str = "users.csv") -> None:
    payload: FilePayload = {"name": name, "mimeType": "text/csv", "buffer": content.encode(encoding)}
    page.get_by_label("File", exact=True).set_input_files(payload)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def count(site: Site) -> int:
    with site.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM users")).scalar_one())


def began(site: Site) -> bool:
    with site.engine.connect() as connection:
        return connection.execute(text("SELECT started_at FROM import_runs")).scalar_one() is not None


@pytest.fixture
def importing(page: Page) -> Page:
    page.goto("/dashboard/users")
    page.get_by_role("link", name="Import").click()
    return page


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_a_file_is_checked_and_imported_without_choosing_it_twice(importing: Page, site: Site, encoding: str) -> None:
    before = count(site)
    choose(importing, GOOD, encoding)
    press(importing, "Check the file")
    expect(importing.get_by_role("heading", name="2 users can be created")).to_be_focused()
    assert count(site) == before
    press(importing, "Import 2 users")
    expect(importing.get_by_role("heading", name="Import of users.csv")).to_be_visible()
    expect(importing.get_by_text("2 users created.")).to_be_visible()
    importing.get_by_role("link", name="See these users").click()
    expect(importing.get_by_role("row", name="Zoë Groß")).to_be_visible()


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_without_a_script_the_same_file_is_chosen_again(plain_page: Page, site: Site, encoding: str) -> None:
    plain_page.goto(PATH)
    choose(plain_page, GOOD, encoding)
    press(plain_page, "Check the file")
    expect(plain_page.get_by_role("heading", name="2 users can be created")).to_be_visible()
    expect(plain_page.get_by_text("Choose users.csv again")).to_be_visible()
    press(plain_page, "Import 2 users")
    expect(plain_page.get_by_text("Choose a file first.")).to_be_visible()
    choose(plain_page, GOOD, encoding)
    press(plain_page, "Check the file")
    choose(plain_page, GOOD, encoding)
    press(plain_page, "Import 2 users")
    expect(plain_page.get_by_text("2 users created.")).to_be_visible()


def test_bad_rows_are_named_and_saved_and_imported_when_mended(importing: Page, tmp_path: Path) -> None:
    choose(importing, BAD)
    press(importing, "Check the file")
    expect(importing.get_by_role("heading", name="2 problems in 1 row")).to_be_focused()
    expect(importing.get_by_role("row", name="3 username A username has at least 2 characters.")).to_be_visible()
    for name in ("one.csv", "two.csv"):  # the page stays, and with it the button
        with importing.expect_download() as download:
            press(importing, "Bad rows as CSV")
        download.value.save_as(tmp_path / name)
    saved = (tmp_path / "two.csv").read_text("utf-8-sig")
    [row] = csv.DictReader(saved.splitlines(), delimiter=";")
    assert (row["line"], row["email"], row["full_name"]) == ("3", "nobody", "'=1+1")
    choose(importing, saved.replace("nobody;x", "nob@b.de;nob"))
    expect(importing.get_by_role("heading", name="2 problems")).to_have_count(0)
    press(importing, "Check the file")
    expect(importing.get_by_role("heading", name="1 user can be created")).to_be_visible()


def test_without_a_script_bad_rows_are_named_and_saved(plain_page: Page) -> None:
    plain_page.goto(PATH)
    choose(plain_page, BAD)
    press(plain_page, "Check the file")
    expect(plain_page.get_by_role("row", name="3 username A username has at least 2 characters.")).to_be_visible()
    choose(plain_page, BAD)
    with plain_page.expect_download() as download:
        press(plain_page, "Bad rows as CSV")
    assert "nobody;x;'=1+1" in Path(download.value.path()).read_text("utf-8-sig")


GERMAN = (
    "Vorname;Nachname;E-Mail;Abteilung;Aktiv\nZoë;Groß;zoe@b.de;Vertrieb;ja\nJürgen;Lee;juergen@b.de;Lager;nein\n"
    "Ann;Lee;annb.de;Lager;ja\n"
)


def test_a_german_spreadsheet_is_mapped_and_imported_without_touching_the_file(importing: Page, site: Site) -> None:
    before = count(site)
    choose(importing, GERMAN, "cp1252")
    press(importing, "Check the file")
    expect(importing.get_by_role("row", name="Abteilung")).to_be_visible()
    expect(importing.get_by_label("Full name", exact=True)).to_contain_text("Vorname+Nachname")
    expect(importing.get_by_role("row", name="2 zoe@b.de zoe@b.de Zoë Groß yes none")).to_be_visible()
    importing.get_by_label("Abteilung").check()
    press(importing, "Check again with these choices")
    expect(importing.get_by_role("heading", name="1 problem in 1 row")).to_be_focused()
    choose(importing, GERMAN.replace("annb.de", "ann@b.de"), "cp1252")
    press(importing, "Check the file")  # the choices are remembered
    expect(importing.get_by_role("heading", name="3 users can be created")).to_be_focused()
    press(importing, "Import 3 users")
    expect(importing.get_by_text("3 users created.")).to_be_visible()
    assert count(site) == before + 3


def test_without_a_script_the_columns_are_mapped_as_well(plain_page: Page) -> None:
    plain_page.goto(PATH)
    content = GERMAN.replace("annb.de", "ann@b.de")
    choose(plain_page, content, "cp1252")
    press(plain_page, "Check the file")
    plain_page.get_by_label("Abteilung").check()
    plain_page.get_by_label("Active", exact=True).select_option("!Aktiv")
    choose(plain_page, content, "cp1252")
    press(plain_page, "Check again with these choices")
    expect(plain_page.get_by_role("row", name="2 zoe@b.de zoe@b.de Zoë Groß no none")).to_be_visible()
    choose(plain_page, content, "cp1252")
    press(plain_page, "Import 3 users")
    expect(plain_page.get_by_text("3 users created.")).to_be_visible()


@pytest.mark.parametrize("kind", ["page", "plain_page"])
def test_good_rows_go_in_and_people_who_are_there_change_as_shown(request: pytest.FixtureRequest, kind: str, site: Site) -> None:
    page: Page = request.getfixturevalue(kind)
    site.add(username="ann", email="ann@b.de", full_name="Ann Lee")
    page.goto(PATH)
    choose(page, BAD)
    press(page, "Check the file")
    page.get_by_label("People who are there already").select_option("update")
    if kind == "plain_page":
        choose(page, BAD)
    press(page, "Check again with these choices")
    expect(page.get_by_role("row", name="2 ann full_name Ann Lee Zoë Groß")).to_be_visible()
    if kind == "plain_page":
        choose(page, BAD)
    press(page, "Import 1 good row")
    expect(page.get_by_text("0 users created, 1 changed, 0 left as they were.")).to_be_visible()
    expect(page.get_by_text("1 bad row is left.")).to_be_visible()
    page.get_by_role("link", name="Password links for these users").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize("kind", ["page", "plain_page"])
def test_the_template_is_saved(request: pytest.FixtureRequest, kind: str) -> None:
    page: Page = request.getfixturevalue(kind)
    page.goto(PATH)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    assert download.value.suggested_filename == "users-template.csv"


def test_no_file_is_a_problem_of_the_field(importing: Page) -> None:
    press(importing, "Check the file")
    expect(importing.get_by_text("Choose a file first.")).to_be_visible()


def test_a_changed_file_is_no_longer_the_checked_one(importing: Page) -> None:
    choose(importing, GOOD)
    press(importing, "Check the file")
    expect(importing.get_by_role("button", name="Import 2 users")).to_be_visible()
    choose(importing, GOOD + "cid@b.de;cid;\n")
    expect(importing.get_by_role("button", name=re.compile("^Import"))).to_have_count(0)


def test_a_name_taken_meanwhile_is_said_and_nothing_written(importing: Page, site: Site) -> None:
    choose(importing, GOOD)
    press(importing, "Check the file")
    expect(importing.get_by_role("button", name="Import 2 users")).to_be_visible()
    site.add(username="BOB")
    before = count(site)
    press(importing, "Import 2 users")
    expect(importing.get_by_role("heading", name="Nothing was imported")).to_be_focused()
    expect(importing.get_by_role("row", name="3 username This username is already in use.")).to_be_visible()
    assert count(site) == before


def test_a_lost_session_leads_to_the_log_in_and_back(importing: Page, site: Site) -> None:
    with site.engine.begin() as connection:
        connection.execute(text("DELETE FROM sessions"))
    choose(importing, GOOD)
    press(importing, "Check the file")
    expect(importing.get_by_role("heading", name="Log in")).to_be_visible()
    assert importing.url.endswith("/login?next=/dashboard/users/import")


def test_a_file_that_is_too_large_is_answered_with_what_to_do(importing: Page) -> None:
    choose(importing, "x" * (17 << 20))
    press(importing, "Check the file")
    expect(importing.get_by_role("heading", name="Too large")).to_be_visible()
    expect(importing.get_by_text("flask users import FILE")).to_be_visible()


@pytest.fixture
def held(site: Site) -> Iterator[Callable[[], None]]:
    """Lets no user be written until it is called."""
    with site.engine.connect() as connection:
        connection.execute(text("LOCK TABLE users IN SHARE MODE"))
        yield connection.rollback


def test_the_progress_is_seen_while_it_runs(importing: Page, site: Site, request: pytest.FixtureRequest) -> None:
    choose(importing, GOOD)
    press(importing, "Check the file")
    expect(importing.get_by_role("button", name="Import 2 users")).to_be_visible()
    release = request.getfixturevalue("held")
    press(importing, "Import 2 users")
    expect(importing.get_by_role("progressbar", name="Writing: 0 %")).to_be_visible()
    release()
    expect(importing.get_by_text("2 users created.")).to_be_visible()


def test_an_import_whose_request_is_cut_goes_on_and_is_followed(
    importing: Page, site: Site, watch: Watch, request: pytest.FixtureRequest
) -> None:
    """As by a proxy that waits for a minute and no longer."""
    choose(importing, GOOD)
    press(importing, "Check the file")
    expect(importing.get_by_role("button", name="Import 2 users")).to_be_visible()
    release = request.getfixturevalue("held")

    def cut(route: Route) -> None:
        # The request reaches the service; its answer never comes back.
        sent: dict[str, Any] = {"headers": route.request.headers, "data": route.request.post_data_buffer}
        importing.evaluate(
            "([url, type, body]) => { fetch(url, {method: 'POST', headers: {'content-type': type}, body: "
            "Uint8Array.from(body)}).catch(() => null) }",
            [f"{route.request.url}?straight", sent["headers"]["content-type"], list(sent["data"])],
        )
        wait_for(lambda: began(site))
        route.abort()

    importing.route(f"**{PATH}", cut, times=1)
    watch.allow("Failed to load resource")
    press(importing, "Import 2 users")
    importing.wait_for_url(re.compile(f"{PATH}/[0-9a-f-]+$"))
    expect(importing.get_by_role("progressbar", name="Writing: 0 %")).to_be_visible()
    release()
    expect(importing.get_by_text("2 users created.")).to_be_visible()


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["page", "plain_page"])
def test_a_hundred_thousand_rows(request: pytest.FixtureRequest, site: Site, kind: str) -> None:
    page: Page = request.getfixturevalue(kind)
    page.set_default_timeout(300_000)
    content = "email,username\n" + "".join(f"mail{n}@b.de,user-{n}\n" for n in range(100_000))
    page.goto(PATH)
    choose(page, content)
    press(page, "Check the file")
    expect(page.get_by_role("heading", name="100,000 users can be created")).to_be_visible(timeout=120_000)
    if kind == "plain_page":
        choose(page, content)
    press(page, "Import 100,000 users")
    if kind == "page":
        expect(page.get_by_role("progressbar")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("100,000 users created.")).to_be_visible(timeout=300_000)
    assert count(site) == 100_121
