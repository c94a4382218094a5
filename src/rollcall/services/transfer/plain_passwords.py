"""The plain passwords of an import, from the reading of the file to their hashing."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Container
from typing import Final

from rollcall.services.identity import passwords

PASSWORDS_PER_BATCH: Final = 64

Progress = Callable[[str, int, int | None], None]
"""Called with the stage (``reading``, ``hashing``, ``writing``), the rows done, and the rows in all where that is known."""


class PlainPasswords:
    """The plain passwords of an import, in memory and nowhere else."""

    def __init__(self) -> None:
        self.places = array("q")
        self._plain: list[str] = []

    def add(self, place: int, password: str) -> None:
        self.places.append(place)
        self._plain.append(password)

    def forget(self, places: Container[int]) -> None:
        """Forget the passwords of these rows."""
        kept = [(place, plain) for place, plain in zip(self.places, self._plain, strict=True) if place not in places]
        self.places = array("q", [place for place, _ in kept])
        self._plain = [plain for _, plain in kept]

    def hashed(self, progress: Progress, check: Callable[[], None]) -> list[str]:
        """Hash them on all cores, and forget them."""
        hashes: list[str] = []
        if self._plain:
            progress("hashing", 0, len(self._plain))
        for start in range(0, len(self._plain), PASSWORDS_PER_BATCH):
            batch = self._plain[start : start + PASSWORDS_PER_BATCH]
            hashes += passwords.hash_many(batch, check=check)
            progress("hashing", len(hashes), len(self._plain))
        self._plain.clear()
        return hashes
