"""What a log-in and a change over REST leave behind: the session's device, and the entry in the user's history."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from answers import refused
from facts import PASSWORD
from rollcall.models import UserSession
from rollcall.services.events import trail

NEW_PASSWORD = "another-fine-passphrase"


@pytest.fixture
def logged_in(nobody, ann, session):
    """Log in with some headers; what is kept of the address and the program."""

    def log_in(client=nobody, headers=None, address="203.0.113.7"):
        login = {"username": "ann", "password": PASSWORD}
        answer = client.post("/auth/login", json=login, headers=headers or {}, environ_base={"REMOTE_ADDR": address})
        assert answer.status_code == 200, answer.text
        session.rollback()
        newest = session.scalars(select(UserSession).order_by(UserSession.id.desc()).limit(1)).one()
        return newest.address, newest.user_agent

    return log_in


def recorded(session, user):
    session.rollback()
    return [(entry.by_username, entry.changes) for entry in trail.recent(session, user.id)]


def test_session_knows_its_address_and_its_program(logged_in):
    assert logged_in(headers={"User-Agent": "curl/8.4.0"}) == ("203.0.113.7", "curl/8.4.0")
    assert logged_in(headers={"User-Agent": "curl/8.4.0"}, address="2001:db8::7") == ("2001:db8::7", "curl/8.4.0")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Größe 🦊".encode().decode("latin-1"), "Größe 🦊"),
        ("caf\xe9 \xff\xfe", "caf� ��"),
        ("x" * 10_000, "x" * 255),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("\x80\x9f", "��"),
        ("", None),
    ],
    ids=["utf-8", "latin-1", "10 kB", "controls", "no text", "nothing"],
)
def test_whatever_a_program_calls_itself_the_log_in_works(logged_in, sent, kept):
    assert logged_in(headers={"User-Agent": sent}) == ("203.0.113.7", kept)


@pytest.mark.parametrize("address", ["", "unknown", "fe80::1%eth0", "\x00", "x" * 10_000])
def test_wherever_it_says_to_come_from_the_log_in_works(logged_in, address):
    assert logged_in(address=address)[0] == ("fe80::1" if address.startswith("fe80") else None)


def test_forwarded_address_is_believed_of_trusted_proxies_only(logged_in, make_app, call_as, ann, nobody):
    forwarded = {"X-Forwarded-For": "10.9.9.9, 198.51.100.4"}
    assert logged_in(headers=forwarded)[0] == "203.0.113.7"
    behind_one = call_as(ann, on=make_app(trusted_proxies=1))
    assert logged_in(behind_one, forwarded)[0] == "198.51.100.4"
    assert logged_in(behind_one, {"X-Forwarded-For": "unknown"})[0] is None
    assert logged_in(behind_one)[0] == "203.0.113.7"


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ({"is_active": False}, {"is_active": [True, False]}),
        ({"password": NEW_PASSWORD}, {"password": True}),
        (
            {"username": "anna", "email": "a@example.org"},
            {"username": ["ann", "anna"], "email": ["ann@example.org", "a@example.org"]},
        ),
        ({"full_name": "🦊 <b>\"'"}, {"full_name": ["Ann Lee", "🦊 <b>\"'"]}),
        ({"full_name": None}, {"full_name": ["Ann Lee", None]}),
        ({"full_name": "Ann Lee"}, None),
        ({}, None),
    ],
)
def test_change_is_recorded_under_the_name_of_who_asked(as_root, ann, session, body, changes):
    assert as_root.patch(f"/users/{ann.id}", json=body).status_code == 200
    assert recorded(session, ann) == ([("root", changes)] if changes else [])


def test_own_change_is_recorded_under_the_name_from_before(as_ann, ann, session):
    as_ann.patch(f"/users/{ann.id}", json={"username": "anna"})
    as_ann.patch(f"/users/{ann.id}", json={"password": NEW_PASSWORD, "current_password": PASSWORD})
    assert recorded(session, ann) == [("anna", {"password": True}), ("ann", {"username": ["ann", "anna"]})]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"username": "ROOT", "full_name": "X"}, 409, "conflict"),
        ({"full_name": "X", "is_superuser": True}, 403, "authorization_error"),
        ({"password": NEW_PASSWORD, "full_name": "X"}, 422, "validation_error"),
    ],
)
def test_refused_change_records_nothing(as_ann, ann, root, session, body, status, code):
    assert refused(as_ann.patch(f"/users/{ann.id}", json=body), status, code)
    assert recorded(session, ann) == []


def test_changes_outlive_their_user(as_root, ann, session):
    as_root.patch(f"/users/{ann.id}", json={"full_name": "X"})
    assert as_root.delete(f"/users/{ann.id}").status_code == 204
    assert recorded(session, ann) == [("root", {"full_name": ["Ann Lee", "X"]})]


def test_answers_tell_nothing_of_it(as_root, ann):
    as_root.patch(f"/users/{ann.id}", json={"email": "new@example.org"})
    assert "ann@example.org" not in as_root.get(f"/users/{ann.id}").text
