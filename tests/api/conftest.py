"""A crowd of users whose names, states and ages differ, for lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from rollcall.models import User


@pytest.fixture
def put_users(engine: Engine, root: User) -> Callable[[list[dict[str, Any]]], None]:
    """Put many users into the database at once; what a row leaves out has defaults."""

    def put(rows: list[dict[str, Any]]) -> None:
        defaults = {"full_name": None, "is_active": True, "is_superuser": False, "created_at": root.created_at}
        named = [{"email": f"{row['username']}@example.org", **defaults, **row} for row in rows]
        with engine.begin() as connection:
            connection.execute(insert(User), named)

    return put


@pytest.fixture
def crowd(put_users: Callable[[list[dict[str, Any]]], None], root: User) -> list[dict[str, Any]]:
    """Thirty users; every third inactive, every fifth a superuser, three at a time made in the same moment."""
    rows = [
        {
            # Names in another order than ids, and capitals that must not matter to it.
            "username": ("User" if n % 2 else "uSER") + f"{n * 7 % 30:02}",
            "email": f"{'Mail' if n % 3 else 'mAIL'}{n * 11 % 30:02}@example.org",
            "is_active": n % 3 != 0,
            "is_superuser": n % 5 == 0,
            "created_at": root.created_at + timedelta(days=1 + n // 3),
        }
        for n in range(30)
    ]
    put_users(rows)
    return rows
