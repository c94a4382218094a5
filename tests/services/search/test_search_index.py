"""The list of entries that wait to go into the index of the search: every search reads it, and no bulk leaves one behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from facts import NOON
from rollcall.infra.database import db
from rollcall.models import User, UserSession
from rollcall.services.identity.accounts import Identity
from rollcall.services.search import search_index
from rollcall.services.search.user_search import UserFilter
from rollcall.services.transfer import seeds
from rollcall.services.users import bulk_changes

MANY = 1_200


@pytest.fixture
def waiting(engine: Engine) -> Callable[[], int]:
    """The pages of entries that wait; none do afterwards."""

    def cleaned() -> int:
        with engine.begin() as connection:
            pages: int = connection.execute(text("SELECT gin_clean_pending_list('ix_users_search')")).scalar_one()
            return pages

    cleaned()
    return cleaned


def test_a_user_waits_to_be_put_in_with_others(waiting: Callable[[], int], make_user: Callable[..., User]) -> None:
    make_user()
    assert waiting() > 0
    assert waiting() == 0


def test_seeding_leaves_no_entries_waiting(session: Session, waiting: Callable[[], int]) -> None:
    seeds.seed_users(session, MANY, seed=1, now=NOON, progress=lambda _: None)
    session.commit()
    assert waiting() == 0


def test_an_import_leaves_no_entries_waiting(app: Flask, waiting: Callable[[], int], tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("email,username\n" + "".join(f"import{n}@example.org,import{n}\n" for n in range(MANY)))
    assert app.test_cli_runner().invoke(args=["users", "import", str(file)]).exit_code == 0
    assert waiting() == 0


def test_a_change_of_many_leaves_no_entries_waiting(
    session: Session, waiting: Callable[[], int], root: User, sign_in: Callable[[User], object]
) -> None:
    seeds.seed_users(session, MANY, seed=1, now=NOON, progress=lambda _: None)
    sign_in(root)
    me = Identity(root, session.scalars(select(UserSession.id)).one())
    everybody = UserFilter(is_active=True)
    expected = bulk_changes.preview(session, everybody, me, NOON, is_active=False).changing
    assert expected > bulk_changes._MANY
    bulk_changes.change(session, everybody, me, NOON, is_active=False, expected=expected)
    session.commit()
    assert waiting() == 0


def test_a_bulk_gathers_more_than_a_request_until_it_commits(app: Flask) -> None:
    limit = text("SHOW gin_pending_list_limit")
    with app.app_context(), db.session() as session:
        request = session.scalar(limit)
        search_index.gather(session)
        bulk = session.scalar(limit)
        session.commit()
        assert (request, bulk, session.scalar(limit)) == ("64kB", "16MB", "64kB")
