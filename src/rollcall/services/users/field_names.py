"""Which unknown names of fields may be repeated in an answer.

A file without a header line has a person's data where the names should be, and a key of a JSON object may be anything. What
is repeated in a report is stored, mailed and pasted into tickets. So a text is repeated only if it does not look like data:
at most 60 characters, none of them ``@``, the first no digit and no sign, and no password hash.
"""

from __future__ import annotations

import re
from typing import Final

from rollcall.services.identity.hash_shapes import is_password_hash

_NAME: Final = re.compile(r"[^@\d!#$%&*+,./:;<=>?\\^{|}~-][^@]{0,59}", re.DOTALL)


def is_repeatable(name: str) -> bool:
    """Return whether an unknown name does not look like data."""
    return _NAME.fullmatch(name) is not None and not is_password_hash(name)
