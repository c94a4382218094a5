"""``flask events list``: the trail at the terminal; and what the commands themselves leave in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from facts import NOON
from rollcall.models import User

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()
    return lambda *args, **options: runner.invoke(args=list(args), **options)


@pytest.fixture
def listed(run: Run) -> Callable[..., list[dict[str, Any]]]:
    def read(*args: str) -> list[dict[str, Any]]:
        result = run("events", "list", "--json", *args)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.output.splitlines()]

    return read


def test_what_the_operator_does_is_the_operators(run: Run, listed: Any, root: User, ann: User, tmp_path: Path) -> None:
    for command in ("promote", "demote", "deactivate", "activate"):
        run("users", command, "ann")
    new = ("--username", "eve", "--email", "eve@example.org", "--password-stdin")
    run("users", "create-superuser", *new, input="correct-horse-9\n")
    file = tmp_path / "users.csv"
    file.write_text("email,username,is_superuser\nbob@example.org,bob,true\nkim@example.org,kim,false\n")
    run("users", "import", str(file))
    run("users", "export", str(tmp_path / "out.csv"))
    run("users", "seed", "3")
    found = listed()
    assert {(event["actor"]["id"], event["actor"]["username"]) for event in found} == {(None, "operator")}
    assert [(event["type"], event["subject"] and event["subject"]["username"]) for event in found] == [
        ("users_imported", None),
        ("users_exported", None),
        ("users_imported", None),
        ("user_created", "eve"),
        *[("user_changed", "ann")] * 4,
    ]
    assert found[0]["changes"] == {"way": "seed", "created": 3}
    assert found[2]["changes"] == {"way": "command", "created": 2, "superusers": 1}
    assert found[3]["changes"]["is_superuser"] == [None, True]


def test_a_rehearsed_or_refused_import_is_no_event(run: Run, listed: Any, ann: User, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("email,username\nbob@example.org,bob\n")
    assert run("users", "import", "--dry-run", str(file)).exit_code == 0
    file.write_text("email,username\nbob@example.org,ann\n")
    assert run("users", "import", str(file)).exit_code == 1
    assert listed() == []


def test_a_line_is_for_people_and_acts_on_no_terminal(run: Run, as_root: Any, ann: User) -> None:
    as_root.patch(f"/users/{ann.id}", json={"full_name": "\u202fX"}, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    [line] = run("events", "list").output.splitlines()
    assert line.startswith("2026-03-11T12:00:00+00:00 user_changed root → ann 203.0.113.7 ")
    assert line.isprintable()


def test_events_are_chosen_by_user_type_and_time(run: Run, listed: Any, as_root: Any, ann: User, clock: Any) -> None:
    as_root.patch(f"/users/{ann.id}", json={"full_name": "X"})
    clock.advance(hours=1)
    assert as_root.delete(f"/users/{ann.id}").status_code == 204
    kinds = ["user_deleted", "user_changed"]
    for name in ("ann", "ANN", str(ann.id)):  # deleted, and still found
        assert [event["type"] for event in listed("--user", name)] == kinds
    assert [event["type"] for event in listed("--type", "user_changed")] == kinds[1:]
    assert [event["type"] for event in listed("--since", f"{NOON + timedelta(hours=1):%Y-%m-%dT%H:%M}")] == kinds[:1]
    assert len(listed("--since", "2026-03-11")) == 2
    assert listed("--since", "2026-03-11T13:00:01Z") == []


@pytest.mark.parametrize(
    ("option", "value", "code", "sentence"),
    [
        ("--user", "nobody", 1, "There is no user 'nobody'."),
        ("--type", "nothing", 2, "'nothing' is not one of"),
        ("--since", "soon", 2, "ISO 8601"),
    ],
)
def test_what_is_not_understood_is_named(run: Run, ann: User, option: str, value: str, code: int, sentence: str) -> None:
    result = run("events", "list", option, value)
    assert (result.exit_code, sentence in result.stderr) == (code, True), result.stderr


def test_more_than_a_page_is_listed(run: Run, listed: Any, engine: Any, ann: User) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO security_events (at, type, changes) SELECT now(), 'login_failed', '{}' FROM generate_series(1, 1100)"
        )
    found = [event["id"] for event in listed()]
    assert (len(found), found) == (1100, sorted(found, reverse=True))
