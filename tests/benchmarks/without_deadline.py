"""The service without the deadline, to measure what the deadline costs: ``without_deadline:app``."""

from __future__ import annotations

from flask import Flask

import rollcall.app

rollcall.app.DeadlineFlask = Flask  # type: ignore[assignment,misc]

from wsgi import app

__all__ = ["app"]
