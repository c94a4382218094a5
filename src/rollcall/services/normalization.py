"""What makes texts comparable: the rules are our own, so that no database's locale decides what is equal."""

from __future__ import annotations

import re
from typing import Final

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def is_storable(value: str) -> bool:
    """Whether PostgreSQL can hold a text: not with NUL, or half of a surrogate pair."""
    return _UNSTORABLE.search(value) is None
