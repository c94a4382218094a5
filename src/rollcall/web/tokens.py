"""API tokens on the pages: one's own, created, shown once and ended; and everybody's, for superusers."""

from __future__ import annotations

from flask import flash, make_response, redirect, render_template, request, url_for
from werkzeug import Response

from rollcall.api.client import transaction
from rollcall.api.schemas.tokens import NewApiTokenSchema
from rollcall.errors import TooManyTokens, ValidationFailed
from rollcall.infra import rate_limit, runtime
from rollcall.infra.database import session
from rollcall.services.identity import tokens
from rollcall.services.identity.scopes import MEANINGS
from rollcall.web import access
from rollcall.web.blueprint import blueprint
from rollcall.web.forms import Form

_SHOWN = 50
_ID_DIGITS = 18
_DAYS = {"30": "30 days", "90": "90 days", "365": "A year", "": "No end"}


@blueprint.get("/profile/tokens")
@access.signed_in
def own_tokens() -> Response:
    """Show the user's own tokens, and the form for a new one."""
    return _own_page(Form({"expires_in_days": "90"}))


@blueprint.post("/profile/tokens")
@access.signed_in
@rate_limit.per_caller("10/minute")
def create_token() -> Response:
    """Create a token of the user's own, and show it once."""
    form, me = Form.sent(), access.identity()
    try:
        new = form.load(NewApiTokenSchema())
        with transaction() as work:
            made, token = tokens.create(work, me.user.id, new, me, runtime.now())
    except (ValidationFailed, TooManyTokens) as error:
        return _own_page(form.refuse(error))
    return Form().page("token_made.html", made=made, secret=token)


@blueprint.post("/profile/tokens/<user_id:token_id>/end")
@access.signed_in
def end_own_token(token_id: int) -> Response:
    """End a token of the user's own."""
    return _end(token_id, url_for(".own_tokens"))


@blueprint.get("/dashboard/tokens")
@access.superuser
def list_tokens() -> Response:
    """Show everybody's tokens, the latest first, or with ``before`` those before an id."""
    before = request.args.get("before", "")
    valid = before.isascii() and before.isdigit() and len(before) <= _ID_DIGITS
    found = tokens.of_all(session(), runtime.now(), limit=_SHOWN + 1, before=int(before) if valid else None)
    older = found[_SHOWN - 1].id if len(found) > _SHOWN else None
    return make_response(render_template("tokens_all.html", tokens=found[:_SHOWN], older=older, newest=not valid))


@blueprint.post("/dashboard/tokens/<user_id:token_id>/end")
@access.superuser
def end_token(token_id: int) -> Response:
    """End a token of any user."""
    return _end(token_id, url_for(".list_tokens"))


def _end(token_id: int, after: str) -> Response:
    with transaction() as work:
        ended = tokens.revoke(work, token_id, access.identity(), runtime.now())
    flash(f"The token {ended.name} is ended.")
    return redirect(after)


def _own_page(form: Form) -> Response:
    found = tokens.of_user(session(), access.identity().user.id, runtime.now())
    return form.page("tokens.html", tokens=found, meanings=MEANINGS, days=_DAYS, chosen=request.form.getlist("scopes"))
