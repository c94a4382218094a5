"""The key that signs browser sessions and encrypts cursors: the operator's, or one that is generated once and stored."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from rollcall.infra import state
from rollcall.settings import Settings


def load(settings: Settings) -> str:
    """``SECRET_KEY``; in development without one, the content of ``secret_key`` in the state folder, mode 0600."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.home / "secret_key"
    if not path.exists():
        state.make(settings.home)
        _make(path)
    return path.read_text()


def _make(path: Path) -> None:
    # Written whole and then linked into place: of several workers that start at once one wins, and none reads a half.
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".secret_key-") as draft:  # made with mode 0600
        draft.write(secrets.token_urlsafe(48))
        draft.flush()
        with suppress(FileExistsError):
            os.link(draft.name, path)
