"""``users import --existing``: what is said of users who are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from rollcall.models import User

Run = Callable[..., Result]
CONTENT = "email,username,full_name,is_active\nann@example.org,ann,Ann Lee-Cho,no\nnew@example.org,new,,\n"


@pytest.fixture
def run(app: Flask, tmp_path: Path) -> Run:
    (tmp_path / "users.csv").write_text(CONTENT)
    runner = app.test_cli_runner()
    return lambda *args: runner.invoke(args=["users", "import", str(tmp_path / "users.csv"), *args])


def test_file_is_refused_by_default(run: Run, ann: User) -> None:
    result = run()
    assert (result.exit_code, "Nothing was imported: 2 problems." in result.output) == (1, True)


def test_skip(run: Run, ann: User) -> None:
    result = run("--existing", "skip")
    assert (result.exit_code, result.output) == (0, "Imported 1 user, changed 0, left 1 as they were.\n")


def test_update(run: Run, ann: User) -> None:
    result = run("--existing", "update")
    assert (result.exit_code, result.output) == (0, "Imported 1 user, changed 1, left 0 as they were.\n")


def test_rehearsal_shows_old_and_new(run: Run, ann: User, tmp_path: Path) -> None:
    result = run("--existing", "update", "--dry-run", "--changes", str(tmp_path / "changes.csv"))
    assert result.output.splitlines() == [
        "line 2, ann: full_name: Ann Lee → Ann Lee-Cho; is_active: true → false",
        "Would have imported 1 user, changed 1, left 0 as they were.",
    ]
    lines = (tmp_path / "changes.csv").read_text("utf-8-sig").splitlines()
    assert lines == ["line,username,field,old,new", "2,ann,full_name,Ann Lee,Ann Lee-Cho", "2,ann,is_active,true,false"]


def test_only_ten_users_are_shown(app: Flask, tmp_path: Path) -> None:
    rows = [f"p{n}@example.org,person-{n}," for n in range(13)]
    (tmp_path / "first.csv").write_text("\n".join(["email,username,full_name", *rows]))
    (tmp_path / "again.csv").write_text("\n".join(["email,username,full_name", *(f"{row}Named" for row in rows)]))
    runner = app.test_cli_runner()
    runner.invoke(args=["users", "import", str(tmp_path / "first.csv")])
    result = runner.invoke(args=["users", "import", str(tmp_path / "again.csv"), "--existing", "update", "--dry-run"])
    assert result.output.count("full_name: nothing → Named") == 10
    assert "… and changes of 3 more users.\n" in result.output


def test_unknown_word_is_a_mistake_in_usage(run: Run) -> None:
    assert run("--existing", "replace").exit_code == 2
