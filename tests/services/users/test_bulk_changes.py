"""Changing many users at once: as counted before or not at all, and never who asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from facts import NOON, PASSWORD
from rollcall.errors import AccessDenied, InvalidCredentials, InvalidToken, SelectionChanged
from rollcall.models import User, UserSession
from rollcall.services.events import trail
from rollcall.services.identity import accounts
from rollcall.services.identity.accounts import Identity
from rollcall.services.identity.devices import Device
from rollcall.services.search.user_search import UserFilter
from rollcall.services.statistics import tally
from rollcall.services.users import bulk_changes, directory, guards
from rollcall.services.users.bulk_changes import Selection
from threads import wait_until_blocked

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def me(root: User, sign_in: Callable[[User], Any], session: Session) -> Identity:
    sign_in(root)
    return Identity(root, session.scalars(select(UserSession.id)).one())


@pytest.fixture
def people(make_user: Callable[..., User], sign_in: Callable[[User], Any]) -> list[User]:
    """Four active users, the first a superuser, the first two with a session; and two inactive ones."""
    made = [make_user(username=f"person{number}", is_superuser=number == 0, is_active=number < 4) for number in range(6)]
    sign_in(made[0])
    sign_in(made[1])
    return made


def _ids(people: Sequence[User]) -> tuple[int, ...]:
    return tuple(person.id for person in people)


def _active(session: Session) -> set[str]:
    return set(session.scalars(select(User.username).where(User.is_active)))


def _deactivate(session: Session, selection: Selection, me: Identity, expected: int | None = None) -> bulk_changes.Changed:
    return bulk_changes.change(session, selection, me, LATER, is_active=False, expected=expected)


def _log_in(visitor: Session) -> None:
    accounts.log_in(visitor, "person2", PASSWORD, device=Device(), now=NOON, lifetime=timedelta(hours=12))


def test_a_preview_counts_what_a_deactivation_would_do(session: Session, me: Identity, people: list[User]) -> None:
    seen = bulk_changes.preview(session, (*_ids(people), me.user.id, 10**18), me, LATER, is_active=False)
    assert (seen.selected, seen.changing, seen.superusers, seen.sessions, seen.own) == (7, 4, 1, 2, True)
    assert seen.names == ["person0", "person1", "person2", "person3"]


def test_a_preview_counts_what_an_activation_would_do(session: Session, me: Identity, people: list[User]) -> None:
    seen = bulk_changes.preview(session, UserFilter(search="person"), me, LATER, is_active=True)
    assert (seen.selected, seen.changing, seen.superusers, seen.sessions, seen.own) == (6, 2, 0, 0, False)
    assert seen.names == ["person4", "person5"]


def test_sessions_that_are_over_do_not_count(session: Session, me: Identity, people: list[User]) -> None:
    assert bulk_changes.preview(session, _ids(people), me, NOON + timedelta(days=1), is_active=False).sessions == 0


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (UserFilter(), {"person1", "person2", "person3", "person0", "ex"}),
        (UserFilter(search="PERSON"), {"person0", "person1", "person2", "person3"}),
        (UserFilter(search="x"), {"person0", "person1", "person2", "person3", "ex"}),
        (UserFilter(search="n3"), {"person3"}),
        (UserFilter(search="person", is_superuser=False), {"person1", "person2", "person3"}),
        (UserFilter(is_active=False), set()),
        (UserFilter(search="%"), set()),
    ],
)
def test_all_that_match_are_those_of_the_list(
    session: Session, me: Identity, people: list[User], make_user: Callable[..., User], asked: UserFilter, names: set[str]
) -> None:
    make_user(username="ex")
    before = _active(session)
    changed = _deactivate(session, asked, me, expected=len(names))
    assert before - _active(session) == names
    assert len(changed.ids) == len(names)


def test_only_those_in_the_other_state_are_changed(session: Session, me: Identity, people: list[User]) -> None:
    changed = _deactivate(session, (*_ids(people), me.user.id), me)
    assert set(changed.ids) == set(_ids(people[:4]))
    assert _active(session) == {"root"}
    touched = session.scalars(select(User.username).where(User.updated_at == LATER))
    assert set(touched) == {"person0", "person1", "person2", "person3"}


def test_one_user_is_named(session: Session, me: Identity, people: list[User]) -> None:
    assert _deactivate(session, _ids(people[3:]), me).username == "person3"
    assert _deactivate(session, _ids(people[:3]), me).username is None
    assert _deactivate(session, _ids(people[:3]), me).username is None


def test_their_sessions_end_and_those_of_others_do_not(session: Session, me: Identity, people: list[User]) -> None:
    assert _deactivate(session, _ids(people[1:]), me).sessions == 1
    assert set(session.scalars(select(UserSession.user_id))) == {me.user.id, people[0].id}


def test_an_activation_ends_no_session(session: Session, me: Identity, people: list[User]) -> None:
    assert bulk_changes.change(session, UserFilter(), me, LATER, is_active=True, expected=2).sessions == 0
    assert len(session.scalars(select(UserSession.id)).all()) == 3


def test_it_is_recorded_of_those_who_changed(session: Session, me: Identity, people: list[User]) -> None:
    _deactivate(session, _ids(people), me)
    [entry] = trail.recent(session, people[0].id)
    assert (entry.changes, entry.by_username, entry.at) == ({"is_active": [True, False]}, "root", LATER)
    assert not trail.recent(session, people[5].id)


def test_the_tally_follows(session: Session, me: Identity, people: list[User]) -> None:
    _deactivate(session, UserFilter(), me, expected=4)
    assert tally.count(session, is_active=True) == 1
    assert tally.verify(session) == []


@pytest.mark.parametrize("expected", [0, 3, 5, -1])
def test_another_number_than_confirmed_changes_nobody(session: Session, me: Identity, people: list[User], expected: int) -> None:
    with pytest.raises(SelectionChanged):
        _deactivate(session, UserFilter(), me, expected=expected)
    assert len(_active(session)) == 5


def test_more_than_one_action_may_carry_are_too_many(
    session: Session, me: Identity, people: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_changes, "AT_MOST", 5)
    assert bulk_changes.preview(session, UserFilter(search="person"), me, LATER, is_active=False).too_many
    with pytest.raises(SelectionChanged):
        _deactivate(session, UserFilter(search="person"), me, expected=4)
    monkeypatch.setattr(bulk_changes, "AT_MOST", 6)
    assert _deactivate(session, UserFilter(search="person"), me, expected=4).ids


def test_many_go_into_the_search_indexes_together(session: Session, me: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    session.add_all(User(username=f"many{number}", email=f"many{number}@example.org") for number in range(1_200))
    session.flush()
    assert len(_deactivate(session, UserFilter(search="many"), me, expected=1_200).ids) == 1_200
    assert bulk_changes.preview(session, UserFilter(search="many", is_active=False), me, LATER, is_active=False).selected == 1_200


@pytest.mark.parametrize(("change", "refusal"), [({"is_active": False}, InvalidToken), ({"is_superuser": False}, AccessDenied)])
def test_who_is_no_superuser_any_more_changes_nobody(
    session: Session, me: Identity, people: list[User], change: dict[str, bool], refusal: type[Exception]
) -> None:
    directory.change_user(session, me.user.id, change, None, LATER)
    with pytest.raises(refusal):
        _deactivate(session, _ids(people), me)


def test_of_two_superusers_who_deactivate_each_other_one_stays(
    engine: Engine, session: Session, me: Identity, people: list[User], acting: Callable[[User], Identity]
) -> None:
    other = acting(people[0])
    with ThreadPoolExecutor(1) as pool, Session(engine) as mine, Session(engine) as theirs:
        _deactivate(mine, (other.user.id,), me)
        waiting = pool.submit(_deactivate, theirs, (me.user.id,), other)
        wait_until_blocked(engine, unless=waiting.done)
        mine.commit()
        with pytest.raises(InvalidToken):
            waiting.result()
    assert "root" in _active(session)


def test_who_logs_in_meanwhile_is_out_again(engine: Engine, session: Session, me: Identity, people: list[User]) -> None:
    with ThreadPoolExecutor(1) as pool, Session(engine) as visitor, Session(engine) as mine:
        _log_in(visitor)
        waiting = pool.submit(_deactivate, mine, _ids(people), me)
        wait_until_blocked(engine, unless=waiting.done)
        visitor.commit()
        assert waiting.result().sessions == 3
        mine.commit()
    assert set(session.scalars(select(UserSession.user_id))) == {me.user.id}


def test_who_logs_in_after_it_is_refused(engine: Engine, me: Identity, people: list[User]) -> None:
    with ThreadPoolExecutor(1) as pool, Session(engine) as visitor, Session(engine) as mine:
        _deactivate(mine, _ids(people), me)
        waiting = pool.submit(_log_in, visitor)
        wait_until_blocked(engine, unless=waiting.done)
        mine.commit()
        with pytest.raises(InvalidCredentials):
            waiting.result()


def test_a_change_between_count_and_deed_undoes_it_all(
    engine: Engine, session: Session, me: Identity, people: list[User]
) -> None:
    with ThreadPoolExecutor(1) as pool, Session(engine) as another, Session(engine) as mine:
        another.execute(update(User).where(User.id == people[3].id).values(is_active=False))  # under no lock but the row's
        waiting = pool.submit(_deactivate, mine, _ids(people), me, 4)
        wait_until_blocked(engine, unless=waiting.done)
        another.commit()
        with pytest.raises(SelectionChanged):
            waiting.result()
    assert {"person0", "person1", "person2"} <= _active(session)


@pytest.mark.parametrize(("others_password", "last"), [(None, True), ("a hash", False)])
def test_the_last_superuser_is_the_last_who_can_log_in(
    session: Session, root: User, make_user: Callable[..., User], others_password: str | None, last: bool
) -> None:
    other = make_user(is_superuser=True, password_hash=others_password)
    assert guards.is_last_superuser(session, root) is last
    assert not guards.is_last_superuser(session, other)
