"""Pages that exist where mail is set up: a forgotten password, and the confirmation of a new address."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from flask import session as cookie
from werkzeug import Response

from rollcall.api import mails, sign_in
from rollcall.api.client import transaction
from rollcall.api.schemas.auth import ForgotPasswordSchema
from rollcall.errors import Conflict, LinkRefused, ValidationFailed
from rollcall.infra import rate_limit, runtime
from rollcall.infra.database import session
from rollcall.services.users import email_changes, letters
from rollcall.web import access
from rollcall.web.blueprint import blueprint
from rollcall.web.forms import Form
from rollcall.web.password_links import sent_token


@blueprint.get("/forgot-password")
@access.anyone
def forgot_password_form() -> Response:
    """Ask for the address of an account."""
    mails.require_set_up()
    return Form().page("forgot_password.html")


@blueprint.post("/forgot-password")
@access.anyone
@rate_limit.per_address("10/hour", "forgot-password")
def forgot_password() -> Response:
    """Queue a mail, whether the address is a user's or nobody's, and say the same."""
    mails.require_set_up()
    form = Form.sent()
    try:
        email = form.load(ForgotPasswordSchema())["email"]
    except ValidationFailed as error:
        return form.refuse(error).page("forgot_password.html")
    with transaction() as work:
        letters.forgot_password(work, email, runtime.now())
    flash(f"If {email} is the address of an account, a mail is on its way. Look into it in a few minutes.")
    return redirect(url_for(".log_in_form"))


@blueprint.get(letters.CONFIRM_PATH)
@access.anyone
def confirm_email_form() -> Response:
    """Show the page to which the link in a mail to a new address leads."""
    return Form().page("confirm_email.html", owner=None)


@blueprint.post(letters.CONFIRM_PATH)
@access.anyone
def confirm_email() -> Response:
    """Check a link; once that is confirmed, let its address count."""
    token = sent_token()
    form = Form({"token": token})
    try:
        owner = email_changes.owner(session(), token, runtime.now())
        if "confirmed" not in request.form:
            return form.page("confirm_email.html", owner=owner)
        try:
            with transaction() as work:
                user = email_changes.confirm(work, token, runtime.now())
        except Conflict as error:
            return form.refuse(error).page("confirm_email.html", owner=owner)
    except LinkRefused as error:
        sign_in.guess_at_link("address link")
        return Form().refuse(error).page("confirm_email.html", owner=None)
    cookie.clear()
    flash(f"The address of {user.username} is {user.email} now. Log in again.")
    return redirect(url_for(".log_in_form"))
