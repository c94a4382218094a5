"""Users who moved in with hashes of other systems log in with the passwords that they have."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from answers import problems
from old_hashes import OLD
from rollcall.models import User


@pytest.mark.parametrize("name", OLD)
def test_old_password_opens_a_session_and_its_hash_is_replaced(as_root, nobody, session, name):
    password, stored = OLD[name]
    row = {"email": "mover@example.org", "username": "mover", "password_hash": stored}
    assert as_root.post("/users/bulk", json=[row]).status_code == 201
    log_in = {"username": "mover", "password": password}
    assert nobody.post("/auth/login", json=log_in | {"password": password + "x"}).status_code == 401
    assert nobody.post("/auth/login", json=log_in).status_code == 200
    kept = session.scalars(select(User.password_hash).where(User.username == "mover")).one()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert nobody.post("/auth/login", json=log_in).status_code == 200


def test_hash_as_a_password_is_refused_for_every_format(as_root):
    rows = [
        {"email": f"user{n}@example.org", "username": f"user{n}", "password": stored}
        for n, (_, stored) in enumerate(OLD.values())
    ]
    answer = as_root.post("/users/bulk", json=rows)
    assert answer.status_code == 422
    assert problems(answer) == {(f"body.{n}.password", "is_hash") for n in range(len(OLD))}


def test_weak_hash_is_refused_by_name(as_root):
    row = {"email": "mover@example.org", "username": "mover", "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}
    answer = as_root.post("/users/bulk", json=[row])
    assert answer.status_code == 422
    [detail] = answer.json["details"]
    assert detail["field"] == "body.0.password_hash"
    assert "unsalted MD5" in detail["message"]
    assert "5f4dcc" not in answer.text
