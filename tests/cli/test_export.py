"""``flask users export``: complete or not there."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from rollcall.models import User

COLUMNS = ["id", "email", "username", "full_name", "is_active", "is_superuser", "created_at", "updated_at", "last_login_at"]
Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()
    return lambda *args: runner.invoke(args=["users", "export", *args])


def test_csv(run: Run, ann: User, tmp_path: Path) -> None:
    result = run(str(tmp_path / "users.csv"))
    assert (result.exit_code, result.output) == (0, "")
    rows = list(csv.reader(io.StringIO((tmp_path / "users.csv").read_bytes().decode(), newline="")))
    moment = "2026-03-11T12:00:00+00:00"
    assert rows == [COLUMNS, [str(ann.id), "ann@example.org", "ann", "Ann Lee", "true", "false", moment, moment, ""]]


@pytest.mark.parametrize(("name", "option"), [("users.ndjson", []), ("users.txt", ["--format", "ndjson"])])
def test_ndjson(run: Run, ann: User, tmp_path: Path, name: str, option: list[str]) -> None:
    assert run(str(tmp_path / name), *option).exit_code == 0
    (line,) = (tmp_path / name).read_bytes().splitlines()
    user = json.loads(line)
    assert list(user) == COLUMNS
    assert (user["username"], user["is_active"], user["created_at"]) == ("ann", True, "2026-03-11T12:00:00+00:00")


def test_standard_output(run: Run, ann: User) -> None:
    result = run("-")
    assert result.stdout.splitlines()[0] == ",".join(COLUMNS)
    assert len(result.stdout.splitlines()) == 2


def test_every_user_is_written_oldest_first(app: Flask, run: Run, tmp_path: Path) -> None:
    app.test_cli_runner().invoke(args=["users", "seed", "3000"])
    run(str(tmp_path / "users.ndjson"))
    times = [json.loads(line)["created_at"] for line in (tmp_path / "users.ndjson").read_text().splitlines()]
    assert len(times) == 3_000
    assert times == sorted(times)


def test_a_file_with_personal_data_is_its_owners_alone(run: Run, ann: User, tmp_path: Path) -> None:
    run(str(tmp_path / "users.csv"))
    assert stat.S_IMODE((tmp_path / "users.csv").stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_one_sentence(run: Run, tmp_path: Path) -> None:
    result = run(str(tmp_path / "nowhere" / "users.csv"))
    assert result.exit_code == 1
    assert result.stderr == f"Error: {tmp_path / 'nowhere' / 'users.csv'}: No such file or directory.\n"


def test_a_full_disk_is_one_sentence(run: Run, ann: User) -> None:
    result = run("/dev/full")
    assert (result.exit_code, result.stderr) == (1, "Error: No space left on device.\n")


def test_an_export_that_fails_leaves_the_old_file(run: Run, ann: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users.csv").write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr(Path, "replace", fail)
    assert run(str(tmp_path / "users.csv")).exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["users.csv"]
    assert (tmp_path / "users.csv").read_text() == "old"


def test_an_unknown_format_is_a_mistake_in_usage(run: Run, tmp_path: Path) -> None:
    assert run(str(tmp_path / "users.csv"), "--format", "xml").exit_code == 2
