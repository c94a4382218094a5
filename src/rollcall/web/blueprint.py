"""The pages' blueprint: every form on it is checked for its CSRF token; and the files that the pages bring along."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, request, url_for
from flask_wtf.csrf import CSRFProtect  # type: ignore[import-untyped]

from rollcall.infra import bodies

_YEAR = 31_536_000
_STATIC = Path(__file__).parent / "static"

csrf = CSRFProtect()
blueprint = Blueprint("web", __name__)


@blueprint.before_request
def _protect() -> None:
    """Check the form's token, for which the whole form is parsed; a large one only of those who may send it.

    The REST interface takes no cookie, so it needs no such check.
    """
    if request.method == "POST" and bodies.takes_large():
        view: Any = current_app.view_functions[str(request.endpoint)]
        view.check()  # by web/access
        bodies.accept_large()
    csrf.protect()


def asset(filename: str) -> str:
    """The address of a file in ``static``, another one when the file changes."""
    return url_for("static", filename=filename, v=_digest(filename))


@cache
def _digest(filename: str) -> str:
    return hashlib.sha256((_STATIC / filename).read_bytes()).hexdigest()[:12]


@blueprint.after_app_request
def _keep_assets(response: Response) -> Response:
    """An address that carries a file's digest never changes its content."""
    if request.endpoint == "static" and "v" in request.args and response.status_code in (200, 304):
        response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
    return response
