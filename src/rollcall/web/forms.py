"""Forms: validated with the schemas of the REST API, and shown again with the input and its problems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from flask import Request, Response, make_response, render_template, request

from rollcall.api.errors import describe
from rollcall.api.parsing import RequestParser
from rollcall.api.schemas.base import Flag, Items, Whole
from rollcall.errors import FieldProblem, RollcallError, ValidationFailed
from rollcall.web import drafts

_PASSWORDS = frozenset({"password", "password_again", "current_password"})


class _FormParser(RequestParser):
    """Reads form values as if they were JSON.

    Check boxes are booleans or arrays, digits are numbers, and empty fields are absent or null.
    """

    def load_form(self, req: Request, schema: ma.Schema) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, field in schema.load_fields.items():
            typed = req.form.get(name, "")
            if isinstance(field, Flag):
                values[name] = bool(typed)
            elif isinstance(field, Items):
                values[name] = req.form.getlist(name)
            elif isinstance(field, Whole):
                values[name] = (int(typed) if re.fullmatch("[0-9]{1,18}", typed) else typed) if typed else None
            elif typed or not field.required:
                values[name] = typed if name in _PASSWORDS else typed.strip()
        return values


_PARSER = _FormParser()


class Form:
    """The input of a form and its problems.

    :param values: what to show in the fields; passwords are never among it.
    :ivar restored: whether that was typed before a log-in, and was not saved.
    """

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self.values = {name: value for name, value in (values or {}).items() if name not in _PASSWORDS}
        self.status = 200
        self.restored = False
        self.message = ""
        self.problems: dict[str, str] = {}

    @classmethod
    def sent(cls) -> Form:
        """Return the form of this request."""
        return cls(request.form)

    def load(self, schema: ma.Schema) -> Any:
        """Validate the input with a schema and return the result.

        :raises ValidationFailed: with every problem, and if the repeated password is another one.
        """
        problems: list[FieldProblem] = []
        loaded = None
        try:
            loaded = _PARSER.parse(schema, request, location="form")
        except ValidationFailed as error:
            problems.extend(error.problems)
        if request.form.get("password_again", request.form.get("password")) != request.form.get("password"):
            problems.append(FieldProblem("password_again", "not_the_same", "The passwords do not match."))
        if problems:
            raise ValidationFailed(problems)
        return loaded

    def refuse(self, error: RollcallError) -> Form:
        """Record the problems that a service or a schema reports: at the fields it names, or as a message."""
        answer = describe(error)
        self.status = answer.status
        self.message = answer.message
        for detail in answer.details:
            field = detail["field"].removeprefix("body").removeprefix(".")
            self.problems.setdefault(re.sub(r"\.[0-9]+$", "", field), detail["message"])
        return self

    def page(self, template: str, **context: Any) -> Response:
        """Render the page with this form, with the kept input of its reader if there is any (see ``drafts``)."""
        if request.method == "GET" and (typed := drafts.take()) is not None:
            self.values, self.restored = typed, True
        return make_response(render_template(template, form=self, **context), self.status)
