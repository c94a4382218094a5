"""The log: one line for each event on standard error, with the request's id; never a password, token, DSN or parameter."""

from __future__ import annotations

import logging

from rollcall.infra.deadline import BudgetPool
from rollcall.infra.request_id import LogFilter


def init_app() -> None:
    """Give the package's logger a handler, unless whoever embeds the application has done so."""
    logger = logging.getLogger("rollcall")
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.addFilter(LogFilter())
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(request_id)s] %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    # SQLAlchemy's pool writes connections, and so their DSN, into its lines.
    logging.getLogger(f"{BudgetPool.__module__}.{BudgetPool.__qualname__}").setLevel(logging.CRITICAL)
