"""The log: one line for each event on standard error, with the request's id; never a password, token, DSN or parameter."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from rollcall.infra.deadline import BudgetPool
from rollcall.infra.request_id import LogFilter


class JsonFormatter(logging.Formatter):
    """One JSON object for each record. A security event is its ``event``."""

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
    """What ``logging.config`` makes a formatter of: lines of text, or JSON."""
    return {"()": JsonFormatter} if log_format == "json" else {"format": text}


def init_app(log_format: str) -> None:
    """Give the package's logger a handler, unless whoever embeds the application has done so."""
    # In text, nobody looks for events: they are read by `flask events list` and by GET /events.
    logging.getLogger("rollcall.events").setLevel(logging.INFO if log_format == "json" else logging.CRITICAL)
    logger = logging.getLogger("rollcall")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.addFilter(LogFilter())
        line = logging.Formatter("%(asctime)s %(levelname)s [%(request_id)s] %(name)s: %(message)s")
        handler.setFormatter(JsonFormatter() if log_format == "json" else line)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    # SQLAlchemy's pool writes connections, and so their DSN, into its lines.
    logging.getLogger(f"{BudgetPool.__module__}.{BudgetPool.__qualname__}").setLevel(logging.CRITICAL)
