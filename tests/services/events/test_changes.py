"""What is recorded of changes: who, when, from what to what; how much is kept; and what happens at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import bcrypt
import pytest
from flask import Flask
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from facts import NOON, PASSWORD
from rollcall.errors import AccessDenied, LastSuperuser, NamesTaken, UserNotFound, ValidationFailed
from rollcall.models import SecurityEvent, User
from rollcall.services.events import trail
from rollcall.services.identity.accounts import Identity
from rollcall.services.users import directory
from rollcall.services.users.fields import NewUser
from threads import together, wait_until_blocked

NEW_PASSWORD = "another-fine-passphrase"
OLD_AND_NEW = {
    "email": ["ann@example.org", "new@example.org"],
    "username": ["ann", "new"],
    "full_name": ["Ann Lee", None],
    "is_active": [True, False],
    "is_superuser": [False, True],
}


@pytest.fixture
def by_root(root: User, acting: Callable[[User], Identity]) -> Identity:
    return acting(root)


def entries(session: Session, user: User) -> list[dict[str, Any]]:
    return [entry.changes for entry in trail.recent(session, user.id, 1_000)]


def test_every_field_is_recorded_with_the_old_value_and_the_new(session: Session, ann: User, by_root: Identity) -> None:
    changes = {field: new for field, (_, new) in OLD_AND_NEW.items()}
    directory.change_user(session, ann.id, changes, by_root, NOON + timedelta(hours=1))
    [entry] = trail.recent(session, ann.id)
    assert (entry.at, entry.changes) == (NOON + timedelta(hours=1), OLD_AND_NEW)
    assert (entry.by_user_id, entry.by_username) == (by_root.user.id, "root")


def test_what_stays_as_it_is_is_not_recorded(session: Session, ann: User, by_root: Identity) -> None:
    directory.change_user(session, ann.id, {"full_name": "Ann Lee", "is_active": True}, by_root, NOON)
    assert entries(session, ann) == []
    directory.change_user(session, ann.id, {"full_name": "Ann Lee", "username": "anna"}, by_root, NOON)
    assert entries(session, ann) == [{"username": ["ann", "anna"]}]


def test_no_password_and_no_hash_is_recorded(session: Session, ann: User, by_root: Identity) -> None:
    directory.change_user(session, ann.id, {"password": NEW_PASSWORD, "full_name": "A"}, by_root, NOON)
    assert entries(session, ann) == [{"password": True}, {"full_name": ["Ann Lee", "A"]}]
    stored = session.scalar(text("SELECT string_agg(security_events::text, '') FROM security_events"))
    assert "$argon2" not in stored
    assert "passphrase" not in stored


def test_the_operator_has_no_name(session: Session, ann: User) -> None:
    directory.change_user(session, ann.id, {"is_active": False}, None, NOON)
    [entry] = trail.recent(session, ann.id)
    assert (entry.by_user_id, entry.by_username) == (None, None)


def test_who_changes_the_own_username_did_it_under_the_old_one(
    session: Session, ann: User, acting: Callable[[User], Identity]
) -> None:
    directory.change_user(session, ann.id, {"username": "anna"}, acting(ann), NOON)
    [entry] = trail.recent(session, ann.id)
    assert (entry.by_user_id, entry.by_username) == (ann.id, "ann")


def test_new_users_have_no_entry(session: Session) -> None:
    user = directory.create_user(session, NewUser("new@example.org", "new"), None, NOON)
    assert entries(session, user) == []


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"username": "ROOT", "full_name": "X"}, NamesTaken),
        ({"password": NEW_PASSWORD, "current_password": "wrong"}, ValidationFailed),
        ({"is_superuser": True}, AccessDenied),
    ],
)
def test_a_refused_change_leaves_no_entry(
    session: Session, ann: User, root: User, changes: dict[str, Any], refusal: type[Exception], acting: Callable[[User], Identity]
) -> None:
    with pytest.raises(refusal):
        directory.change_user(session, ann.id, changes, acting(ann), NOON)
    session.rollback()
    assert entries(session, ann) == []


def test_nor_does_one_that_the_guards_refuse(session: Session, by_root: Identity) -> None:
    with pytest.raises(LastSuperuser):
        directory.change_user(session, by_root.user.id, {"is_superuser": False}, by_root, NOON)
    with pytest.raises(UserNotFound):
        directory.change_user(session, 999_999, {"full_name": "X"}, by_root, NOON)
    assert session.scalar(select(func.count()).select_from(SecurityEvent)) == 0


def test_an_entry_goes_with_the_change(session: Session, ann: User, by_root: Identity) -> None:
    directory.change_user(session, ann.id, {"full_name": "X"}, by_root, NOON)
    session.rollback()
    assert entries(session, ann) == []


def test_entries_outlive_their_user_and_who_made_them(
    session: Session, ann: User, by_root: Identity, make_user: Callable[..., User], acting: Callable[[User], Identity]
) -> None:
    other = make_user(username="other", is_superuser=True)
    for by in (acting(other), by_root):
        directory.change_user(session, ann.id, {"full_name": f"By {by.user.username}"}, by, NOON)
        directory.change_user(session, other.id, {"full_name": f"By {by.user.username}"}, by, NOON)
    directory.delete_user(session, other.id, None, NOON)
    session.expire_all()
    assert [(entry.by_user_id, entry.by_username) for entry in trail.recent(session, ann.id)] == [
        (by_root.user.id, "root"),
        (other.id, "other"),
    ]
    assert len(entries(session, other)) == 2


def test_two_who_change_each_other_at_once_do_not_wait_for_each_other(
    make_user: Callable[..., User], make_app: Callable[..., Flask], call_as: Any, session: Session, engine: Engine
) -> None:
    app = make_app(pool_size=4)
    pair = [make_user(is_superuser=True) for _ in range(2)]
    calls = [
        partial(call_as(user, on=app).patch, f"/users/{target.id}", json={"full_name": "X"})
        for user, target in zip(pair, pair[::-1], strict=True)
    ]
    session.execute(text("LOCK TABLE security_events IN EXCLUSIVE MODE"))  # both come as far as this, each with its row locked

    def release() -> None:
        wait_until_blocked(engine, 2)
        session.rollback()

    assert [answer.status_code for answer in together([*calls, release])[:2]] == [200, 200]
    assert [len(entries(session, user)) for user in pair] == [1, 1]


def test_changes_of_one_user_at_once_are_all_recorded_and_follow_each_other(
    make_app: Callable[..., Flask], call_as: Any, root: User, ann: User, session: Session
) -> None:
    app = make_app(pool_size=8)
    names = [f"Name {number}" for number in range(8)]
    calls = [partial(call_as(root, on=app).patch, f"/users/{ann.id}", json={"full_name": name}) for name in names]
    assert {answer.status_code for answer in together(calls)} == {200}
    steps = [entry["full_name"] for entry in entries(session, ann)][::-1]
    assert sorted(new for _, new in steps) == names
    assert [old for old, _ in steps] == ["Ann Lee", *(new for _, new in steps[:-1])]


def test_a_hash_that_is_replaced_at_log_in_is_no_change(make_user: Callable[..., User], nobody: Any, session: Session) -> None:
    foreign = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    user = make_user(username="imported", password_hash=foreign)
    assert nobody.post("/auth/login", json={"username": "imported", "password": PASSWORD}).status_code == 200
    assert session.get_one(User, user.id).password_hash != foreign
    assert entries(session, user) == []
