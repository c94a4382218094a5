"""``users import --password-links``: links for the users whom an import has created without a password."""

from __future__ import annotations

import csv
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from rollcall.models import OneTimeLink, User
from rollcall.services.users import password_links

CONTENT = (
    "email,username,full_name,password\nann@example.org,ann,Ann Lee-Cho,\nnew@b.de,new,Zoë Groß,\nset@b.de,set,,a long password\n"
)
Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, tmp_path: Path) -> Run:
    (tmp_path / "users.csv").write_text(CONTENT)
    runner = app.test_cli_runner()
    arguments = ["users", "import", str(tmp_path / "users.csv"), "--password-links", str(tmp_path / "links.csv")]
    return lambda *args: runner.invoke(args=[*arguments, *args])


def test_the_new_users_without_a_password_get_links(
    run: Run, tmp_path: Path, make_user: Callable[..., User], session: Session
) -> None:
    make_user(username="ann", email="ann@example.org", password_hash=None)
    result = run("--existing", "update")
    assert (result.exit_code, "1 password link in" in result.output) == (0, True)
    path = tmp_path / "links.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    [row] = csv.DictReader(path.read_text("utf-8").splitlines())
    assert (row["name"], row["email"], row["username"]) == ("Zoë Groß", "new@b.de", "new")
    assert row["link"].startswith("http://127.0.0.1:8000/password#")
    still = datetime.fromisoformat(row["expires_at"]) - timedelta(seconds=1)
    assert password_links.owner(session, row["link"].partition("#")[2], still).username == "new"


def test_a_refused_import_makes_none(run: Run, tmp_path: Path, ann: User, session: Session) -> None:
    assert run().exit_code == 1
    assert not (tmp_path / "links.csv").exists()
    assert session.scalars(select(OneTimeLink)).all() == []


def test_an_import_that_creates_nobody_writes_an_empty_list(run: Run, tmp_path: Path) -> None:
    assert run().exit_code == 0
    assert run("--existing", "skip").exit_code == 0
    assert (tmp_path / "links.csv").read_text() == "name,email,username,link,expires_at\n"


def test_with_a_dry_run_it_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("--dry-run")
    assert (result.exit_code, "With --dry-run no links can be made" in result.output) == (2, True)
    assert not (tmp_path / "links.csv").exists()
