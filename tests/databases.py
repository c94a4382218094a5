"""A database of a test's own, beside the one of the run, and an application on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from flask import Flask

import servers
from rollcall.app import create_app
from rollcall.settings import Settings


@contextmanager
def application(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Flask]:
    """An application on a new, empty database, without tables yet; the database is gone afterwards."""
    with contextmanager(servers._database_on)(str(settings.database_url)) as url:
        app = create_app(replace(settings, database_url=url), clock)
        yield app
        with app.app_context():
            app.extensions["sqlalchemy"].engine.dispose()
