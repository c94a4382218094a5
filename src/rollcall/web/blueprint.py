"""The blueprint of the pages: checks the CSRF token of every form, and serves the static files."""

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
    """Return the URL of a file in ``static``. It contains a digest, so it changes with the file."""
    return url_for("static", filename=filename, v=_digest(filename))


@cache
def _digest(filename: str) -> str:
    return hashlib.sha256((_STATIC / filename).read_bytes()).hexdigest()[:12]


@blueprint.after_request
def _tell_script(response: Response) -> Response:
    """Tell a script that has sent a form where the answer leads. Its browser would follow a redirect unseen."""
    if request.headers.get("X-Requested-With") == "rollcall" and response.status_code in (302, 303):
        response.status_code = 204
        response.set_data(b"")
    return response


@blueprint.after_app_request
def _keep_assets(response: Response) -> Response:
    """Let browsers cache static files for a year: the content behind a URL with a digest never changes."""
    if request.endpoint == "static" and "v" in request.args and response.status_code in (200, 304):
        response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
    return response
