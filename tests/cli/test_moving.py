"""Moving out and back: an export with hashes, imported into an empty installation, gives the same users."""

from __future__ import annotations

import csv
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Engine, insert, text

import databases
from facts import PASSWORD, PASSWORD_HASH
from old_hashes import OLD
from rollcall.models import User, user_logins

AT = datetime(2021, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
EVERYTHING = text("""
    SELECT id, email, username, full_name, password_hash, is_active, is_superuser, created_at, updated_at, never_logged_in,
           search_text, (SELECT last_login_at FROM user_logins WHERE user_id = users.id) AS last_login_at
    FROM users ORDER BY id
""")


@pytest.fixture
def other(settings: Any, clock: Any) -> Iterator[Flask]:
    """An empty installation."""
    with databases.application(settings, clock) as app:
        with app.app_context():
            flask_migrate.upgrade()
        yield app


@pytest.fixture
def people(engine: Engine) -> list[dict[str, Any]]:
    hashes = [PASSWORD_HASH, None, *(stored for _, stored in OLD.values())]
    names = ["Ann Lee", None, "=1+1", "'-x", "Øre, Zoë;=x", '"q"', "Иван", "O'Neil"]
    rows = [
        {
            "id": 1000 - 7 * n,  # neither in the order of sign-ups nor without gaps
            "email": f"Mail{n}@example.org",
            "username": f"User{n}",
            "full_name": names[n % len(names)],
            "password_hash": hashes[n % len(hashes)],
            "is_active": n % 5 != 1,
            "is_superuser": n % 11 == 0,
            "created_at": AT + timedelta(days=n, microseconds=n),
            "updated_at": AT + timedelta(days=400 + n),
            "never_logged_in": n % 3 != 0,
        }
        for n in range(100)
    ]
    with engine.begin() as connection:
        connection.execute(insert(User), rows)
        logins = [{"user_id": row["id"], "last_login_at": row["updated_at"]} for row in rows if not row["never_logged_in"]]
        connection.execute(insert(user_logins), logins)
    return rows


def everything(app: Flask) -> list[tuple[Any, ...]]:
    with app.app_context(), app.extensions["sqlalchemy"].engine.connect() as connection:
        return [tuple(row) for row in connection.execute(EVERYTHING)]


@pytest.mark.parametrize("name", ["users.csv", "users.ndjson"])
def test_everything_comes_back(app: Flask, other: Flask, people: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    before = everything(app)
    assert app.test_cli_runner().invoke(args=["users", "export", str(path), "--with-hashes"]).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    result = other.test_cli_runner().invoke(args=["users", "import", str(path)])
    assert (result.exit_code, result.output) == (0, f"Imported {len(people)} users.\n")
    assert everything(other) == before
    logged_in = other.test_client().post("/api/v1/auth/login", json={"username": "User0", "password": PASSWORD})
    assert logged_in.status_code == 200


def test_next_user_gets_an_id_beyond_those_restored(app: Flask, other: Flask, people: Any, tmp_path: Path) -> None:
    app.test_cli_runner().invoke(args=["users", "export", str(tmp_path / "users.csv"), "--with-hashes"])
    runner = other.test_cli_runner()
    runner.invoke(args=["users", "import", str(tmp_path / "users.csv")])
    runner.invoke(
        args=["users", "create-superuser", "--username", "next", "--email", "n@b.de", "--password-stdin"], input=PASSWORD
    )
    (new,) = [row for row in everything(other) if row[2] == "next"]
    assert new[0] == 1001


def test_installation_with_users_gives_new_ids(app: Flask, people: Any, other: Flask, tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("id,email,username\n7,a@b.de,ann\n7,c@d.de,cid\n")
    runner = other.test_cli_runner()
    assert runner.invoke(args=["users", "import", str(tmp_path / "users.csv")]).exit_code == 0  # the same id twice
    app.test_cli_runner().invoke(args=["users", "export", str(tmp_path / "all.csv"), "--with-hashes"])
    assert runner.invoke(args=["users", "import", str(tmp_path / "all.csv")]).exit_code == 0
    rows = everything(other)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert len({row[0] for row in rows} & {person["id"] for person in people}) < len(people)
    assert {row[7] for row in rows} >= {person["created_at"] for person in people}


@pytest.mark.parametrize("value", ["9007199254740992", "9223372036854775807", "0", "-1", "1e400", "abc", "١"])
def test_ids_that_cannot_be_kept_are_left_out(other: Flask, tmp_path: Path, value: str) -> None:
    (tmp_path / "users.csv").write_text(f"id,email,username\n{value},a@b.de,ann\n")
    assert other.test_cli_runner().invoke(args=["users", "import", str(tmp_path / "users.csv")]).exit_code == 0
    assert [row[0] for row in everything(other)] == [1]


def test_export_without_the_option_has_no_hashes(app: Flask, people: Any, tmp_path: Path) -> None:
    app.test_cli_runner().invoke(args=["users", "export", str(tmp_path / "users.csv")])
    with (tmp_path / "users.csv").open() as file:
        assert "password_hash" not in next(csv.reader(file))
    assert "$argon2" not in (tmp_path / "users.csv").read_text()


def test_export_with_hashes_is_recorded_as_one(app: Flask, people: Any, tmp_path: Path) -> None:
    runner = app.test_cli_runner()
    runner.invoke(args=["users", "export", str(tmp_path / "users.csv"), "--with-hashes"])
    assert "with_hashes" in runner.invoke(args=["events", "list", "--type", "users_exported", "--json"]).output
