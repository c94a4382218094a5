"""The tally: how many users there are in each state, by day of sign-up.

Triggers on ``users`` append signed deltas, so that writers never wait for each other; ``services/tally`` folds them into
the counts. The truth at any moment is the sum of both tables.
"""

from sqlalchemy import BigInteger, Boolean, Column, Date, Table

from .base import Base


def _columns(*, key: bool) -> list[Column[object]]:
    return [
        Column("day", Date, primary_key=key, nullable=False),  # the UTC day of created_at
        Column("is_active", Boolean, primary_key=key, nullable=False),
        Column("is_superuser", Boolean, primary_key=key, nullable=False),
        Column("users", BigInteger, nullable=False),
    ]


user_tally = Table("user_tally", Base.metadata, *_columns(key=True))
user_tally_deltas = Table("user_tally_deltas", Base.metadata, *_columns(key=False))
