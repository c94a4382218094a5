"""Password links: making them for one user or many, and the page on which a person sets a password with one.

The secret stands behind the ``#`` of a link, so browsers send it to no server: no log and no referrer has it. A script moves it
into the form and out of the address; without a script a person pastes the link. docs/design/password-links.md says why.
"""

from __future__ import annotations

from typing import Final

from flask import flash, redirect, request, url_for
from werkzeug import Response

from rollcall.api import mails, sign_in
from rollcall.api.client import public_url, transaction
from rollcall.api.password_links import answer_file
from rollcall.api.schemas.users import UserChangeSchema
from rollcall.errors import LinkRefused, SelectionDiffers, TooManyRows, ValidationFailed
from rollcall.infra import deadline, runtime
from rollcall.infra.database import session
from rollcall.services.transfer import link_files
from rollcall.services.users import letters, password_links
from rollcall.services.users.bulk_changes import Selection
from rollcall.web import access, list_query, selection
from rollcall.web.blueprint import blueprint
from rollcall.web.forms import Form
from rollcall.web.wording import plural

_MANY: Final = "/dashboard/users/<any(selected, matching):whom>/password-links"
_TOKEN_MAX: Final = 200


@blueprint.get(link_files.PATH)
@access.anyone
def password_link_form() -> Response:
    """Show the page to which every password link leads. It is the same for all of them."""
    return Form().page("password_link.html", owner=None)


@blueprint.post(link_files.PATH)
@access.anyone
def use_password_link() -> Response:
    """Check a link; with a new password, set it."""
    token = sent_token()
    form = Form({"token": token})
    try:
        owner = password_links.owner(session(), token, runtime.now())
        if "password" not in request.form:
            return form.page("password_link.html", owner=owner)
        try:
            password = form.load(UserChangeSchema(only=("password",)))["password"]
            with transaction() as work:
                user = password_links.use(work, token, password, runtime.now())
        except ValidationFailed as error:
            return form.refuse(error).page("password_link.html", owner=owner)
    except LinkRefused as error:
        sign_in.guess_at_link("password link")
        return Form().refuse(error).page("password_link.html", owner=None)
    flash(f"The password of {user.username} is set. Log in with it.")
    return redirect(url_for(".log_in_form"))


@blueprint.post("/dashboard/users/<user_id:user_id>/password-link")
@access.superuser
def make_password_link(user_id: int) -> Response:
    """Make a link for a user, and show it once; or mail it, and show it to nobody."""
    cipher, now = mails.required_cipher() if "mail" in request.form else None, runtime.now()
    with transaction() as work:
        link = password_links.make(work, user_id, access.identity(), now)
        mailed = cipher is not None and letters.send_link(work, link, cipher, now)
    if mailed:
        flash(f"A mail with a password link is on its way to {link.user.email}.")
        return redirect(url_for(".show_user", user_id=user_id))
    return Form().page("password_link_made.html", link=link, url=link_files.url(public_url(), link.token))


@blueprint.get(_MANY)
@access.superuser
def ask_links(whom: str) -> Response:
    """Show who would get a link, and ask for confirmation."""
    chosen = selection.asked(whom)
    return _question(Form(), whom, chosen) if chosen else selection.nobody()


@blueprint.post(_MANY)
@access.superuser
@deadline.limit(times=20)
def make_links(whom: str) -> Response:
    """Make the links if the number of users is still the confirmed one, as a file or as mails. Otherwise ask again."""
    chosen, now = selection.asked(whom), runtime.now()
    cipher, mailed = mails.required_cipher() if "mail" in request.form else None, 0
    try:
        with transaction() as work:
            links = password_links.make_many(work, chosen, access.identity(), now, expected=selection.confirmed())
            if cipher is not None:
                mailed = letters.send_links(work, links, cipher, now)
    except (SelectionDiffers, TooManyRows) as error:
        form = Form.sent().refuse(error)
        form.problems.clear()  # the number has no field on the page
        return _question(form, whom, chosen)
    if cipher is not None:
        flash(f"{plural(mailed, 'mail with a password link is', 'mails with password links are')} on the way.")
        return redirect(selection.back(whom))
    reply = answer_file(links, "csv", for_spreadsheets=True)
    reply.headers.set("Content-Disposition", "attachment", filename=f"password-links-{runtime.now():%Y-%m-%d}.csv")
    return reply


def _question(form: Form, whom: str, chosen: Selection) -> Response:
    seen = password_links.preview(session(), chosen, access.identity())
    return form.page(
        "password_links.html",
        seen=seen,
        at_most=password_links.AT_MOST,
        days=password_links.DAYS,
        filters=[label for _, label in list_query.labels(request.args)],
        selected=whom == "selected",
        back=selection.back(whom),
    )


def sent_token() -> str:
    """Return the secret of the link in the form: a person may paste the whole link."""
    return request.form.get("token", "").strip().rpartition("#")[2][:_TOKEN_MAX]
