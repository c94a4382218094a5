"""The page of operations, and the undo of an import on its own page."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, insert, select, update
from sqlalchemy.orm import Session

from browser import Browser
from facts import NOON
from rollcall.models import ImportRun, Operation, User

PATH = "/dashboard/operations"
CONTENT = "email,username\nann@b.de,ann\nbob@b.de,bob\n"


@pytest.fixture
def imported(app: Flask, root: User, tmp_path: Path, clock: Any) -> None:
    (tmp_path / "people.csv").write_text(CONTENT)
    assert app.test_cli_runner().invoke(args=["users", "import", str(tmp_path / "people.csv")]).exit_code == 0
    clock.advance(minutes=1)


@pytest.fixture
def run_page(imported: None, engine: Engine, root: User) -> str:
    """The address of the import's own page, as if it had been made in the browser."""
    run = {"id": uuid4(), "user_id": root.id, "digest": bytes(32), "file_name": "people.csv", "file_format": "csv"}
    times = {"checked_at": NOON, "started_at": NOON, "finished_at": NOON}
    with engine.begin() as connection:
        connection.execute(insert(ImportRun).values(**run, **times, stage="writing", done=2, total=2, created=2))
        connection.execute(update(Operation).values(run_id=run["id"]))
    return f"/dashboard/users/import/{run['id']}"


@pytest.fixture
def many(engine: Engine, app: Flask) -> None:
    rows = [
        {"at": NOON + timedelta(minutes=n), "kind": "deactivate", "actor_username": f"admin{n:02}", "created": 0, "changed": n}
        for n in range(60)
    ]
    with engine.begin() as connection:
        connection.execute(insert(Operation), rows)


def test_import_is_listed_and_undone(root_browser: Browser, session: Session, imported: None) -> None:
    page = root_browser.open(PATH)
    assert "Import of people.csv : 2 created" in page.text
    done = root_browser.press(page, "Undo")
    assert done.toast == "Undone for 2 users."
    assert "Undone for 2, by" in done.text
    assert [form for form in done.root.all("form") if "undo" in (form.get("action") or "")] == []
    assert session.scalars(select(User.username).where(User.username.in_(["ann", "bob"]))).all() == []


def test_import_is_undone_on_its_own_page(root_browser: Browser, run_page: str) -> None:
    page = root_browser.open(run_page)
    done = root_browser.press(page, "Undo the import")
    assert done.address == page.address
    assert "The import was undone for 2 users." in done.text


def test_second_undo_of_an_old_page_says_so(root_browser: Browser, run_page: str) -> None:
    page = root_browser.open(run_page)
    root_browser.press(page, "Undo the import")
    assert "This operation was undone before." in root_browser.press(page, "Undo the import").text


def test_there_are_none_at_first(root_browser: Browser) -> None:
    assert "There are none yet." in root_browser.open(PATH).text


def test_list_goes_on(root_browser: Browser, many: None) -> None:
    page = root_browser.open(PATH)
    assert len(list(page.root.one("tbody").all("tr"))) == 50
    assert "admin59" in page.text
    older = root_browser.open(next(link["href"] for link in page.root.all("a") if link.text == "Older"))
    assert len(list(older.root.one("tbody").all("tr"))) == 10
    assert "admin00" in older.text


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "٣"])
def test_place_that_cannot_be_is_the_beginning(root_browser: Browser, before: str) -> None:
    page = root_browser.open(f"{PATH}?before={before}")
    assert (page.status, "There are none yet." in page.text) == (200, True)


def test_plain_users_see_none(ann_browser: Browser) -> None:
    assert ann_browser.open(PATH).status == 403
