"""The same service as ``stuck:app`` without the deadline, to measure what the deadline costs: ``bare:app``."""

from __future__ import annotations

from flask import Flask

import rollcall.app

rollcall.app.DeadlineFlask = Flask  # type: ignore[assignment,misc]

from stuck import app  # noqa: E402

__all__ = ["app"]
