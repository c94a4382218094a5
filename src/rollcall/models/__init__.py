"""The tables. A model knows its columns, constraints and indexes, and nothing of who uses it."""

from .base import Base
from .change import UserChange
from .session import UserSession
from .tally import user_tally, user_tally_deltas
from .user import RECORD, User, UserRecord

__all__ = ["RECORD", "Base", "User", "UserChange", "UserRecord", "UserSession", "user_tally", "user_tally_deltas"]
