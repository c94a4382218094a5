"""The files of docs/IMPORT.md: what the documentation says of each is what ``flask users import`` does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from rollcall.models import User

ROOT = Path(__file__).parents[2]
FILES = ROOT / "tests/cases/imports"


class Case(NamedTuple):
    file: str
    options: list[str]
    said: list[str]
    refused: bool


def cases() -> list[Case]:
    section = (ROOT / "docs/IMPORT.md").read_text().partition("## Files that were tried")[2].partition("\n## ")[0]
    found = []
    for line in section.splitlines():
        if line.startswith("| `"):
            file, options, result = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:4])
            said = [text.replace("\\|", "|") for text in re.findall(r"`([^`]+)`", result)]
            found.append(Case(file.strip("`"), shlex.split(options.strip("`")), said, result.startswith("refused")))
    return found


def run(app: Flask, tmp_path: Path, file: str, options: list[str]) -> tuple[int, str]:
    placed = [str(tmp_path / option) if option == "bad.csv" else option for option in options]
    result = app.test_cli_runner().invoke(args=["users", "import", str(FILES / file), *placed])
    return result.exit_code, result.output


@pytest.mark.parametrize("case", cases(), ids=lambda case: " ".join((case.file, *case.options)))
def test_a_file_is_read_as_the_documentation_says(app: Flask, tmp_path: Path, session: Session, case: Case) -> None:
    code, output = run(app, tmp_path, case.file, case.options)
    assert code == case.refused, output
    for text in case.said:
        assert text in output
    assert "Traceback" not in output
    if case.refused:
        assert session.scalars(select(User.username)).all() == []


def test_every_file_is_in_the_documentation() -> None:
    listed = (ROOT / "docs/IMPORT.md").read_text()
    assert {file.name for file in FILES.iterdir() if f"| `{file.name}` |" not in listed} == set()


def people(session: Session) -> dict[str, tuple[str, str | None, bool, str]]:
    users = session.scalars(select(User).order_by(User.id))
    return {user.email: (user.username, user.full_name, user.is_active, user.created_at.isoformat()) for user in users}


NOW = "2026-03-11T12:00:00+00:00"
SOURCES = {
    "auth0-users-export.ndjson": {
        "mara.lind@example.org": ("mara.lind@example.org", "Mara Lind", True, "2021-03-01T05:06:07.123000+00:00"),
        "tomas.berg@example.org": ("tomas.berg@example.org", "Tomás Berg", False, "2021-03-02T05:06:07.123000+00:00"),
        "yuki@example.org": ("yuki@example.org", "幸 山田", True, "2021-03-03T05:06:07.123000+00:00"),
    },
    "okta-people.csv": {
        "mara.lind@example.org": ("mara.lind@example.org", "Mara Lind", True, NOW),
        "tomas.berg@example.org": ("tomas.berg@example.org", "Tomás Berg", False, NOW),
    },
    "google-workspace-download-users.csv": {
        "mara.lind@example.org": ("mara.lind@example.org", "Mara Lind", True, NOW),
        "tomas.berg@example.org": ("tomas.berg@example.org", "Tomás Berg", False, NOW),
        "yuki@example.org": ("yuki@example.org", "Yuki Yamada", True, NOW),
    },
    "entra-bulk-create.csv": {
        "mara.lind@example.org": ("mara.lind@example.org", "Mara Lind", True, NOW),
        "tomas.berg@example.org": ("tomas.berg@example.org", "Tomás Berg", False, NOW),
    },
    "cognito-user-import.csv": {
        "mara.lind@example.org": ("mara.lind", "Mara Lind", True, NOW),
        "tomas.berg@example.org": ("3f0c7f3e-7d2b-4c3c-9f57-000000000001", "Tomás Berg", True, NOW),
    },
    "keycloak-realm-export.json": {
        "mara@example.org": ("mara", "Mara Lind", True, "2021-03-04T05:06:07+00:00"),
        "tomas@example.org": ("tomas", "Tomas Lind", False, "2021-03-04T05:06:07+00:00"),
        "yuki@example.org": ("yuki", "Yuki Lind", True, "2021-03-04T05:06:07+00:00"),
    },
    "supabase-auth_users_rows.csv": {
        f"{name}@example.org": (f"{name}@example.org", f'{name.title()} "Lin" Lind', True, "2023-02-01T10:11:10.100000+00:00")
        for name in ("mara", "tomas", "yuki")
    },
    "wordpress-wp-user-list.csv": {
        "mara@example.org": ("mara", "Mara Lind", True, "2021-03-04T05:06:07+00:00"),
        "tomas@example.org": ("tomas.berg", "Berg, Tomás", True, "2022-03-04T05:06:07+00:00"),
    },
    "x02-excel-semicolon-cp1252.csv": {
        "jose@example.org": ("jose-m", "José Müller", True, NOW),
        "zoe@example.org": ("00123", "Zoë Œuvre", False, NOW),
    },
}


@pytest.mark.parametrize("file", SOURCES)
def test_people_arrive_as_they_were(app: Flask, tmp_path: Path, session: Session, file: str) -> None:
    code, output = run(app, tmp_path, file, [])
    assert code == 0, output
    assert people(session) == SOURCES[file]


def test_names_of_a_confirmed_encoding_are_right(app: Flask, tmp_path: Path, session: Session) -> None:
    for file, encoding in (("x05-excel-mac-roman.csv", "mac_roman"), ("x07-cp1250-polish.csv", "cp1250")):
        assert run(app, tmp_path, file, ["--encoding", encoding])[0] == 0
    assert [user[1] for user in people(session).values()] == ["José Müller", "Zoë Oeuvre", "Łukasz Świąć"]


def test_nothing_of_a_file_without_a_header_is_repeated(app: Flask, tmp_path: Path) -> None:
    _, output = run(app, tmp_path, "x33-no-header.csv", [])
    assert not [word for word in ("mara", "Mara", "Velvet", "bob", "Granite") if word in output]


def test_the_bad_rows_of_a_file_are_written_and_the_good_ones_imported(app: Flask, tmp_path: Path, session: Session) -> None:
    code, output = run(app, tmp_path, "x39-usernames-real.csv", ["--bad-rows", "bad.csv"])
    assert (code, len(people(session))) == (0, 2), output
    bad = (tmp_path / "bad.csv").read_text("utf-8-sig")
    assert bad.startswith("line,reason,email,username")
    mended = bad.replace("carl@example.org", "carl").replace("dörte", "doerte").replace("eve one", "eve")
    (tmp_path / "mended.csv").write_text(mended.replace("EXAMPLE\\frank", "frank").replace("'+4670000000", "grace"))
    result = app.test_cli_runner().invoke(args=["users", "import", str(tmp_path / "mended.csv")])
    assert result.output == "Imported 5 users.\n"
