"""How the entries of many users get into the search index.

PostgreSQL collects new entries in the GIN pending list first, since many together take far less time than one user's alone
(manual, "GIN Fast Update Technique"). But every search reads that list, and the statement that makes it too long moves all of it
into the index. For requests the list is short (``infra/database``).
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

_BATCH: Final = "16MB"


def gather(connection: Connection | Session) -> None:
    """Let the current transaction move its entries into the index in large parts."""
    connection.execute(text("SELECT set_config('gin_pending_list_limit', :size, true)"), {"size": _BATCH})


def settle(connection: Connection | Session) -> None:
    """Move the remaining entries into the index, so that no request has to."""
    connection.execute(text("SELECT gin_clean_pending_list('ix_users_search')"))
