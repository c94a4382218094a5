"""The HTML pages. They use the same services as the REST API, are rendered on the server, and work without JavaScript."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Flask, Response, flash, make_response, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError  # type: ignore[import-untyped]

from rollcall.api.errors import Answer, describe
from rollcall.api.mails import is_set_up as has_mail
from rollcall.errors import InvalidToken
from rollcall.infra import request_id
from rollcall.web import (
    access,
    account,
    addresses,
    bulk,
    dashboard,
    devices,
    drafts,
    export,
    find,
    imports,
    list_address,
    mails,
    operations,
    password_links,
    sessions,
    system,
    tokens,
    undo,
    users,
    wording,
)
from rollcall.web.blueprint import asset, blueprint, csrf

__all__ = ["account", "bulk", "dashboard", "error_page", "export", "find", "imports", "init_app"]
__all__ += ["mails", "operations", "password_links", "sessions", "system", "tokens", "undo", "users", "wants_page"]

# Programs call these addresses, so errors there are JSON.
_NOT_PAGES = ("/api/", "/health", "/metrics", "/openapi.json")

# After these a form that was sent may be sent again.
_LOSING = (401, 429, 500, 503, 504)


def init_app(app: Flask) -> None:
    """Register the pages with the application."""
    app.session_interface = access.CookieSessions()
    # The cookie ends with the session that it names; forms are good for as long.
    app.config.update(SESSION_REFRESH_EACH_REQUEST=False, WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)
    csrf.init_app(app)
    app.register_error_handler(CSRFError, _refuse_form)
    app.jinja_env.filters.update(wording.FILTERS, device=devices.called)
    app.jinja_env.globals.update(asset=asset, form_of=drafts.mark, address_of_each=addresses.of_each)
    app.context_processor(_context)
    app.register_blueprint(blueprint)


def wants_page() -> bool:
    """Return whether this request gets its errors as HTML: on our pages, and at unknown addresses that a browser asks for."""
    if request.blueprint == blueprint.name:
        return True
    astray = request.url_rule is None and not request.path.startswith(_NOT_PAGES)
    accepted = request.accept_mimetypes
    return astray and accepted["text/html"] > accepted["application/json"]


def error_page(answer: Answer) -> Response:
    """Render an error. A reader without a session is sent to log in, and comes back. What was typed into a form is kept."""
    form = drafts.keep() if answer.status in _LOSING else None
    if answer.status == 401:
        if request.method == "POST" and drafts.is_from_here():
            flash("Your session ended before this was done. Log in to continue.", "error")
        target = form or access.here()
        return make_response(redirect(url_for("web.log_in_form", next=None if target == "/" else target)))
    if answer.status == 413 and request.endpoint == "web.import_users":
        answer = replace(answer, message=imports.too_large())
    page = render_template("error.html", answer=answer, request_id=request_id.current(), form_address=form)
    response = make_response(page, answer.status)
    response.headers.update(answer.headers)
    return response


def _refuse_form(_error: CSRFError) -> Response:
    if not access.has_cookie():
        return error_page(describe(InvalidToken()))
    if form := drafts.keep():
        flash("You have logged in again since this form was opened, so it was not saved.", "error")
        return make_response(redirect(form))
    message = "This form is no longer valid. Go back, reload the page and try again."
    return error_page(Answer(400, "bad_request", message))


def _context() -> dict[str, Any]:
    return {"user": access.known_user(), "here": access.here(), "list_address": list_address.current(), "has_mail": has_mail()}
