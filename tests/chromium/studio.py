"""The service with a browser in front of it outside of tests: for screenshots and for Lighthouse."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import servers
from chromium.conftest import CHROMIUM, MISSING
from chromium.screen import Site, serve
from rollcall.settings import Settings


@contextmanager
def studio(**environment: str) -> Iterator[Site]:
    """A service of its own, on a PostgreSQL and a Redis of its own, empty; gone afterwards."""
    if MISSING:
        sys.exit(f"This needs a browser, but there is {', '.join(MISSING)}.")
    with servers.postgres() as url, tempfile.TemporaryDirectory() as home:
        settings = Settings(database_url=url, secret_key="s" * 32, cache_enabled=False, rate_limit_enabled=False, home=Path(home))
        with serve(settings, **environment) as site:
            yield site


__all__ = ["CHROMIUM", "studio"]
