"""A newcomer's walk: a German spreadsheet of 300 people with five faults becomes 300 users, who set their passwords by link."""

from __future__ import annotations

import csv
from pathlib import Path

from playwright.sync_api import FilePayload, Page, expect
from sqlalchemy import text

from chromium.screen import Open, Site

ROWS = 300
FIRST = ("Jürgen", "Zoë", "Käthe", "Björn", "Änne", "Paul")
LAST = ("Groß", "Müller", "Weiß", "Schäfer", "Köhler")
PASSWORD = "a-fine-new-passphrase"
# For rows, what is wrong in them, and how the page names it.
FAULTS = {
    17: (";person17@beispiel.example;", ";person17-beispiel.example;", "email This is not a valid e-mail address"),
    42: (";person42@beispiel.example;", ";;", "email This field is required"),
    99: (";person99@beispiel.example;", ";person98@beispiel.example;", "email Line 100 has this e-mail address, too."),
    150: (";ja", ";vielleicht", "is_active This has to be yes or no, or a status"),
    299: (";person299@beispiel.example;", ";person299@;", "email This is not a valid e-mail address"),
}


def spreadsheet(*, with_faults: bool) -> FilePayload:
    rows = ["Vorname;Nachname;E-Mail;Abteilung;Aktiv"]
    for number in range(ROWS):
        row = f"{FIRST[number % 6]};{LAST[number % 5]};person{number}@beispiel.example;Einkauf;ja"
        if with_faults and number in FAULTS:
            right, wrong, _ = FAULTS[number]
            assert right in row
            row = row.replace(right, wrong)
        rows.append(row)
    return {"name": "Mitarbeiter.csv", "mimeType": "text/csv", "buffer": "\r\n".join(rows).encode("cp1252")}


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def import_everybody(page: Page) -> None:
    """From the list of users to the imported people; the file is edited once."""
    page.goto("/dashboard/users")
    page.get_by_role("link", name="Import").click()
    page.get_by_label("File", exact=True).set_input_files(spreadsheet(with_faults=True))
    press(page, "Check the file")
    # The columns are known but for one; the names are right although the file is not in UTF-8.
    expect(page.get_by_label("Full name", exact=True)).to_contain_text("Vorname+Nachname")
    expect(
        page.get_by_role("row", name="2 person0@beispiel.example person0@beispiel.example Jürgen Groß yes none")
    ).to_be_visible()
    page.get_by_label("Abteilung").check()
    press(page, "Check again with these choices")
    expect(page.get_by_role("heading", name="problems in 5 rows")).to_be_focused()
    for number, (_, _, message) in FAULTS.items():
        expect(page.get_by_role("row", name=f"{number + 2} {message}")).to_be_visible()
    page.get_by_label("File", exact=True).set_input_files(spreadsheet(with_faults=False))
    press(page, "Check the file")  # the choices are remembered
    expect(page.get_by_role("heading", name="300 users can be created")).to_be_focused()
    press(page, "Import 300 users")
    expect(page.get_by_text("300 users created.")).to_be_visible()


def make_links(page: Page, folder: Path) -> dict[str, str]:
    """From the result of the import to a file with everybody's link."""
    page.get_by_role("link", name="See these users").click()
    page.get_by_role("checkbox", name="Select all on this page").check()
    page.get_by_role("link", name="Password links for all 300").click()
    with page.expect_download() as loading:
        press(page, "Make 300 links and download")
    loading.value.save_as(folder / "links.csv")
    with (folder / "links.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["username"]: row["link"] for row in csv.DictReader(file)}


def set_password_and_log_in(visitor: Page, link: str, username: str) -> None:
    visitor.goto(link)
    expect(visitor.get_by_text(f"For the account {username}")).to_be_visible()
    visitor.get_by_label("New password").fill(PASSWORD)
    visitor.get_by_label("The same password again").fill(PASSWORD)
    press(visitor, "Set the password")
    visitor.get_by_label("Username or e-mail address").fill(username)
    visitor.get_by_label("Password").fill(PASSWORD)
    press(visitor, "Log in")
    visitor.wait_for_url("**/profile")


def test_three_hundred_people_move_in_from_a_spreadsheet(page: Page, open_browser: Open, site: Site, tmp_path: Path) -> None:
    import_everybody(page)
    links = make_links(page, tmp_path)
    assert links.keys() == {f"person{number}@beispiel.example" for number in range(ROWS)}
    for number in (0, 98, 299):
        username = f"person{number}@beispiel.example"
        set_password_and_log_in(open_browser().new_page(), links[username], username)
    with site.engine.connect() as connection:
        query = text("SELECT count(*), count(password_hash) FROM users WHERE email LIKE '%@beispiel.example' AND is_active")
        assert connection.execute(query).one() == (ROWS, 3)
