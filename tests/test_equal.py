"""Names and passwords that are equal, by every way in: which are refused as taken, and which log in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select, text

from browser import Browser
from facts import PASSWORD
from rollcall.models import User
from rollcall.services.identity import passwords

CASES = Path(__file__).parent / "cases"
ANN = {"username": "ann", "email": "ann@example.org"}
BOTH = {"body.email": "This e-mail address is already in use.", "body.username": "This username is already in use."}
SENTENCE = "This e-mail address and this username are already in use."


def case(name):
    return json.loads((CASES / name).read_text("utf-8"))


def details(answer):
    return {detail["field"]: detail["message"] for detail in answer.json["details"]}


def logs_in(caller, username, password):
    return caller.post("/auth/login", json={"username": username, "password": password}).status_code == 200


def stored(session):
    return [tuple(row) for row in session.execute(select(User.username, User.email).order_by(User.id))]


def test_a_domain_in_punycode_is_the_one_in_unicode(as_root, nobody, session):
    first, second = case("idn_pair.json")
    assert as_root.post("/users", json=first | {"password": "a-fine-passphrase"}).status_code == 201
    again = as_root.post("/users", json=second | {"password": "a-fine-passphrase"})
    assert (again.status_code, details(again)) == (409, {"body.email": BOTH["body.email"]})
    for name in (first["email"], second["email"], "INFO@XN--BCHER-KVA.EXAMPLE", "info@BÜCHER.example"):
        assert logs_in(nobody, name, "a-fine-passphrase"), name
    assert stored(session)[1:] == [("idn-a", "info@bücher.example")]


def test_such_a_pair_in_one_batch_is_a_conflict(as_root, session):
    answer = as_root.post("/users/bulk", json=case("idn_pair.json"))
    assert (answer.status_code, details(answer)) == (409, {"body.1.email": "An earlier row has this e-mail address."})
    assert len(stored(session)) == 1


def test_a_domain_that_was_stored_in_punycode_before_logs_in_by_either_form(make_user, nobody):
    make_user(username="old", email="info@xn--bcher-kva.example")
    for name in ("info@xn--bcher-kva.example", "info@bücher.example"):
        assert logs_in(nobody, name, PASSWORD), name


def test_an_address_in_nfd_logs_in_with_its_own_bytes_and_in_nfc(nobody, session):
    given = case("nfd_email.json")
    assert nobody.post("/auth/register", json=given).status_code == 201
    assert stored(session) == [("joerg1", "jörg1@example.org")]
    for name in (given["email"], "jörg1@example.org", "JO\u0308RG1@example.org"):
        assert logs_in(nobody, name, given["password"]), name


def test_an_address_that_was_stored_in_nfd_before_logs_in(make_user, nobody):
    make_user(email="jo\u0308rg@example.org")
    for name in ("jo\u0308rg@example.org", "jörg@example.org"):
        assert logs_in(nobody, name, PASSWORD), name


def test_a_password_is_the_same_in_either_unicode_form(nobody):
    given = case("nfd_password.json")
    for name, password in (("ann", given["set"]), ("bob", given["log_in"])):
        assert (
            nobody.post(
                "/auth/register", json={"username": name, "email": f"{name}@example.org", "password": password}
            ).status_code
            == 201
        )
        assert logs_in(nobody, name, given["set"])
        assert logs_in(nobody, name, given["log_in"])


def test_a_hash_of_a_password_in_nfd_from_before_logs_in_and_is_replaced(make_user, nobody, session):
    given = case("nfd_password.json")
    before = passwords._hasher.hash(given["log_in"])  # as typed, as it was hashed then
    make_user(username="ann", password_hash=before)
    assert not logs_in(nobody, "ann", given["set"])
    assert logs_in(nobody, "ann", given["log_in"])
    assert logs_in(nobody, "ann", given["set"])
    assert session.scalars(select(User.password_hash)).one() != before


def test_the_current_password_is_the_same_in_either_form(make_user, call_as):
    given = case("nfd_password.json")
    ann = make_user(username="ann", password_hash=passwords.hash_password(given["set"]))
    change = {"password": "another-passphrase", "current_password": given["log_in"]}
    assert call_as(ann).patch(f"/users/{ann.id}", json=change).status_code == 200


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0", "\u3000"])
def test_white_space_around_names_is_dropped(as_root, nobody, session, blank):
    given = {"username": f"{blank}bob{blank}", "email": f"{blank}bob@example.org{blank}", "password": "a-fine-passphrase"}
    assert as_root.post("/users", json=given).status_code == 201
    assert stored(session)[1:] == [("bob", "bob@example.org")]
    for name in (given["username"], given["email"]):
        assert logs_in(nobody, name, "a-fine-passphrase")


@pytest.mark.parametrize("path", ["/users", "/auth/register"])
def test_both_names_that_are_taken_are_named_where_one_user_is_created(as_root, ann, path):
    answer = as_root.post(path, json={"username": "ANN", "email": "Ann@Example.org", "password": "a-fine-passphrase"})
    assert (answer.status_code, answer.json["message"], details(answer)) == (409, SENTENCE, BOTH)


def test_both_names_that_two_others_have_are_named(as_root, make_user):
    make_user(username="bob", email="bob@example.org")
    make_user(username="eve", email="eve@example.org")
    answer = as_root.post("/users", json={"username": "bob", "email": "eve@example.org", "password": "a-fine-passphrase"})
    assert (answer.status_code, answer.json["message"], details(answer)) == (409, SENTENCE, BOTH)


@pytest.mark.parametrize(
    ("change", "message", "fields"),
    [
        ({"username": "ann", "email": "ANN@example.org"}, SENTENCE, set(BOTH)),
        ({"username": "ann", "email": "bob2@example.org"}, "This username is already in use.", {"body.username"}),
        ({"username": "BOB", "email": "ann@example.org"}, "This e-mail address is already in use.", {"body.email"}),
    ],
)
def test_a_change_names_what_is_taken_and_not_what_is_the_users_own(as_root, ann, make_user, session, change, message, fields):
    bob = make_user(username="bob", email="bob@example.org")
    answer = as_root.patch(f"/users/{bob.id}", json=change)
    assert (answer.status_code, answer.json["message"], set(details(answer))) == (409, message, fields)
    assert stored(session)[2] == ("bob", "bob@example.org")


def test_both_names_of_a_row_are_named_in_a_batch(as_root, ann):
    answer = as_root.post("/users/bulk", json=[{"username": "bob", "email": "bob@example.org"}, ANN])
    assert answer.status_code == 409
    assert details(answer) == {f"body.1.{field}": BOTH[f"body.{field}"] for field in ("email", "username")}


def test_both_names_are_named_on_the_page(app, root, ann):
    browser = Browser(app.test_client())
    browser.log_in("root", PASSWORD)
    typed = {**ANN, "password": "a-fine-passphrase", "password_again": "a-fine-passphrase"}
    page = browser.press(browser.open("/dashboard/users/new"), "Create the user", **typed)
    assert page.status == 409
    assert {f"body.{field}": page.problem(field) for field in ("email", "username")} == BOTH


def test_files_that_differ_in_case_alone_conflict(app, session):
    runner = app.test_cli_runner()

    def import_file(name):
        return runner.invoke(args=["users", "import", str(CASES / name)])

    assert import_file("tr1.csv").exit_code == 0
    assert "username: This username is already in use." in import_file("tr2.csv").output
    assert "email: This e-mail address is already in use." in import_file("tr3.csv").output
    assert "email: Line 2 has this e-mail address, too." in import_file("case_dup_nonascii.csv").output
    assert stored(session) == [("IVAN1", "IVAN1@example.org")]


def test_both_names_of_a_row_are_named_by_an_import(app, ann, tmp_path):
    file = tmp_path / "people.csv"
    file.write_text("username,email\nANN,ANN@example.org\n", "utf-8")
    output = app.test_cli_runner().invoke(args=["users", "import", str(file)]).output
    assert "line 2: email: This e-mail address is already in use." in output
    assert "line 2: username: This username is already in use." in output


@pytest.mark.parametrize("sent", [{}, {"username": "Bob@example.org"}])  # a form sends all fields
def test_a_username_may_be_the_own_address_and_follows_it(as_root, nobody, session, sent):
    given = {"username": " Bob@Example.org", "email": "Bob@example.ORG ", "password": "a-fine-passphrase"}
    bob = as_root.post("/users", json=given).json
    assert (bob["username"], bob["email"]) == ("Bob@example.org", "Bob@example.org")
    change = {"email": "robert@example.org"} | sent
    changed = as_root.patch(f"/users/{bob['id']}", json=change).json
    assert (changed["username"], changed["email"]) == ("robert@example.org", "robert@example.org")
    assert logs_in(nobody, "robert@example.org", "a-fine-passphrase")


@pytest.mark.parametrize("name", ["eve@example.org", "bob@example.net", "BOB@example.org"])
def test_a_username_that_is_another_address_is_refused(as_root, make_user, name):
    given = {"username": name, "email": "bob@example.org", "password": "a-fine-passphrase"}
    for answer in (as_root.post("/users", json=given), as_root.post("/users/bulk", json=[given])):
        assert answer.status_code == 422
        assert [(problem["type"], problem["field"][-8:]) for problem in answer.json["details"]] == [
            ("not_own_address", "username")
        ]
    bob = make_user(username="bob", email="bob@example.org")
    answer = as_root.patch(f"/users/{bob.id}", json={"username": name})
    assert (answer.status_code, answer.json["details"][0]["type"]) == (422, "not_own_address")


@pytest.mark.parametrize("name", ["ab", "a.b", "x" * 64, "first.last-2_3"])
def test_usernames_of_two_to_sixty_four_characters(as_root, name):
    given = {"username": name, "email": "bob@example.org", "password": "a-fine-passphrase"}
    assert as_root.post("/users", json=given).json["username"] == name


def test_a_long_address_is_a_username_and_is_recorded_as_who_made_a_change(as_root, make_user, call_as, session):
    address = f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.org"
    admin = make_user(username=address, email=address, is_superuser=True)
    bob = make_user(username="bob", email="bob@example.org")
    assert call_as(admin).patch(f"/users/{bob.id}", json={"full_name": "Bob"}).status_code == 200
    assert as_root.get(f"/users?search={'a' * 64}&sort_by=username").json["total"] == 1


def test_rows_that_other_programs_insert_are_unique_and_found(engine, as_root, nobody):
    with engine.begin() as connection:  # as the previous version, COPY and psql do: nothing but the names
        connection.execute(text("INSERT INTO users (email, username) VALUES ('Ann@XN--BCHER-KVA.example', 'Élan')"))
    assert as_root.get("/users?search=élan").json["total"] == 1
    answer = as_root.post("/users", json={"username": "bob", "email": "ann@bücher.example", "password": "a-fine-passphrase"})
    assert details(answer) == {"body.email": BOTH["body.email"]}
