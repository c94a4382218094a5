"""The way back to the list of users as it was searched, sorted and turned to a page.

The query of the list travels as the parameter ``list`` in the addresses of the pages that the list leads to. So it needs
neither JavaScript nor a cookie, and each tab of a browser has its own.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from flask import g, has_request_context, request, url_for

from rollcall.api.schemas.base import parameters
from rollcall.api.schemas.users import ListQuerySchema
from rollcall.web import list_query
from rollcall.web.blueprint import blueprint

_PARAMETER: Final = "list"
_LENGTH_MAX: Final = 2_000
_FIELDS: Final = parameters(ListQuerySchema())
_LIST: Final = "web.list_users"
_PAGES: Final = frozenset(
    f"web.{name}"
    for name in (
        *("show_user", "change_user", "password_form", "set_password", "activate_user", "ask", "act", "end_session"),
        *("new_user", "create_user", "import_form", "import_users", "show_import"),
    )
)


def current() -> str:
    """Return the address of the list that this page belongs to."""
    return url_for(_LIST, **_query())


def _query() -> dict[str, Any]:
    """Return the parameters of that list; of anything else in the address nothing is taken over."""
    if "list_query" not in g:
        if request.endpoint == _LIST:
            given = list(list_query.canonical(request.args.items()).items())
        else:
            text = request.args.get(_PARAMETER, "")
            given = parse_qsl(text) if len(text) <= _LENGTH_MAX else []
        g.list_query = {name: value for name, value in given if name in _FIELDS and value}
    found: dict[str, Any] = g.list_query
    return found


@blueprint.url_defaults
def _carry(endpoint: str, values: dict[str, Any]) -> None:
    """Add the parameter to addresses that are made on the list and on the pages below it."""
    if endpoint in _PAGES and "next" not in values and has_request_context() and (query := _query()):
        values.setdefault(_PARAMETER, urlencode(query))
