"""Responses to what is no valid HTTP request: the JSON envelope, where gunicorn would send a page of HTML."""

from __future__ import annotations

import errno
import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors

from rollcall.infra.headers import SECURITY_HEADERS

# Status, code and message, by gunicorn's exception.
_NO_HTTP = (400, "bad_request", "This is not a valid HTTP request.")
_REFUSALS: dict[type[BaseException], tuple[int, str, str]] = {
    errors.LimitRequestLine: (414, "uri_too_long", "The address is too long."),
    errors.LimitRequestHeaders: (431, "request_header_fields_too_large", "The headers are too large or too many."),
    errors.ExpectationFailed: (417, "expectation_failed", "The only expectation that can be met is 100-continue."),
    errors.UnsupportedTransferCoding: (501, "not_implemented", "The only transfer coding that is known is chunked."),
}
_OUR_FAULT = (errors.ConfigurationProblem, errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)


class BodyReader:
    """Reports a body that is shorter or longer than its headers say as broken input."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        try:
            data: bytes = self._reader.read(size)
        except errors.ParseException as error:
            raise OSError(errno.EPROTO, "the body is not framed as its headers say") from error
        return data


def is_clients_fault(error: BaseException) -> bool:
    """Return whether the request was invalid, as opposed to an error while serving it."""
    return isinstance(error, errors.ParseException) and not isinstance(error, _OUR_FAULT)


def answer(error: BaseException) -> bytes:
    """Return the whole response to a request that gunicorn could not read or serve. It closes the connection."""
    failed = (500, "internal_error", "Something went wrong here.")
    status, code, message = _REFUSALS.get(type(error), _NO_HTTP) if is_clients_fault(error) else failed
    return _envelope(status, code, message)


def unavailable() -> bytes:
    """Return the response to a client while no worker is free, since all wait for the database."""
    return _envelope(503, "service_unavailable", "The database is not available; try again soon.", {"Retry-After": "2"})


def _envelope(status: int, code: str, text: str, headers: Mapping[str, str] | None = None) -> bytes:
    request_id = secrets.token_hex(16)
    body = json.dumps({"error": code, "message": text, "details": [], "request_id": request_id}).encode()
    return message(status, body, {"X-Request-ID": request_id, **(headers or {})})


def message(status: int, body: bytes, headers: Mapping[str, str] | None = None, *, with_body: bool = True) -> bytes:
    """Return a whole HTTP response with JSON. It closes the connection."""
    fields = {
        **SECURITY_HEADERS,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "Connection": "close",
        "X-Request-ID": secrets.token_hex(16),
        **(headers or {}),
    }
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + (body if with_body else b"")
