"""How the entries of a bulk get into the index of the search.

PostgreSQL puts new entries into a list first, since many together take far less time than one user's alone (manual, "GIN Fast
Update Technique"). But every search reads that list, and the statement that makes it too long puts all of it into the index:
for a request, whose list may have 64 kB (``infra/database``), in some 20 to 35 ms, once in 30 changes of a user.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

# At ten million users 256MB would be a third faster, and searches beside it thirty times slower; 4MB, a third slower.
_BULK: Final = "16MB"


def gather(connection: Connection | Session) -> None:
    """Let the current transaction put its entries into the index in large parts."""
    connection.execute(text("SELECT set_config('gin_pending_list_limit', :size, true)"), {"size": _BULK})


def settle(connection: Connection | Session) -> None:
    """Put what is left of them into the index, in place of the first request that would otherwise have to."""
    connection.execute(text("SELECT gin_clean_pending_list('ix_users_search')"))
