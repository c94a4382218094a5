"""Logging to standard error, one line per record, with the request's id. No password, token, DSN or parameter is logged."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from rollcall.infra.deadline import BudgetPool
from rollcall.infra.request_id import LogFilter


class JsonFormatter(logging.Formatter):
    """Formats each record as a JSON object, with a security event as ``event``."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "process": record.process,
            "request_id": getattr(record, "request_id", "-"),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if event := getattr(record, "event", None):
            line["event"] = event
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def formatter(log_format: str, text: str) -> dict[str, Any]:
    """Return a formatter's configuration for ``logging.config``: lines of text, or JSON."""
    return {"()": JsonFormatter} if log_format == "json" else {"format": text}


def init_app(log_format: str) -> None:
    """Add a handler to the package's logger, unless it has one."""
    # A text log has no events: `flask events list` and GET /events show them.
    logging.getLogger("rollcall.events").setLevel(logging.INFO if log_format == "json" else logging.CRITICAL)
    logger = logging.getLogger("rollcall")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.addFilter(LogFilter())
        line = logging.Formatter("%(asctime)s %(levelname)s [%(request_id)s] %(name)s: %(message)s")
        handler.setFormatter(JsonFormatter() if log_format == "json" else line)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    # SQLAlchemy's pool logs connections, and so their DSN.
    logging.getLogger(f"{BudgetPool.__module__}.{BudgetPool.__qualname__}").setLevel(logging.CRITICAL)
