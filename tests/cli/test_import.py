"""``flask users import``: all or nothing, whatever is in the file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from rollcall.models import User
from rollcall.services.identity import passwords
from rollcall.services.statistics import tally
from rollcall.services.transfer import imports
from rollcall.services.transfer.reading import FileFormat, Reading

NOON = datetime(2026, 3, 11, 12, 0, tzinfo=UTC)
Run = Callable[..., Result]
Write = Callable[[str, str | bytes], str]


@pytest.fixture
def run(app: Flask) -> Run:
    runner = app.test_cli_runner()
    return lambda *args, **options: runner.invoke(args=["users", "import", *args], **options)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def users(session: Session) -> list[User]:
    return list(session.scalars(select(User).order_by(User.id)))


def count(session: Session) -> int:
    return session.scalars(select(func.count()).select_from(User)).one()


def test_csv_becomes_users(run: Run, write: Write, session: Session) -> None:
    content = (
        "email,username,full_name,is_active,is_superuser,created_at\n"
        "Ann@Example.com,Ann,Ann Lee,no,yes,2020-01-01T00:00:00+02:00\n"
        "bob@example.com,bob,,,,\n"
    )
    result = run(write("users.csv", content))
    assert (result.exit_code, result.output) == (0, "Imported 2 users.\n")
    ann, bob = users(session)
    assert (ann.email, ann.username, ann.full_name) == ("Ann@example.com", "Ann", "Ann Lee")
    assert (ann.is_active, ann.is_superuser) == (False, True)
    assert (ann.created_at, ann.updated_at) == (datetime(2019, 12, 31, 22, tzinfo=UTC), NOON)
    assert (bob.full_name, bob.password_hash, bob.is_active, bob.is_superuser) == (None, None, True, False)
    assert bob.created_at == NOON


@pytest.mark.parametrize("file_format", ["json", "ndjson"])
def test_json_becomes_users(run: Run, write: Write, session: Session, file_format: str) -> None:
    rows = [{"email": f"user{number}@b.de", "username": f"user{number}", "is_active": False} for number in range(3)]
    content = json.dumps(rows) if file_format == "json" else "\n".join(map(json.dumps, rows))
    assert run(write(f"users.{file_format}", content)).exit_code == 0
    assert [(user.username, user.is_active) for user in users(session)] == [(f"user{n}", False) for n in range(3)]


@pytest.mark.parametrize(
    "content",
    ["email;username\na@b.de;ann\n", '[{"email": "a@b.de", "username": "ann"}]', '\n{"email": "a@b.de", "username": "ann"}'],
)
def test_standard_input_of_any_format(run: Run, session: Session, content: str) -> None:
    result = run("-", input=content)
    assert result.exit_code == 0, result.output
    assert [user.username for user in users(session)] == ["ann"]


def test_passwords_are_hashed_and_hashes_kept(run: Run, write: Write, session: Session) -> None:
    foreign = "$2a$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe"
    content = f"email,username,password,password_hash\na@b.de,ann,a long password,\nb@b.de,bob,,{foreign}\nc@b.de,cid,,\n"
    assert run(write("users.csv", content)).exit_code == 0
    ann, bob, cid = (user.password_hash for user in users(session))
    assert passwords.verify("a long password", ann).ok
    assert (bob, cid) == (foreign, None)


def test_plain_passwords_never_reach_the_database(run: Run, write: Write, statements: list[str]) -> None:
    assert run(write("users.csv", "email,username,password\na@b.de,ann,a long password\n")).exit_code == 0
    assert "a long password" not in "".join(statements)
    assert "password text" not in "".join(statements)


def test_imported_users_are_counted(run: Run, write: Write, session: Session) -> None:
    run(write("users.csv", "email,username\na@b.de,ann\nb@b.de,bob\n"))
    assert tally.count(session) == 2
    assert tally.verify(session) == []


def test_a_rehearsal_writes_nothing(run: Run, write: Write, session: Session) -> None:
    file = write("users.csv", "email,username,password\na@b.de,ann,a long password\n")
    result = run(file, "--dry-run")
    assert (result.exit_code, result.output) == (0, "1 user would be imported.\n")
    assert count(session) == 0


def test_a_rehearsal_finds_what_an_import_would(run: Run, write: Write, make_user: Callable[..., User]) -> None:
    make_user(username="ann", email="ann@b.de")
    file = write("users.csv", "email,username\na@b.de,ANN\n")
    assert run(file, "--dry-run").output == run(file).output


def test_one_bad_row_of_many_stops_all(run: Run, write: Write, session: Session) -> None:
    rows = [f"user{number}@b.de,user{number}" for number in range(1, 10_001)]
    rows[9_998] = "user9999@b.de,user 9999"
    result = run(write("users.csv", "email,username\n" + "\n".join(rows)))
    assert result.exit_code == 1
    assert result.stdout == "line 10000: username: A username has only letters A-Z and a-z, digits, '.', '_' and '-'.\n"
    assert result.stderr == "Error: Nothing was imported: 1 problem.\n"
    assert count(session) == 0


def test_every_bad_row_is_named(run: Run, write: Write, make_user: Callable[..., User]) -> None:
    make_user(username="Taken", email="Taken@b.de")
    rows = ["a@b.de,ann", "A@B.de,bob", "c@b.de,ANN", "TAKEN@b.de,tAKEN", "nobody,x", "a@b.de,dan,3"]
    result = run(write("users.csv", "email,username\n" + "\n".join(rows)))
    assert result.stdout.splitlines() == [
        "line 3: email: Line 2 has this e-mail address, too.",
        "line 4: username: Line 2 has this username, too.",
        "line 5: email: This e-mail address is already in use.",
        "line 5: username: This username is already in use.",
        "line 6: email: This is not a valid e-mail address. An email address must have an @-sign.",
        "line 6: username: A username has at least 2 characters.",
        "line 7: This row has 3 cells, the first row has 2.",
    ]
    assert result.exit_code == 1


def test_users_of_one_line_are_told_apart(run: Run, write: Write) -> None:
    result = run(write("users.json", '[{"email": "a@b.de", "username": "ann"}, {"email": "b@b.de", "username": "ANN"}]'))
    assert result.stdout == "line 1, user 2: username: Line 1 has this username, too.\n"


def test_what_a_file_says_cannot_act_on_the_terminal(run: Run, write: Write) -> None:
    result = run(write("users.ndjson", '{"\\u001b[31m\\ud800": 1, "email": "a@b.de", "username": "ann"}'))
    assert result.stdout.startswith("line 1: \\x1b[31m\\ud800: Users have no such field. 1 row has it.")
    assert "\x1b" not in result.output


def test_problems_are_counted_when_they_are_too_many_to_list(run: Run, write: Write) -> None:
    result = run(write("users.csv", "email,username\n" + "a,ann\n" * 1_500))
    lines = result.stdout.splitlines()
    assert len(lines) == imports.MAX_PROBLEMS + 1
    assert lines[-1] == "… and 500 more."
    assert result.stderr == "Error: Nothing was imported: 1,500 problems.\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.csv", b""),
        ("columns.csv", b"username,full_name\nann,Ann\n"),
        ("quote.csv", b'email,username,full_name\na@b.de,ann,"open\n'),
        ("utf16.csv", "email,username\na@b.de,x\n".encode("utf-16")),
        ("nul.csv", b"email,username,full_name\na@b.de,ann,An\0n\n"),
        ("deep.json", b"[" * 100_000),
        ("nan.ndjson", b'{"email": NaN}'),
        ("half.json", b'[{"email": "a@b.de", "username": "ann"}'),
        ("surrogate.ndjson", b'{"email": "a@b.de", "username": "ann", "full_name": "\\ud800"}'),
        ("hash.ndjson", b'{"email": "a@b.de", "username": "ann", "password_hash": "$2b$31$' + b"." * 53 + b'"}'),
        ("future.ndjson", b'{"email": "a@b.de", "username": "ann", "created_at": "2026-03-11T12:00:01Z"}'),
    ],
)
def test_bad_files_are_refused(run: Run, write: Write, session: Session, name: str, content: bytes) -> None:
    result = run(write(name, content))
    assert result.exit_code == 1
    assert result.stdout.startswith("line 1") or result.stdout.startswith("line 2")
    assert count(session) == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_of_spreadsheets(run: Run, write: Write, session: Session, encoding: str) -> None:
    content = "email;username;full_name\r\na@b.de;ann;Jürgen Groß\r\n".encode(encoding)
    assert run(write("users.csv", content)).exit_code == 0
    assert users(session)[0].full_name == "Jürgen Groß"


@pytest.mark.parametrize("name", ["users.txt", "users", "users.json"])
def test_a_file_of_any_name_is_read_by_its_content(run: Run, write: Write, session: Session, name: str) -> None:
    assert run(write(name, "email,username\na@b.de,ann\n")).exit_code == 0
    assert [user.username for user in users(session)] == ["ann"]


def test_a_file_that_is_not_there_is_a_mistake_in_usage(run: Run) -> None:
    assert run("/nowhere/users.csv").exit_code == 2


def test_a_name_that_is_taken_after_the_check_stops_all(
    app: Flask, engine: Engine, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing comes between check and writing; here somebody else signs up in that time."""

    def hash_many(plain: list[str], **_: Any) -> list[str]:
        with engine.begin() as other:
            other.execute(text("INSERT INTO users (email, username) VALUES ('x@b.de', 'BOB')"))
        return ["hash"] * len(plain)

    monkeypatch.setattr(passwords, "hash_many", hash_many)
    content = b"email,username,password\na@b.de,ann,a long password\nb@b.de,bob,a long password\n"
    with engine.connect() as connection:
        report = imports.import_users(
            connection,
            io.BytesIO(content),
            Reading(FileFormat.CSV),
            dry_run=False,
            now=NOON,
            progress=lambda *_: None,
        )
    assert [(problem.line, problem.field, problem.type) for problem in report.problems] == [(3, "username", "taken")]
    assert report.created == 0
    assert [user.username for user in users(session)] == ["BOB"]


def test_an_export_can_be_imported_again(app: Flask, run: Run, write: Write, session: Session, tmp_path: Path) -> None:
    names = ["=1+1", "'=x", None, 'Ann "x", y']
    rows = [
        {"email": f"+a{n}@b.de", "username": f"-a{n}", "full_name": name, "created_at": "2020-01-01T00:00:00+00:00"}
        for n, name in enumerate(names)
    ]
    run(write("users.json", json.dumps(rows)))
    before = [(user.email, user.username, user.full_name, user.created_at) for user in users(session)]
    for name in ("export.csv", "export.ndjson"):
        app.test_cli_runner().invoke(args=["users", "export", str(tmp_path / name)])
        session.execute(text("TRUNCATE users CASCADE"))
        session.commit()
        assert run(str(tmp_path / name)).exit_code == 0
        assert [(user.email, user.username, user.full_name, user.created_at) for user in users(session)] == before
        session.rollback()


DJANGO = "pbkdf2_sha256$1000000$dyAWwBrI6KFwxIKmIMHvlO$ArerSnJTNADTUZoZ4awMszFkuiY0tIsEkCIYpFA2CtY="
LARAVEL = "$2y$10$TacH2YZplhIKjhLiOjoTpeaGviaWm2TF/Rm/OCKoENj/cdCONjv1q"


@pytest.mark.parametrize("hashed", [DJANGO, LARAVEL])
@pytest.mark.parametrize("name", ["users.csv", "users.json", "users.ndjson"])
def test_a_hash_in_the_password_column_is_refused_by_name(
    run: Run, write: Write, session: Session, hashed: str, name: str
) -> None:
    row = {"email": "mara@example.org", "username": "mara", "password": hashed}
    content = {
        "users.csv": f'email,username,password\nmara@example.org,mara,"{hashed}"\n',
        "users.json": json.dumps([row]),
        "users.ndjson": json.dumps(row),
    }[name]
    result = run(write(name, content))
    assert result.exit_code == 1
    assert "password: This is a password hash." in result.output
    assert hashed not in result.output
    assert count(session) == 0


@pytest.mark.parametrize("key", ["mara@example.org", DJANGO, "5f4dcc3b5aa765d61d8327deb882cf99", "x" * 61])
def test_an_unknown_key_that_looks_like_data_is_not_repeated(run: Run, write: Write, key: str) -> None:
    content = json.dumps({"email": "a@b.de", "username": "ann", key: 1, "shoe size": 44})
    result = run(write("users.ndjson", content))
    assert key not in result.output
    assert set(result.stdout.splitlines()) == {
        "line 1: Users have no such field; its name is not repeated here, since it looks like data. 1 row has it.",
        "line 1: shoe size: Users have no such field. 1 row has it. Map it to a field, or leave it out: --ignore 'shoe size'.",
    }


def test_a_first_row_that_names_no_columns_is_not_repeated(run: Run, write: Write) -> None:
    result = run(write("users.csv", "uid1,mara@example.org,true,5k+/jO/chcIPtjyfreC=,90ORPBtljpB2fg==,Mara Lind,,,\n"))
    assert result.exit_code == 1
    assert result.stdout.startswith("line 1: The first row does not name the columns; it needs email or username.")
    assert not [word for word in ("uid1", "mara", "5k+", "Mara") if word in result.output]
