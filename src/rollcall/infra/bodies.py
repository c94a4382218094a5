"""Limits on the size of request bodies. A few routes accept large ones, once the caller is known to be allowed."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import wraps
from typing import IO, Any, Final, TypeVar, cast

from flask import Flask, Request, current_app, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.utils import cached_property
from werkzeug.wsgi import get_input_stream

from rollcall.infra import runtime

SMALL: Final = 64 * 1024
_FORM_PARTS: Final = 1000
# Of the fields of a form with files. Werkzeug reads such a form in pieces of 64 KiB, and counts the piece, file or not, with what
# is left of the one before: a limit of less than two pieces refuses every large file.
_FORM_MEMORY: Final = 4 * SMALL

View = TypeVar("View", bound=Callable[..., Any])


def init_app(app: Flask, largest: int) -> None:
    """Limit the bodies of all routes except those marked :func:`large`.

    :param largest: ROLLCALL_MAX_BODY_BYTES.
    """
    app.request_class = _Request
    app.config.update(MAX_CONTENT_LENGTH=min(SMALL, largest), MAX_FORM_MEMORY_SIZE=_FORM_MEMORY, MAX_FORM_PARTS=_FORM_PARTS)
    app.before_request(_refuse_announced)


def large(view: View) -> View:
    """Accept bodies up to ROLLCALL_MAX_BODY_BYTES.

    Place it after the decorator that checks the caller, so that other callers' bodies are refused unread.
    """

    @wraps(view)
    def accepting(*args: Any, **kwargs: Any) -> Any:
        accept_large()
        return view(*args, **kwargs)

    accepting.takes_large_body = True  # type: ignore[attr-defined]
    return cast(View, accepting)


def takes_large() -> bool:
    """Return whether the route of this request is marked :func:`large`."""
    return request.endpoint is not None and hasattr(current_app.view_functions[request.endpoint], "takes_large_body")


def accept_large() -> None:
    """Accept a large body for this request, as JSON or as a form with a file. Form fields keep the small limit."""
    if request.mimetype != "application/x-www-form-urlencoded":
        request.max_content_length = runtime.settings().max_body_bytes


def _refuse_announced() -> None:
    """Refuse a body by its `Content-Length`, also on routes that do not read it."""
    if "CONTENT_LENGTH" not in request.environ:
        return
    length = request.content_length
    if request.endpoint and length and length > (request.max_content_length or 0) and not takes_large():
        raise RequestEntityTooLarge


class _Request(Request):
    """Flask's request, which raises when the body is too long. Werkzeug would truncate a body without `Content-Length`."""

    @cached_property
    def stream(self) -> IO[bytes]:
        limit = self.max_content_length
        if self.content_length is None and limit is not None and self.environ.get("wsgi.input_terminated"):
            return cast(IO[bytes], _Bounded(self.environ["wsgi.input"], limit))
        return get_input_stream(self.environ, max_content_length=limit)


class _Bounded(io.RawIOBase):
    """A stream without `Content-Length`, with a limit on its bytes.

    :raises RequestEntityTooLarge: from a read beyond the limit.
    :raises ClientDisconnected: the stream broke off.
    """

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(min(len(buffer), self._left + 1))
        except OSError:  # it broke off, or is not framed as its headers say
            raise ClientDisconnected from None
        self._left -= len(data)
        if self._left < 0:
            raise RequestEntityTooLarge
        buffer[: len(data)] = data
        return len(data)
