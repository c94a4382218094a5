"""The import page: a file is checked, then exactly that file is imported, all or nothing, once."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.test import stream_encode_multipart

from browser import Browser, Page
from rollcall.models import ImportRun, SecurityEvent, User
from rollcall.services.identity import passwords

PATH = "/dashboard/users/import"
GOOD = "email,username,full_name\nann@b.de,ann,Ann Lee\nbob@b.de,bob,\n"
NO_HEADER = (
    "The first row does not name the columns; it needs email or username. It is not repeated here: it may be data. "
    "To read the columns by their position, map them: --map 'email=column 2'."
)
BAD = "email,username,full_name\nann@b.de,ann,Ann Lee\nnobody,x,=1+1\n"


def send(
    browser: Browser, do: str, content: str | bytes, name: str = "users.csv", run: str = "", follow: bool = True, **options: Any
) -> Page:
    """Choose a file and press a button."""
    data = content.encode() if isinstance(content, str) else content
    token = browser.open(PATH).root.one("form", data_import="").one("input", name="csrf_token")["value"]
    fields = {"csrf_token": token, "do": do, "run": run, "file": FileStorage(io.BytesIO(data), name)}
    # Read here: what the client makes of a large form, it leaves open.
    body, length, boundary = stream_encode_multipart(fields, use_tempfile=False)
    content_type = f"multipart/form-data; boundary={boundary}"
    return browser.open(PATH, "POST", follow=follow, data=body.read(length), content_type=content_type, **options)


def check(browser: Browser, content: str | bytes, name: str = "users.csv") -> Page:
    return send(browser, "check", content, name)


def run_of(page: Page) -> str:
    return page.root.one("input", name="run")["value"]


def check_and_import(browser: Browser, content: str | bytes, name: str = "users.csv") -> Page:
    checked = check(browser, content, name)
    assert checked.status == 200, checked.text
    return send(browser, "import", content, name, run_of(checked))


def problems(page: Page) -> list[list[str]]:
    return [[cell.text for cell in row.all("td")] for row in page.root.one("div", aria_label="Problems").one("tbody").all("tr")]


@pytest.fixture
def names(engine: Engine) -> Callable[[], list[str]]:
    """The usernames there are, but root's, in the order of their ids."""

    def read() -> list[str]:
        with Session(engine) as session:
            return list(session.scalars(select(User.username).where(User.username != "root").order_by(User.id)))

    return read


def test_a_checked_file_is_imported(root_browser: Browser, names: Callable[[], list[str]]) -> None:
    checked = check(root_browser, GOOD)
    assert "2 users can be created" in checked.text
    assert names() == []
    done = send(root_browser, "import", GOOD, run=run_of(checked))
    assert (done.status, done.heading) == (200, "Import of users.csv")
    assert done.address == f"{PATH}/{run_of(checked)}"
    assert "2 users created." in done.text
    assert names() == ["ann", "bob"]
    assert "2 users created" in root_browser.open(PATH).root.one("ul", class_="plain").text


def test_a_check_tells_what_will_come(root_browser: Browser) -> None:
    foreign = "$2a$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe"
    rows = f"a@b.de,ann,a long password,\nb@b.de,bob,,{foreign}\nc@b.de,cid,,\nd@b.de,dan,,\n"
    page = check(root_browser, "email,username,password,password_hash\n" + rows)
    told = dict(zip((term.text for term in page.root.all("dt")), (value.text for value in page.root.all("dd")), strict=True))
    assert (told["With a password"], told["With a password hash"]) == ("1", "1")
    assert told["Without a password"] == "2: cannot log in until a password is set"
    assert told["Time it will take"].startswith("about ")


def test_an_import_that_would_take_too_long_is_warned_of(
    make_app: Callable[..., Flask], root: User, sign_in: Callable[[User], dict[str, str]]
) -> None:
    browser = Browser(make_app(request_timeout=1.0).test_client())
    with browser.client.session_transaction() as cookie:
        cookie["token"] = sign_in(root)["Authorization"].removeprefix("Bearer ")
    rows = "".join(f"u{n}@b.de,u-{n},a long password\n" for n in range(5_000))
    assert "flask users import" in check(browser, "email,username,password\n" + rows).root.one("p", class_="problems").text


def test_every_bad_row_is_named(root_browser: Browser, names: Callable[[], list[str]]) -> None:
    page = check(root_browser, BAD + "bob@b.de,ANN,\nroot@example.org,cid,\na,b,c,d\n")
    assert page.status == 422
    assert problems(page) == [
        ["3", "email", "This is not a valid e-mail address. An email address must have an @-sign."],
        ["3", "username", "A username has at least 2 characters."],
        ["4", "username", "Line 2 has this username, too."],
        ["5", "email", "This e-mail address is already in use."],
        ["6", "", "This row has 4 cells, the first row has 3."],
    ]
    assert "5 problems in 4 rows" in page.text
    assert "1 row is fine" in page.text
    assert page.root.one("button", value="import").text == "Import 1 good row"
    assert names() == []


def test_a_thousand_problems_are_listed_and_all_are_counted(root_browser: Browser) -> None:
    page = check(root_browser, "email,username\n" + "a,ann\n" * 1_200)
    assert len(problems(page)) == 1_000
    assert "1,200 problems in 1,200 rows" in page.text
    assert "The first 1,000 of 1,200." in page.text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_as_spreadsheets_save_them(root_browser: Browser, session: Session, encoding: str, delimiter: str) -> None:
    content = GOOD.replace("Ann Lee", "Zoë Groß").replace(",", delimiter).replace("\n", "\r\n").encode(encoding)
    assert "2 users created." in check_and_import(root_browser, content).text
    assert session.scalars(select(User.full_name).where(User.username == "ann")).one() == "Zoë Groß"


@pytest.mark.parametrize("name", ["users.ndjson", "users.json", "users.txt", "users", "USERS.JSON"])
def test_json_in_both_forms_by_name_or_content(root_browser: Browser, names: Callable[[], list[str]], name: str) -> None:
    rows = [json.dumps({"email": f"{each}@b.de", "username": each, "is_active": False}) for each in ("ann", "bob")]
    content = f"[{','.join(rows)}]" if name.lower().endswith("json") and "nd" not in name else "\n".join(rows)
    assert "2 users created." in check_and_import(root_browser, content, name).text
    assert names() == ["ann", "bob"]


def test_users_of_one_line_are_told_apart(root_browser: Browser) -> None:
    page = check(root_browser, '[{"email": "a@b.de", "username": "ann"}, {"email": "b@b.de", "username": "ANN"}]', "x.json")
    assert problems(page) == [["1", "2", "username", "Line 1 has this username, too."]]


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "users.csv", "The file is empty."),
        (b"PK\x03\x04\x14\x00\x06\x00", "users.xlsx", "The workbook is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "users.csv", "save it as .xlsx or CSV"),
        ("email,username\na@b.de,x\n".encode("utf-16"), "users.csv", "at least 2 characters"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "users.csv", "a picture"),
        (bytes(range(256)) * 50, "users", ""),
        (b'email,username\n"a', "users.csv", "never closed"),
        (b"[" * 100_000, "users.json", "nested too deeply"),
        (b'{"\\ud800\\u0000": 1, "email": "a@b.de", "username": "ann"}', "users.ndjson", "no such field"),
        (b'{"' + b"k" * 100_000 + b'": 1}', "users.ndjson", "no such field"),
    ],
)
def test_what_is_no_file_of_users_is_refused(root_browser: Browser, content: bytes, name: str, reason: str) -> None:
    page = check(root_browser, content, name)
    assert page.status == 422
    assert reason in page.root.one("div", id_="report").text
    assert len(page.html) < 30_000
    assert send(root_browser, "bad-rows", content, name).status == 200


@pytest.mark.parametrize("do", ["check", "import", "bad-rows", "x", ""])
def test_without_a_file_one_is_asked_for(root_browser: Browser, do: str) -> None:
    page = send(root_browser, do, b"", "")
    assert (page.status, page.problem("file")) == (422, "Choose a file first.")
    token = page.root.one("form", data_import="").one("input", name="csrf_token")["value"]
    page = root_browser.open(PATH, "POST", data={"csrf_token": token, "do": do, "file": "text"})
    assert (page.status, page.problem("file")) == (422, "Choose a file first.")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\x1b[31mb\u202ec.csv", "a�[31mb�c.csv"),
        ("x" * 10_000 + ".csv", "x" * 99 + "…"),
        ("/", "file"),
        ("<script>.csv", "<script>.csv"),
    ],
)
def test_hostile_names_of_files_are_shown_and_kept_harmlessly(root_browser: Browser, name: str, shown: str) -> None:
    assert check_and_import(root_browser, GOOD, name).heading == f"Import of {shown}"


def test_another_file_than_the_checked_one_is_refused(root_browser: Browser, names: Callable[[], list[str]]) -> None:
    run = run_of(check(root_browser, GOOD))
    page = send(root_browser, "import", GOOD.replace("bob", "rob"), run=run)
    assert (page.status, page.problem("file")) == (
        422,
        "This is not the file that was checked, or it was changed since. Check it first.",
    )
    assert names() == []
    assert "2 users created." in send(root_browser, "import", GOOD, "renamed.txt", run).text


@pytest.mark.parametrize("run", ["", "x", "\0", "00000000-0000-0000-0000-000000000000", "1" * 10_000, "{urn:uuid:}"])
def test_a_file_that_was_not_checked_is_refused(root_browser: Browser, run: str) -> None:
    page = send(root_browser, "import", GOOD, run=run)
    assert (page.status, page.problem("file")) == (422, "This file was not checked. Check it first.")


def test_what_another_superuser_has_checked_is_refused(
    root_browser: Browser, browser_of: Callable[[User], Browser], make_user: Callable[..., User]
) -> None:
    other = browser_of(make_user(username="eve", is_superuser=True))
    run = run_of(check(root_browser, GOOD))
    assert send(other, "import", GOOD, run=run).problem("file") == "This file was not checked. Check it first."
    assert other.open(f"{PATH}/{run}").status == 404


def test_an_old_check_is_refused(root_browser: Browser, clock: Any) -> None:
    run = run_of(check(root_browser, GOOD))
    clock.advance(minutes=61)
    page = send(root_browser, "import", GOOD, run=run)
    assert (page.status, page.problem("file")) == (422, "The check was more than an hour ago. Check the file again.")


def test_old_runs_are_forgotten(root_browser: Browser, clock: Any, session: Session) -> None:
    check(root_browser, GOOD)
    clock.advance(days=8)
    # … and with them the session has ended.
    session.execute(text("UPDATE sessions SET expires_at = expires_at + interval '9 days'"))
    session.commit()
    check(root_browser, GOOD.replace("ann", "zoe"))
    assert len(session.scalars(select(ImportRun)).all()) == 1


def test_a_second_press_imports_nothing_twice(root_browser: Browser, names: Callable[[], list[str]]) -> None:
    run = run_of(check(root_browser, GOOD))
    first = send(root_browser, "import", GOOD, run=run)
    second = send(root_browser, "import", GOOD, run=run)
    assert (second.address, second.text) == (first.address, first.text)
    assert names() == ["ann", "bob"]


def test_two_presses_at_once_import_once(
    root_browser: Browser, browser_of: Callable[[User], Browser], root: User, names: Callable[[], list[str]]
) -> None:
    content = "email,username,password\n" + "".join(f"u{n}@b.de,u-{n},a long password\n" for n in range(30))
    run = run_of(check(root_browser, content))
    browsers = [browser_of(root) for _ in range(3)]
    answers: list[Page] = []
    gate = threading.Barrier(len(browsers))

    def press(browser: Browser) -> None:
        gate.wait()
        answers.append(send(browser, "import", content, run=run, follow=False))

    threads = [threading.Thread(target=press, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(answer.status, answer.response.location) for answer in answers] == [(303, f"{PATH}/{run}")] * 3
    assert len(names()) == 30


def test_a_name_taken_since_the_check_stops_all(
    root_browser: Browser, make_user: Callable[..., User], names: Callable[[], list[str]]
) -> None:
    run = run_of(check(root_browser, GOOD))
    make_user(username="BOB")
    page = send(root_browser, "import", GOOD, run=run)
    assert page.status == 422
    assert "Nothing was imported" in page.text
    assert problems(page) == [["3", "username", "This username is already in use."]]
    assert names() == ["BOB"]
    told = root_browser.open(f"{PATH}/{run}").text
    assert "Nothing was imported. Line 3: username: This username is already in use." in told


def test_a_refused_import_may_be_tried_again(root_browser: Browser, make_user: Callable[..., User], session: Session) -> None:
    run = run_of(check(root_browser, GOOD))
    make_user(username="bob")
    send(root_browser, "import", GOOD, run=run)
    session.execute(text("DELETE FROM users WHERE username = 'bob'"))
    session.commit()
    assert "2 users created." in send(root_browser, "import", GOOD, run=run).text


def test_an_import_past_its_deadline_writes_nothing(root_browser: Browser, names: Callable[[], list[str]]) -> None:
    content = "email,username,password\n" + "".join(f"u{n}@b.de,u-{n},a long password\n" for n in range(200))
    run = run_of(check(root_browser, content))
    page = send(root_browser, "import", content, run=run, headers={"X-Request-Timeout": "0.5"})
    assert (page.status, page.heading) == (504, "That took too long")
    assert names() == []
    assert "interrupted: nothing was written" in root_browser.open(f"{PATH}/{run}").text


def test_it_may_take_longer_than_a_page(app: Flask) -> None:
    assert app.view_functions["web.import_users"].deadline_times == 60


@pytest.fixture
def under_way(root_browser: Browser, engine: Engine) -> Iterator[str]:
    """An import that another process is at work on: it holds the lock, and has told how far it is."""
    run = run_of(check(root_browser, GOOD))
    with engine.connect() as worker:
        worker.execute(text("SELECT pg_advisory_lock(hashtextextended(:run, 0))"), {"run": run})
        update = "UPDATE import_runs SET stage = 'hashing', done = 43, total = 100, started_at = checked_at WHERE id = :run"
        worker.execute(text(update), {"run": run})
        worker.commit()
        yield run
        worker.invalidate()


def test_progress_is_shown(root_browser: Browser, under_way: str) -> None:
    page = root_browser.open(f"{PATH}/{under_way}")
    assert page.root.one("div", id_="run")["data-state"] == "running"
    assert page.root.one("label", for_="progress").text == "Hashing passwords: 43 %"
    assert page.root.one("progress")["value"] == "43"
    assert "under way" in root_browser.open(PATH).root.one("ul", class_="plain").text


def test_a_press_while_it_runs_shows_it(root_browser: Browser, under_way: str, names: Callable[[], list[str]]) -> None:
    page = send(root_browser, "import", GOOD, run=under_way)
    assert (page.status, page.root.one("div", id_="run")["data-state"]) == (200, "running")
    assert names() == []


def test_an_import_whose_process_is_gone_was_interrupted_and_may_be_tried_again(
    root_browser: Browser, engine: Engine, under_way: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"))
    assert "This import was interrupted: nothing was written." in root_browser.open(f"{PATH}/{under_way}").text
    assert "2 users created." in send(root_browser, "import", GOOD, run=under_way).text


def test_a_checked_file_waits(root_browser: Browser) -> None:
    page = root_browser.open(f"{PATH}/{run_of(check(root_browser, GOOD))}")
    assert page.root.one("div", id_="run")["data-state"] == "checked"
    assert "nothing was written yet" in page.text


def _bad_rows(page: Page) -> list[list[str]]:
    assert page.response.content_type == "text/csv; charset=utf-8"
    assert page.response.headers["Content-Disposition"] == "attachment; filename=bad-rows.csv"
    assert page.response.headers["Cache-Control"] == "no-store"
    return list(csv.reader(io.StringIO(page.response.get_data().decode("utf-8-sig"))))


def test_the_bad_rows_come_back_and_can_be_imported_when_they_are_mended(
    root_browser: Browser, make_user: Callable[..., User], session: Session
) -> None:
    make_user(username="cid", email="taken@b.de")
    content = BAD + 'taken@b.de,-dan,"line\nbreak"\nann@b.de,eve,\'=x\n'
    page = send(root_browser, "bad-rows", content)
    header, *rows = _bad_rows(page)
    assert header == ["line", "reason", "email", "username", "full_name"]
    assert [(row[0], row[2:]) for row in rows] == [
        ("3", ["nobody", "x", "'=1+1"]),
        ("4", ["taken@b.de", "'-dan", "line\nbreak"]),
        ("6", ["ann@b.de", "eve", "'=x"]),
    ]
    assert rows[2][1] == "email: Line 2 has this e-mail address, too."
    mended = page.response.get_data().decode()
    for before, after in (("nobody,x", "n@b.de,nob"), ("taken@b.de", "free@b.de"), ("ann@b.de", "eve@b.de"), ("line\n", "line ")):
        mended = mended.replace(before, after)
    assert "3 users created." in check_and_import(root_browser, mended, "bad-rows.csv").text
    names = session.scalars(select(User.full_name).where(User.username.in_(["nob", "-dan", "eve"])).order_by(User.id)).all()
    assert names == ["=1+1", "line break", "=x"]


def test_bad_rows_of_json_come_as_csv(root_browser: Browser) -> None:
    rows = [{"email": 7, "username": ["x", "y"], "is_active": None, "full_name": "\ud800"}, {"nothing": {}}]
    content = "\n".join(map(json.dumps, rows)) + "\n[]\nnot json\n"
    _, *found = _bad_rows(send(root_browser, "bad-rows", content, "users.ndjson"))
    assert [row[0] for row in found] == ["1", "2", "3", "4"]
    assert found[0][2:5] == ["7", '["x", "y"]', "?"]


def test_no_password_comes_back(root_browser: Browser) -> None:
    content = "email,username,password,password_hash\nnobody,ann,secret words,\nx@b.de,b,,$2b$secret\nsecret words,y,z,a,b\n"
    page = send(root_browser, "bad-rows", content)
    assert "secret" not in page.html
    assert _bad_rows(page)[0] == ["line", "reason", "email", "username"]


def test_all_bad_rows_come_back_not_only_those_that_are_listed(root_browser: Browser) -> None:
    assert len(_bad_rows(send(root_browser, "bad-rows", "email;username\n" + "a;ann\n" * 1_200))) == 1_201


@pytest.mark.parametrize("suffix", ["csv", "ndjson"])
def test_the_template_can_be_imported_and_lets_nobody_in(root_browser: Browser, session: Session, suffix: str) -> None:
    [link] = [link["href"] for link in root_browser.open(PATH).root.all("a") if link["href"].endswith(f"template.{suffix}")]
    answer = root_browser.open(link).response
    assert answer.headers["Content-Disposition"] == f"attachment; filename=users-template.{suffix}"
    assert "2 users created." in check_and_import(root_browser, answer.get_data(), f"users.{suffix}").text
    users = session.scalars(select(User).where(User.username.like("%example%"))).all()
    assert [(user.password_hash, user.is_superuser) for user in users] == [(None, False)] * 2


def test_passwords_are_hashed_and_never_kept_or_shown(root_browser: Browser, session: Session, statements: list[str]) -> None:
    content = "email,username,password\na@b.de,ann,a long password\n"
    pages = [check(root_browser, content), check_and_import(root_browser, content)]
    assert passwords.verify("a long password", session.scalars(select(User.password_hash).where(User.username == "ann")).one()).ok
    assert not any("a long password" in page.html for page in pages)
    assert "a long password" not in "".join(statements)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/template.csv", f"{PATH}/00000000-0000-0000-0000-000000000000"])
def test_superusers_only(ann_browser: Browser, stranger: Browser, path: str) -> None:
    assert ann_browser.open(path).status == 403
    assert stranger.open(path, follow=False).response.location.startswith("/login?next=")


def test_a_form_without_its_token_is_refused(root_browser: Browser, names: Callable[[], list[str]]) -> None:
    fields = {"do": "check", "file": (io.BytesIO(GOOD.encode()), "users.csv")}
    assert root_browser.open(PATH, "POST", data=fields, content_type="multipart/form-data").status == 400


def test_a_file_that_is_too_large_is_answered_with_what_to_do(
    make_app: Callable[..., Flask], root: User, sign_in: Callable[[User], dict[str, str]]
) -> None:
    browser = Browser(make_app(max_body_bytes=150_000).test_client())
    with browser.client.session_transaction() as cookie:
        cookie["token"] = sign_in(root)["Authorization"].removeprefix("Bearer ")
    assert "at most 0.1 MiB" in browser.open(PATH).text
    page = check(browser, b"x" * 200_000)
    assert (page.status, page.heading) == (413, "Too large")
    assert "larger than 0.1 MiB" in page.text
    assert "flask users import FILE" in page.text


def test_a_form_of_very_many_parts_is_refused(root_browser: Browser) -> None:
    token = root_browser.open(PATH).root.one("form", data_import="").one("input", name="csrf_token")["value"]
    fields = {"csrf_token": token} | {f"f{n}": "x" for n in range(1_100)}
    assert root_browser.open(PATH, "POST", data=fields, content_type="multipart/form-data").status == 413


def test_one_connection_is_enough(make_app: Callable[..., Flask], root: User, sign_in: Callable[[User], dict[str, str]]) -> None:
    browser = Browser(make_app(pool_size=1, max_overflow=0).test_client())
    with browser.client.session_transaction() as cookie:
        cookie["token"] = sign_in(root)["Authorization"].removeprefix("Bearer ")
    assert "2 users created." in check_and_import(browser, GOOD).text


def test_a_file_without_a_header_line_is_repeated_nowhere(root_browser: Browser, names: Callable[[], list[str]]) -> None:
    content = "mara@example.org,mara-x,Mara Lind,Velvet-Otter-31\nbob@example.org,bob-two,Bob,Granite-Lark-72\n"
    page = check(root_browser, content)
    assert problems(page) == [["1", "", NO_HEADER]]
    bad = send(root_browser, "bad-rows", content)
    assert _bad_rows(bad)[1:] == [["1", NO_HEADER, "", "", "", "", "", ""]]
    for shown in (page.html, bad.html):
        assert not [word for word in ("mara", "Mara", "Velvet", "bob") if word in shown]


def test_a_hash_in_a_wrong_column_does_not_come_back(root_browser: Browser) -> None:
    hashed = "5k+/jO/chcIPtjyfreC/JRurwCoyhhMhtAuuuHjMXipq0kT82khrdD7H1cGIUXNUK97fpyfGuCs4C4ULus3tgA=="
    page = send(root_browser, "bad-rows", f"email,username,full_name\nnobody,ann,{hashed}\n")
    assert _bad_rows(page)[1][2:] == ["nobody", "ann", ""]


def test_an_import_is_one_security_event_and_a_check_is_none(root_browser: Browser, session: Session) -> None:
    check(root_browser, GOOD)
    assert session.scalars(select(SecurityEvent)).all() == []
    check_and_import(root_browser, GOOD)
    [event] = session.scalars(select(SecurityEvent))
    assert (event.type, event.actor_username, event.address) == ("users_imported", "root", "127.0.0.1")
    assert event.changes == {"way": "page", "created": 2, "superusers": 0}
