"""The documentation against the code: what exists is written down."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from flask import Flask

from rollcall.api import errors


@pytest.fixture(scope="module")
def documentation(checkout: Path) -> str:
    return "\n".join(path.read_text() for path in [checkout / "README.md", *sorted((checkout / "docs").rglob("*.md"))])


def test_every_setting_is_documented(checkout, documentation):
    read = set(re.findall(r'read\.\w+\("([A-Z_]+)"', (checkout / "src/rollcall/settings.py").read_text()))
    read |= {"ROLLCALL_HOME", "ROLLCALL_BIND", "PORT"}
    assert len(read) > 15
    assert {name for name in read if f"`{name}`" not in documentation} == set()


def test_every_error_code_is_documented_with_its_status(documentation):
    missing = {code for status, code in errors._CODES.items() if f"| {status} | `{code}` |" not in documentation}
    assert missing == set()


def test_every_type_of_detail_is_documented(checkout, documentation):
    rooms = (checkout / "src/rollcall" / room for room in ("api", "services"))
    sources = "\n".join(path.read_text() for room in rooms for path in room.rglob("*.py"))
    raised = set(re.findall(r'(?:FieldError|_refuse)\("(\w+)"', sources))
    raised |= set(re.findall(r'FieldProblem\([^,()]+(?:\([^()]*\))?, "(\w+)"', sources))
    assert len(raised) > 8
    assert {code for code in raised if f"`{code}`" not in documentation} == set()


def _commands(group: click.Group, *above: str) -> list[str]:
    found = []
    for name, command in group.commands.items():
        found += _commands(command, *above, name) if isinstance(command, click.Group) else [" ".join((*above, name))]
    return found


def test_every_command_is_documented(app: Flask, documentation):
    commands = [
        name
        for name in _commands(app.cli)
        if name.split()[0] in {"users", "tokens", "stats", "events", "embedded", "setup-link", "mail"}
    ]
    assert len(commands) > 8
    # A row of the table may list several commands of a group after its first.
    missing = {name for name in commands if f"{name} " not in documentation and f"{name}`" not in documentation}
    assert {name for name in missing if f"`{name.split()[-1]} " not in documentation} == set()


def test_every_query_parameter_is_documented(app: Flask, documentation):
    spec = app.test_client().get("/openapi.json").json
    names = {
        parameter["name"]
        for path in spec["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query"
    }
    assert {"search", "page", "days"} <= names
    assert {name for name in names if f"`{name}" not in documentation} == set()


def test_every_metric_is_documented(app: Flask, documentation):
    text = app.test_client().get("/metrics").get_data(as_text=True)
    names = set(re.findall(r"^# TYPE (rollcall_\w+)", text, re.MULTILINE))
    names = {name.removesuffix("_created") for name in names}
    assert names
    assert {name for name in names if f"`{name}" not in documentation} == set()
