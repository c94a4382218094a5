"""Reading hostile input: what is no JSON, no known parameter or no valid field ends here, as an error with data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, Self
from urllib.parse import parse_qsl

import marshmallow as ma
from flask import Request
from webargs.flaskparser import FlaskParser

from rollcall.errors import BadRequest, FieldProblem, TooManyRows, UnsupportedMediaType, ValidationFailed
from rollcall.infra import runtime

# A hostile body could otherwise ask for an answer larger than itself.
_PROBLEMS_AT_MOST = 10_000
_NAME_SHOWN = 100
_STRAY_BYTE = re.compile("[\udc80-\udcff]")  # as "surrogateescape" reads it


class Problem(str):
    """A marshmallow message that carries the code for ``details[].type``."""

    __slots__ = ("type",)
    type: str

    def __new__(cls, message: str, type_: str) -> Self:
        self = super().__new__(cls, message)
        self.type = type_
        return self

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.type  # for copies, of which marshmallow and flask-smorest make many


class RequestParser(FlaskParser):
    """webargs' parser, strict: unknown and repeated parameters, missing and non-JSON bodies are errors."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": ma.RAISE, "json": ma.RAISE}

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        body = read_json(req)
        limit = runtime.settings().bulk_max_rows
        if schema.many and isinstance(body, list) and len(body) > limit:
            raise TooManyRows(limit, len(body))
        return body

    def load_querystring(self, req: Request, schema: ma.Schema) -> dict[str, str]:
        repeated = [name for name, values in req.args.lists() if len(values) > 1]
        if repeated:
            raise ValidationFailed(
                [FieldProblem(_shown(name), "repeated", "This parameter may be given once only.") for name in repeated],
                "query",
            )
        # Werkzeug leaves bytes that are no UTF-8 escaped; nobody has asked for that text.
        for name, value in parse_qsl(req.query_string.decode("ascii", "ignore"), errors="surrogateescape"):
            if _STRAY_BYTE.search(name + value):
                problem = FieldProblem(_shown(name), "invalid_characters", "This parameter is not valid UTF-8.")
                raise ValidationFailed([problem], "query")
        return req.args.to_dict()

    def handle_error(self, error: ma.ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        [(location, messages)] = error.messages_dict.items()
        problems = [problem for problem, _ in zip(_problems(messages), range(_PROBLEMS_AT_MOST), strict=False)]
        raise ValidationFailed(problems, "query" if location == "query" else "body") from error


def read_json(request: Request) -> Any:
    """Return the JSON value in the request's body (RFC 8259).

    :raises BadRequest: no body, not UTF-8, not JSON, NaN or Infinity, nested too deeply, a number of too many digits.
    :raises UnsupportedMediaType: the body does not say that it is JSON.
    :raises RequestEntityTooLarge: it is larger than this route accepts (``infra/bodies``).
    """
    body = request.get_data(cache=False)
    if not body:
        raise BadRequest("The request needs a JSON body.")
    if not request.is_json:
        raise UnsupportedMediaType
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise BadRequest("The body is not valid JSON.") from None


def refuse_parameters(request: Request) -> None:
    """For routes that read nothing of the query.

    :raises ValidationFailed: there is a parameter, and so one that is unknown.
    """
    if request.args:
        problems = [FieldProblem(_shown(name), "unknown_field", "There is no such parameter.") for name in request.args]
        raise ValidationFailed(problems, "query")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _problems(messages: Any, path: tuple[str, ...] = ()) -> Iterator[FieldProblem]:
    """marshmallow's tree of messages as a flat list: ``{3: {"email": […]}}`` is about ``3.email``."""
    if isinstance(messages, dict):
        for key, below in messages.items():
            yield from _problems(below, path if key == "_schema" else (*path, _shown(str(key))))
    else:
        for message in messages:
            yield FieldProblem(".".join(path), getattr(message, "type", "invalid"), str(message))


def _shown(name: str) -> str:
    """Return a field's name as an answer may hold it: not too long, and without the lone surrogates that UTF-8 cannot encode."""
    name = name.encode("utf-8", "replace").decode("utf-8")
    return name if len(name) <= _NAME_SHOWN else name[:_NAME_SHOWN] + "…"
