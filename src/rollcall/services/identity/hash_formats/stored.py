"""What a reader of a format returns."""

from __future__ import annotations

from typing import Protocol


class StoredHash(Protocol):
    """A hash that was understood and whose cost is within the bounds."""

    @property
    def seconds(self) -> float:
        """About how much CPU time a verification takes (``costs``)."""

    def matches(self, password: bytes) -> bool:
        """Return whether ``password`` (UTF-8, without NUL) is the one that was hashed."""
