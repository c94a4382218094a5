"""Find a user from any page: the answer to the search in the head, as a part of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from flask import make_response, render_template, request
from werkzeug import Response

from rollcall.api.client import transaction
from rollcall.api.schemas.users import FilterSchema
from rollcall.models import UserRecord
from rollcall.services.search import user_search
from rollcall.services.search.user_search import Total, UserFilter
from rollcall.web import access
from rollcall.web.blueprint import blueprint
from rollcall.web.wording import number, plural

SHOWN: Final = 8
"""How many users are shown; the list shows the others."""

_SCHEMA: Final = FilterSchema(only=("search",))


@blueprint.get("/dashboard/find")
@access.superuser
def find_users() -> Response:
    """Show the first users that ``?search=`` finds, as HTML that a script puts into the page."""
    term = request.args.get("search", "").strip()
    problems = _SCHEMA.validate({"search": term})
    if problems:
        message = " ".join(str(each) for each in problems["search"])
        return make_response(render_template("_hits.html", users=[], message=message), 422)
    with transaction() as work:
        page = user_search.numbered_page(work, UserFilter(search=_SCHEMA.load({"search": term})["search"]), 1, SHOWN)
    users, total = page.items, page.total
    more = not total.exact or total.count > len(users)
    query = urlencode({"search": term})
    return make_response(render_template("_hits.html", users=users, message=_message(users, total), more=more, query=query))


def _message(users: Sequence[UserRecord], total: Total) -> str:
    if not users:
        return "No user found."
    if not total.exact:
        return f"{len(users)} of more than {number(total.count)} users"
    return plural(total.count, "user") if total.count == len(users) else f"{len(users)} of {number(total.count)} users"
