"""Every way to a new password over REST holds to the same rules, and says which one was broken."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import Caller
from facts import PASSWORD, PASSWORD_HASH
from rollcall.models import User

# Not of a run's own: tests are named by it, alike in all processes.
ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
NEW = {"email": "maria@acme.example", "username": "maria", "full_name": "Maria Rossi"}
REFUSED = [
    (ARGON2, "is_hash"),
    ("$2y$10$TacH2YZplhIKjhLiOjoTpeaGviaWm2TF/Rm/OCKoENj/cdCONjv1q", "is_hash"),
    ("5f4dcc3b5aa765d61d8327deb882cf99", "is_hash"),
    ("pbkdf2_sha256$1000000$salt$" + "b" * 130, "is_hash"),  # longer than a password may be
    ("Welcome123!", "too_common"),
    ("Rollcall1!", "too_personal"),
    ("maria2024!", "too_personal"),
    ("M.Rossi-1", "too_personal"),
    ("Acme2025!", "too_personal"),
]


def refusal(reply: Any) -> tuple[int, list[tuple[str, str]]]:
    assert ARGON2 not in reply.text
    return reply.status_code, [(each["field"], each["type"]) for each in reply.json.get("details", [])]


@pytest.mark.parametrize(("password", "code"), REFUSED)
def test_a_new_user_has_no_such_password(as_root: Caller, nobody: Caller, password: str, code: str) -> None:
    row = NEW | {"email": "m.rossi@acme.example", "password": password}
    assert refusal(nobody.post("/auth/register", json=row)) == (422, [("body.password", code)])
    assert refusal(as_root.post("/users", json=row)) == (422, [("body.password", code)])
    assert refusal(as_root.post("/users/bulk", json=[NEW, row])) == (422, [("body.1.password", code)])


@pytest.mark.parametrize(("password", "code"), [(ARGON2, "is_hash"), ("Ann-2024!", "too_personal")])
def test_nor_is_one_changed_to_it(as_root: Caller, as_ann: Caller, ann: User, password: str, code: str) -> None:
    assert refusal(as_root.patch(f"/users/{ann.id}", json={"password": password})) == (422, [("body.password", code)])
    own = {"password": password, "current_password": PASSWORD}
    assert refusal(as_ann.patch(f"/users/{ann.id}", json=own)) == (422, [("body.password", code)])


def test_the_names_are_those_after_the_change(as_root: Caller, ann: User) -> None:
    change = {"password": "Zorblax2024!", "full_name": "Zorblax Otter"}
    assert refusal(as_root.patch(f"/users/{ann.id}", json=change)) == (422, [("body.password", "too_personal")])
    assert as_root.patch(f"/users/{ann.id}", json={"full_name": None, "password": "Lee-Otter2024"}).status_code == 200


def test_who_has_the_hash_cannot_log_in_with_it(as_root: Caller, nobody: Caller) -> None:
    assert as_root.post("/users/bulk", json=[NEW | {"password_hash": PASSWORD_HASH}]).status_code == 201
    assert nobody.post("/auth/login", json={"username": "maria", "password": PASSWORD_HASH}).status_code == 401
    assert nobody.post("/auth/login", json={"username": "maria", "password": PASSWORD}).status_code == 200
