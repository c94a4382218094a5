"""The blueprint of the REST interface: flask-smorest's, with our parser, and with the errors of a route in its document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

import flask_smorest

from rollcall.api.parsing import RequestParser
from rollcall.api.schemas.errors import ErrorSchema

View = TypeVar("View", bound=Callable[..., Any])

_DESCRIPTIONS = {
    400: "The request is malformed.",
    401: "The username or the password is wrong.",
    403: "The account is deactivated, or registration is closed.",
    404: "This user does not exist.",
    409: "A name is already in use, or the change would leave no active superuser; `details` names each field.",
    412: "Somebody has changed the user since the version in `If-Match`; nothing was written.",
    413: "The body or the batch is too large.",
    415: "The body is not JSON.",
    422: "A field or parameter is not valid.",
    429: "Too many requests.",
    503: "The database is unavailable.",
    504: "The request passed its deadline; nothing was changed.",
}


class Blueprint(flask_smorest.Blueprint):
    ARGUMENTS_PARSER = RequestParser()

    def arguments(self, schema: Any, **kwargs: Any) -> Any:
        """As flask-smorest's, with one schema for all requests: it keeps nothing of any, and to make one takes long."""
        return super().arguments(schema() if isinstance(schema, type) else schema, **kwargs)

    def errors(self, *statuses: int) -> Callable[[View], View]:
        """Document the errors that a route may answer, and those that any may: 503 and 504."""
        return lambda view: documented(view, {status: _DESCRIPTIONS[status] for status in (*statuses, 503, 504)})


def documented(view: View, errors: Mapping[int, str], **operation: Any) -> View:
    """Add errors, with their descriptions, and other parts of an OpenAPI operation to a view's document."""
    document = deepcopy(getattr(view, "_apidoc", {}))
    manual = document.setdefault("manual_doc", {})
    manual.update(operation)
    for status, description in errors.items():
        content = {"application/json": {"schema": ErrorSchema}}
        manual.setdefault("responses", {})[str(status)] = {"description": description, "content": content}
    view._apidoc = document  # type: ignore[attr-defined]  # noqa: SLF001  (where flask-smorest looks for it)
    return view
