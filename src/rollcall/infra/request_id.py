"""The id of a request, in its response and in the log."""

from __future__ import annotations

import logging
import re
import secrets

from flask import Flask, Response, g, has_request_context, request

_VALID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def init_app(app: Flask) -> None:
    @app.after_request
    def _answer(response: Response) -> Response:
        response.headers["X-Request-ID"] = current()
        return response


def current() -> str:
    """Return the client's own id if it is valid, else a random one. It stays the same during the request."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _VALID.fullmatch(given) else secrets.token_hex(16)
    return str(g.request_id)


class LogFilter(logging.Filter):
    """Adds ``request_id`` to each log record that has none; ``-`` outside of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "request_id"):
            record.request_id = current() if has_request_context() else "-"
        return True
