"""Access to the libpq that psycopg2 is linked to, for functions that psycopg2 does not expose."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec


def _load() -> ctypes.CDLL | None:
    # The extension module's handle also finds the symbols of the libpq that it is linked to, bundled or not.
    driver = find_spec("psycopg2._psycopg")
    library = ctypes.CDLL(driver.origin if driver else None)
    return library if hasattr(library, "PQsetErrorVerbosity") else None


LIBRARY = _load()
