"""Which names are taken: the verdict of the unique indexes, told with all that it is about.

PostgreSQL ends a statement at the first name that is taken. People want to know of all of them at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ARRAY, Text, bindparam, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rollcall.errors import NAMES, FieldProblem, NamesTaken
from rollcall.models import User
from rollcall.models.user import EMAIL_KEY, USERNAME_KEY, name_key
from rollcall.services.users.fields import NewUser

_UNIQUE = {"uq_users_email": "email", "uq_users_username": "username"}

# The rows, numbered from 0, that share a name with an earlier row or with a stored user.
_CONFLICTS = text("""
    WITH given AS (
        SELECT place - 1 AS row, user_name_key(email) COLLATE "C" AS email, user_name_key(username) COLLATE "C" AS username
        FROM unnest(:emails, :usernames) WITH ORDINALITY AS given (email, username, place)
    ), numbered AS (
        SELECT *, row_number() OVER (PARTITION BY email ORDER BY row) > 1 AS same_email,
                  row_number() OVER (PARTITION BY username ORDER BY row) > 1 AS same_username
        FROM given
    )
    SELECT row, 'email' AS field, same_email AS duplicate FROM numbered
    WHERE same_email OR EXISTS (SELECT FROM users WHERE user_name_key(users.email) COLLATE "C" = numbered.email)
    UNION ALL
    SELECT row, 'username', same_username FROM numbered
    WHERE same_username OR EXISTS (SELECT FROM users WHERE user_name_key(users.username) COLLATE "C" = numbered.username)
    ORDER BY 1, 2
""").bindparams(bindparam("emails", type_=ARRAY(Text)), bindparam("usernames", type_=ARRAY(Text)))
_KEYS = {"email": EMAIL_KEY, "username": USERNAME_KEY}


def of(error: IntegrityError) -> Exception:
    """Return the domain's error for a violation of a unique index; another one as it is."""
    diagnostics = getattr(error.orig, "diag", None)
    taken = _UNIQUE.get(getattr(diagnostics, "constraint_name", None) or "")
    return NamesTaken([taken]) if taken else error


def with_all_names(session: Session, taken: NamesTaken, names: Mapping[str, str], user_id: int | None = None) -> NamesTaken:
    """Return the error with all names that are taken.

    :param session: its transaction has failed, and is rolled back here: whoever has the names has committed by now.
    :param names: the names that were wanted, by field.
    :param user_id: who wanted them, if that user exists.
    """
    fields = set(taken.fields)
    session.rollback()
    for field, name in names.items():
        holder = select(User.id).where(_KEYS[field] == name_key(name), User.id.is_distinct_from(user_id)).limit(1)
        if session.execute(holder).first():
            fields.add(field)
    return NamesTaken([field for field in NAMES if field in fields])


def rows_in_conflict(session: Session, rows: Sequence[NewUser]) -> list[FieldProblem]:
    """Return a problem for each name that an earlier row or a stored user has, by the number of its row."""
    names = {"emails": [row.email for row in rows], "usernames": [row.username for row in rows]}
    return [
        FieldProblem(f"{found.row}.{found.field}", "duplicate", f"An earlier row has this {NAMES[found.field]}.")
        if found.duplicate
        else FieldProblem(f"{found.row}.{found.field}", "taken", f"This {NAMES[found.field]} is already in use.")
        for found in session.execute(_CONFLICTS, names)
    ]
