"""After an import people log in with the password that they had: the second table of docs/IMPORT.md."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from flask import Flask

ROOT = Path(__file__).parents[2]
FILES = ROOT / "tests/cases/imports"
PASSWORDS = {"mara": "lantern-river-19", "tomas": "quiet-Orchard_42", "yuki": "paper+boats 7 é"}
CONFIG = """hash_config {
  algorithm: SCRYPT,
  base64_signer_key: 0LZjTF+TwLHKZNJ8w87oSPExRU12Xj4yBx/jcOpy2Pd8jdZKGRTHTHZpX5PIvso1KLJ5L8lad3leQBt+wVnrXQ==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}"""


class Case(NamedTuple):
    file: str
    options: list[str]
    active: list[str]
    inactive: list[str]


def cases() -> list[Case]:
    section = (ROOT / "docs/IMPORT.md").read_text().partition("## Old passwords")[2].partition("\n## ")[0]
    found = []
    for line in section.splitlines():
        if line.startswith("| `"):
            file, options, who = (cell.strip() for cell in line.split("|")[1:4])
            active, _, inactive = who.partition(";")
            names = [re.findall(r"[a-z-]+", part.replace("is inactive", "")) for part in (active, inactive)]
            found.append(Case(file.strip("`"), shlex.split(options.strip("`")), *names))
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.file)
def test_the_old_password_opens(app: Flask, tmp_path: Path, case: Case) -> None:
    (tmp_path / "firebase.txt").write_text(CONFIG)
    options = [str(tmp_path / option) if option in ("bad.csv", "firebase.txt") else option for option in case.options]
    result = app.test_cli_runner().invoke(args=["users", "import", str(FILES / case.file), *options])
    assert result.exit_code == 0, result.output
    client = app.test_client()
    addresses = address_of(case.file)
    for name in (*case.active, *case.inactive):
        answer = client.post(
            "/api/v1/auth/login", json={"username": addresses(name), "password": PASSWORDS.get(name, PASSWORDS["mara"])}
        )
        assert answer.status_code == (200 if name in case.active else 403), (name, answer.json)
        wrong = client.post("/api/v1/auth/login", json={"username": addresses(name), "password": "another password"})
        assert wrong.status_code == 401


def address_of(file: str) -> Callable[[str], str]:
    text = (FILES / file).read_text()

    def address(name: str) -> str:
        return next(found for found in re.findall(r"[\w.-]+@example\.org", text) if found.startswith(name))

    return address
