"""The OpenAPI 3.1 document, made from the routes, and its reader at ``/docs``, served from our own files."""

from __future__ import annotations

from typing import Any

import flask_smorest
from flask import Flask, render_template
from marshmallow import fields
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter

import rollcall
from rollcall.api import access, auth, dashboard, events, health, metrics, operations, password_links, tokens, users
from rollcall.api.blueprint import Blueprint
from rollcall.api.schemas.base import Choice, Flag, Items, Moment, Number, Text, Whole
from rollcall.api.schemas.errors import ErrorSchema

_BIGINT_MAX = 2**63 - 1

_DESCRIPTION = """\
Every error has the same envelope: `{"error", "message", "details", "request_id"}`. Every route answers with and without a
trailing slash. A client may lower the deadline of a request with `X-Request-Timeout: seconds`."""

_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The `access_token` of `POST /api/v1/auth/login`."},
    "api_token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "rct_…",
        "description": "An API token of `POST /api/v1/tokens`, with the scope that is named beside it.",
    },
    "metrics_token": {"type": "http", "scheme": "bearer", "description": "`ROLLCALL_METRICS_TOKEN`."},
}


class UserIdConverter(BaseConverter):
    """A user's id; what cannot be one is no address at all (404)."""

    regex = "[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        if int(value) > _BIGINT_MAX:
            raise NotFound  # not ValidationError, after which other methods' rules at this address would make it a 405
        return int(value)


class Api(flask_smorest.Api):
    ERROR_SCHEMA = ErrorSchema

    def _register_error_handlers(self) -> None:
        """Errors are api/errors' alone: flask-smorest's handler drops headers and knows another envelope."""


def init_app(app: Flask) -> None:
    """Register the routes of the REST interface and their document."""
    app.url_map.converters["user_id"] = UserIdConverter
    app.config.update(
        API_TITLE="Rollcall",
        API_VERSION=rollcall.__version__,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": _DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
            "components": {"securitySchemes": _SECURITY_SCHEMES},
        },
    )
    api = Api(app)
    api.register_converter(UserIdConverter, _describe_user_id)
    for text in (Text, Moment, Choice):
        api.register_field(text, fields.String)
    api.register_field(Flag, fields.Boolean)
    for number in (Number, Whole):
        api.register_field(number, fields.Integer)
    api.register_field(Items, fields.List)
    for module in (auth, tokens, users, password_links, operations, events, dashboard, metrics, health):
        api.register_blueprint(module.blueprint)
    app.register_blueprint(_docs)


def _describe_user_id(_converter: UserIdConverter) -> dict[str, Any]:
    return {"type": "integer", "format": "int64", "minimum": 1, "maximum": _BIGINT_MAX}


_docs = Blueprint("docs", __name__)


@_docs.get("/docs")
@access.anyone
def docs() -> str:
    """The document, to read and to try"""
    return render_template("docs.html")
