"""The tally: the number of users by status, for each day of creation and in total.

Triggers on ``users`` append signed deltas, so that no writer waits for another. ``services/statistics/tally`` merges them into
the counts by day, and triggers on those maintain the totals. The exact number is a count, or a total, plus the deltas.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Date, Table

from .base import Base


def _columns(*, key: bool, by_day: bool = True) -> list[Column[Any]]:
    day: Column[Any] = Column("day", Date, primary_key=key, nullable=False)  # the UTC day of created_at
    return [
        *([day] if by_day else []),
        Column("is_active", Boolean, primary_key=key, nullable=False),
        Column("is_superuser", Boolean, primary_key=key, nullable=False),
        Column("users", BigInteger, nullable=False),
    ]


user_tally = Table("user_tally", Base.metadata, *_columns(key=True))
user_tally_totals = Table("user_tally_totals", Base.metadata, *_columns(key=True, by_day=False))
user_tally_deltas = Table("user_tally_deltas", Base.metadata, *_columns(key=False))
