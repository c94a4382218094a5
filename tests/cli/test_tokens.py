"""``flask tokens``: a token made at the terminal works, is listed without its secret, and ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from facts import NOON
from rollcall.models import User

CREATE = ["create", "--user", "ANN", "--name", "Nightly", "--scope", "self", "--scope", "users:read"]
Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()
    return lambda *args, **options: runner.invoke(args=["tokens", *args], **options)


def test_a_token_is_created_listed_and_revoked(run: Run, nobody: Any, as_root: Any, ann: User) -> None:
    created = run(*CREATE, "--days", "30")
    assert created.exit_code == 0, created.output
    token = created.stdout.strip()
    assert re.fullmatch("rct_[0-9A-Za-z]{49}", token)
    until = f"{NOON + timedelta(days=30):%d %b %Y, %H:%M} UTC"
    [item] = as_root.get(f"/tokens?user_id={ann.id}").json["items"]
    assert created.stderr == f"ann has the token {item['id']}, until {until}. It is shown only now:\n"
    bearer = {"Authorization": f"Bearer {token}"}
    assert nobody.get("/auth/me", headers=bearer).json["username"] == "ann"
    listed = run("list").stdout
    days = f"created 2026-03-11 expires {NOON + timedelta(days=30):%Y-%m-%d} used 2026-03-11"
    assert listed == f"{item['id']} ann users:read,self {days} Nightly\n"
    revoked = run("revoke", str(item["id"]))
    assert (revoked.exit_code, revoked.stdout) == (0, "The token 'Nightly' of ann has ended.\n")
    assert nobody.get("/auth/me", headers=bearer).status_code == 401
    assert run("list").stdout == ""
    kinds = [(event["type"], event["actor"]["username"]) for event in as_root.get("/events").json["items"]]
    assert kinds == [("token_revoked", "operator"), ("token_created", "operator")]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["create", "--user", "nobody", "--name", "x", "--scope", "self"], 1, "There is no user 'nobody'."),
        (["create", "--user", "gone", "--name", "x", "--scope", "self"], 1, "This user is inactive; activate the user first."),
        (["create", "--user", "ann", "--name", " ", "--scope", "self"], 1, "Give the token a name"),
        (["create", "--user", "ann", "--name", "x"], 2, "Missing option '--scope'"),
        (["create", "--user", "ann", "--name", "x", "--scope", "root"], 2, "'root' is not one of"),
        (["create", "--user", "ann", "--name", "x", "--scope", "self", "--days", "0"], 2, "0 is not in the range"),
        (["revoke", "5"], 1, "There is no token 5."),
        (["revoke", "x"], 2, "'x' is not a valid integer range"),
    ],
)
def test_what_is_refused_is_said_in_a_sentence(
    run: Run, ann: User, make_user: Callable[..., User], arguments: list[str], code: int, sentence: str
) -> None:
    make_user(username="gone", is_active=False)
    result = run(*arguments)
    assert (result.exit_code, sentence in result.stderr) == (code, True), result.stderr
