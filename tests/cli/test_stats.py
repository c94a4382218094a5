"""``flask stats``: the numbers, and whether they are right."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from facts import NOON
from rollcall.models import User

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()
    return lambda *args: runner.invoke(args=["stats", *args])


@pytest.fixture
def some_users(root: User, make_user: Callable[..., User]) -> None:
    make_user(is_active=False, created_at=NOON - timedelta(days=2))
    make_user()


def test_show(run: Run, some_users: None) -> None:
    result = run("show")
    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines()] == [
        ["total", "users", "3"],
        ["active", "users", "2"],
        ["inactive", "users", "1"],
        ["superusers", "1"],
        ["new", "users", "today", "1"],
        ["new", "users", "week", "2"],
        ["timestamp", NOON.isoformat()],
    ]


def test_show_json(run: Run, some_users: None) -> None:
    assert json.loads(run("show", "--json").output) == {
        "total_users": 3,
        "active_users": 2,
        "inactive_users": 1,
        "superusers": 1,
        "new_users_today": 1,
        "new_users_week": 2,
        "timestamp": NOON.isoformat(),
    }


def test_verify(run: Run, some_users: None) -> None:
    result = run("verify")
    assert (result.exit_code, result.output) == (0, "The tally agrees with the users.\n")


@pytest.fixture
def wrong_tally(some_users: None, session: Session) -> None:
    session.execute(text("TRUNCATE user_tally, user_tally_deltas"))
    session.execute(text("INSERT INTO user_tally VALUES ('2026-03-11', true, false, 5), ('2026-01-01', false, true, 1)"))
    session.commit()


def test_verify_finds_a_wrong_tally(run: Run, wrong_tally: None) -> None:
    for _ in range(2):
        result = run("verify")
        assert result.exit_code == 1
        assert result.stdout.splitlines() == [
            "2025-02-04 active superusers: tallied 0, counted 1",
            "2026-01-01 inactive superusers: tallied 1, counted 0",
            "2026-03-09 inactive: tallied 0, counted 1",
            "2026-03-11 active: tallied 5, counted 1",
            "all days, inactive: tallied 0, counted 1",
            "all days, inactive superusers: tallied 1, counted 0",
            "all days, active: tallied 5, counted 1",
            "all days, active superusers: tallied 0, counted 1",
        ]
        assert result.stderr == "Error: The tally is wrong in 8 groups; 'flask stats verify --repair' rebuilds it.\n"


def test_repair(run: Run, wrong_tally: None) -> None:
    assert run("verify", "--repair").exit_code == 0
    assert run("verify").exit_code == 0
    assert json.loads(run("show", "--json").output)["total_users"] == 3
