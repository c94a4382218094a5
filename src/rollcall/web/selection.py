"""The users that a batch action is about: ids from a form or a URL, or the filter of the list."""

from __future__ import annotations

import re

from flask import flash, redirect, request, url_for
from werkzeug import Response
from werkzeug.datastructures import MultiDict

from rollcall.api import paging
from rollcall.api.parsing import RequestParser
from rollcall.api.schemas.users import ListQuerySchema
from rollcall.errors import FieldProblem, ValidationFailed
from rollcall.services.users.bulk_changes import SELECTED_AT_MOST, Selection
from rollcall.web import access

_ID = re.compile("[1-9][0-9]{0,18}")
_ID_MAX = 2**63 - 1
_COUNT_DIGITS = 9


def given_ids(values: MultiDict[str, str]) -> tuple[int, ...]:
    """Return the ids in a form or a URL, without duplicates.

    :raises ValidationFailed: a value is not an id, or there are more than a page of the list can have.
    """
    given = dict.fromkeys(values.getlist("id"))
    if len(given) > SELECTED_AT_MOST:
        raise ValidationFailed([FieldProblem("id", "too_long", f"At most {SELECTED_AT_MOST} users can be selected one by one.")])
    if not all(_ID.fullmatch(each) and int(each) <= _ID_MAX for each in given):
        raise ValidationFailed([FieldProblem("id", "invalid_format", "This is not the id of a user.")])
    return tuple(map(int, given))


def asked(whom: str) -> Selection:
    """Return the selection that the URL names.

    :param whom: ``selected``, by their ids; or ``matching``, by the parameters of the list.
    :raises ValidationFailed: a parameter is not valid.
    """
    if whom == "selected":
        return given_ids(request.args)
    # The size of a page selects nobody. It is for the way back to the list as it was.
    query = RequestParser().parse(ListQuerySchema(exclude=("page", "cursor")), request, location="query")
    return paging.user_filter(query)


def confirmed() -> int:
    """Return the confirmed number of users, or -1, which never matches, if it is not a number."""
    given = request.form.get("expected", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) <= _COUNT_DIGITS else -1


def back(whom: str) -> str:
    """Return the URL of the list in which the selection was made."""
    if whom == "selected":
        return access.own_path(request.args.get("next")) or url_for("web.list_users")
    return url_for("web.list_users", **request.args.to_dict())  # type: ignore[arg-type]


def nobody() -> Response:
    """Redirect to the list with a message that nothing is selected."""
    flash("No users are selected. Select at least one user first.", "error")
    return redirect(back("selected"))
