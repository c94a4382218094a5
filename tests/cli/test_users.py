"""``flask users`` for one user, and how every command fails: one sentence, no traceback."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from psycopg2 import extensions
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from facts import NOON
from rollcall.models import User, UserSession
from rollcall.services.events import trail
from rollcall.services.identity import passwords
from threads import wait_until_blocked

NEW = ["create-superuser", "--username", "root", "--email", "root@example.org"]
Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()
    return lambda *args, **options: runner.invoke(args=["users", *args], **options)


def find(session: Session, username: str) -> User:
    session.rollback()
    return session.scalars(select(User).where(User.username == username)).one()


def test_a_superuser_with_a_password_from_standard_input(run: Run, session: Session) -> None:
    result = run(*NEW, "--password-stdin", input="correct horse \r\nnot this\n")
    assert (result.exit_code, result.output) == (0, "Created the superuser root.\n")
    user = find(session, "root")
    assert (user.email, user.is_active, user.is_superuser) == ("root@example.org", True, True)
    assert passwords.verify("correct horse ", user.password_hash).ok


def test_what_is_missing_is_asked_for_until_it_is_valid(run: Run, session: Session) -> None:
    typed = ["r", "root", "nobody", "root@example.org", "password1", "correct horse", "other horse"]
    result = run("create-superuser", input="\n".join([*typed, "correct horse", "correct horse"]) + "\n")
    assert result.exit_code == 0, result.output
    assert "correct horse" not in result.output
    assert passwords.verify("correct horse", find(session, "root").password_hash).ok


@pytest.mark.parametrize(
    ("username", "email", "password", "sentence"),
    [
        ("r", "root@example.org", "correct horse", "A username has at least 2 characters."),
        ("x@y.org", "root@example.org", "correct horse", "A username with an @ has to be the user's own e-mail address."),
        ("root", "root", "correct horse", "This is not a valid e-mail address. An email address must have an @-sign."),
        ("root", "root@example.org", "short", "A password has at least 8 characters."),
        ("root", "root@example.org", "password123", "This password is among the most common ones; choose another."),
        ("root", "root@example.org", "", "A password has at least 8 characters."),
        ("ANN", "root@example.org", "correct horse", "This username is already in use."),
        ("root", "ANN@example.org", "correct horse", "This e-mail address is already in use."),
    ],
)
def test_a_superuser_is_refused(run: Run, ann: User, username: str, email: str, password: str, sentence: str) -> None:
    options = ["--username", username, "--email", email, "--password-stdin"]
    result = run("create-superuser", *options, input=f"{password}\n")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {sentence}\n")


def test_promote_and_demote(run: Run, session: Session, root: User, ann: User) -> None:
    assert run("promote", "ANN").output == "ann is now a superuser.\n"
    assert find(session, "ann").is_superuser
    assert run("demote", "Ann@Example.org").output == "ann is now a plain user.\n"
    assert not find(session, "ann").is_superuser


def test_deactivate_and_activate(run: Run, session: Session, root: User, ann: User) -> None:
    expires = NOON + timedelta(hours=1)
    session.add(UserSession(user_id=ann.id, token_hash=b"x" * 32, expires_at=expires))
    session.commit()
    assert run("deactivate", "ann").output == "ann is now inactive.\n"
    assert not find(session, "ann").is_active
    assert session.scalars(select(UserSession)).all() == []
    assert run("activate", "ann").output == "ann is now active.\n"
    assert find(session, "ann").is_active


def test_what_the_operator_changes_is_recorded_without_a_name(run: Run, session: Session, ann: User) -> None:
    for command in ("deactivate", "activate", "activate", "promote"):
        run(command, "ann")
    session.rollback()
    recorded = [(entry.by_user_id, entry.by_username, entry.changes) for entry in trail.recent(session, ann.id)]
    assert recorded == [
        (None, None, {"is_superuser": [False, True]}),
        (None, None, {"is_active": [False, True]}),
        (None, None, {"is_active": [True, False]}),
    ]


@pytest.mark.parametrize("command", ["demote", "deactivate"])
def test_the_last_active_superuser_stays(run: Run, session: Session, root: User, command: str) -> None:
    result = run(command, "root")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: This is the last active superuser; make another one first.\n"
    assert find(session, "root").is_superuser


@pytest.mark.parametrize("command", ["promote", "demote", "activate", "deactivate"])
@pytest.mark.parametrize("name", ["nobody", "no\x1b[31mbody", "x" * 5_000, "no\0body", "no\udcffbody"])
def test_a_user_who_is_not_there(run: Run, command: str, name: str) -> None:
    result = run(command, name)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no user '")
    assert len(result.stderr) < 300
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("args", [["promote"], ["promote", "a", "b"], ["rename", "ann"], ["promote", "--force", "ann"]])
def test_mistakes_in_usage(run: Run, args: list[str]) -> None:
    assert run(*args).exit_code == 2


COMMANDS = [
    ["users", "promote", "ann"],
    ["users", "seed", "1"],
    ["users", "import", "-"],
    ["users", "export", "-"],
    ["stats", "show"],
    ["stats", "verify"],
]


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_a_database_that_is_away_is_one_sentence(make_app: Callable[..., Flask], args: list[str]) -> None:
    app = make_app(database_url="postgresql://user:secret@127.0.0.1:9/rollcall")
    result = app.test_cli_runner().invoke(args=args, input="email,username\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: PostgreSQL cannot be reached")
    assert "secret" not in result.stderr


@pytest.mark.parametrize("command", ["stats show", "stats verify", "users export -", "users promote ann"])
def test_a_database_without_tables_is_one_sentence(make_app: Callable[..., Flask], engine: Engine, command: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS rollcall_bare"))
        connection.execute(text("CREATE DATABASE rollcall_bare"))
    bare = engine.url.set(database="rollcall_bare", drivername="postgresql")
    app = make_app(database_url=bare.render_as_string(hide_password=False))
    result = app.test_cli_runner().invoke(args=command.split())
    assert (result.exit_code, result.stdout) == (1, "")
    assert "run 'flask db upgrade'" in result.stderr


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C, which a shell has what it runs in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_a_long_statement(run: Run, engine: Engine, root: User, ann: User, session: Session) -> None:
    with engine.begin() as other:
        other.execute(text("SELECT * FROM users FOR UPDATE"))

        def interrupt() -> None:
            wait_until_blocked(engine)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        result = run("promote", "ann")
        thread.join()
    assert (result.exit_code, result.stderr) == (1, "Error: Interrupted; nothing was changed.\n")
    assert not find(session, "ann").is_superuser
    assert run("promote", "ann").exit_code == 0


def test_commands_leave_no_wait_callback_behind(run: Run, ann: User) -> None:
    run("promote", "ann")
    assert extensions.get_wait_callback() is None


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("$2y$10$TacH2YZplhIKjhLiOjoTpeaGviaWm2TF/Rm/OCKoENj/cdCONjv1q", "This is a password hash."),
        ("root2024!", "This password is made of the user's name or address"),
    ],
)
def test_a_hash_or_an_own_name_is_no_password(run: Run, root: User, password: str, sentence: str) -> None:
    new = ("create-superuser", "--username", "root", "--email", "r@example.org", "--password-stdin")
    for command in (new, ("set-password", "root", "--password-stdin")):
        result = run(*command, input=f"{password}\n")
        assert result.exit_code == 1
        assert sentence in result.stderr
        assert password not in result.output


def test_a_password_is_set_and_the_sessions_end(run: Run, root: User, session: Session, call_as: Callable[..., Any]) -> None:
    caller = call_as(root)
    assert caller.get("/auth/me").status_code == 200
    result = run("set-password", "ROOT@example.org", "--password-stdin", input="correct horse\r\n")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "root has a new password and is logged out everywhere.\n", "")
    assert passwords.verify("correct horse", find(session, "root").password_hash).ok
    assert caller.get("/auth/me").status_code == 401


def test_a_password_is_asked_for_hidden_and_twice(run: Run, root: User, session: Session) -> None:
    typed = ["password1", "correct horse", "other horse", "correct horse", "correct horse"]
    result = run("set-password", "root", input="\n".join(typed) + "\n")
    assert result.exit_code == 0, result.output
    assert "horse" not in result.output
    assert passwords.verify("correct horse", find(session, "root").password_hash).ok


def test_nobody_is_asked_for_a_password_of_an_unknown_user(run: Run) -> None:
    result = run("set-password", "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no user 'nobody'." in result.stderr


def test_an_inactive_user_with_a_new_password_is_still_inactive(run: Run, make_user: Callable[..., User]) -> None:
    make_user(username="ina", is_active=False)
    result = run("set-password", "ina", "--password-stdin", input="correct horse\n")
    assert result.exit_code == 0
    assert result.stderr == "ina is inactive and cannot log in; 'users activate ina' changes that.\n"


def test_a_password_link(run: Run, make_app: Callable[..., Flask], make_user: Callable[..., User], session: Session) -> None:
    make_user(username="ann", password_hash=None)
    result = run("password-link", "ANN")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("http://127.0.0.1:8000/password#")
    assert len(result.stdout.strip().partition("#")[2]) == 43
    assert "It works once, until 18 Mar 2026, 12:00 UTC" in result.stderr
    runner = make_app(public_url="https://people.example.org").test_cli_runner()
    assert runner.invoke(args=["users", "password-link", "ann"]).stdout.startswith("https://people.example.org/password#")
    given = runner.invoke(args=["users", "password-link", "ann", "--url", "http://other.example/"])
    assert given.stdout.startswith("http://other.example/password#")
    events = [(found.type, found.actor_username) for found in trail.page(session, trail.EventFilter(), None, 9)[0]]
    assert events == [("password_link_made", "operator")] * 3


def test_a_password_link_of_nobody_and_of_somebody_inactive(run: Run, make_user: Callable[..., User]) -> None:
    make_user(username="off", is_active=False)
    assert "off is inactive, so the link does nothing yet" in run("password-link", "off").stderr
    result = run("password-link", "nobody")
    assert (result.exit_code, result.stderr) == (1, "Error: There is no user 'nobody'.\n")
