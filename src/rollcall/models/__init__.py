"""The tables. A model defines columns, constraints and indexes, and imports no other layer."""

from .api_token import ApiToken
from .attempt import LoginFailures, LoginNetwork
from .base import Base
from .change import UserChange
from .event import SecurityEvent
from .import_choice import ImportChoice
from .import_run import ImportRun
from .login import user_logins
from .mail import Mail
from .one_time_link import OneTimeLink
from .operation import Operation
from .session import UserSession
from .tally import user_tally, user_tally_deltas, user_tally_totals
from .user import RECORD, User, UserRecord

__all__ = ["RECORD", "Base", "ImportRun", "LoginFailures", "LoginNetwork", "SecurityEvent", "User", "UserChange", "UserRecord"]
__all__ += ["ApiToken", "ImportChoice", "Mail", "OneTimeLink", "Operation", "UserSession"]
__all__ += ["user_logins", "user_tally", "user_tally_deltas", "user_tally_totals"]
