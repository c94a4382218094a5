"""Pages over HTTP: opaque cursors that nobody can read or forge, and links (RFC 8288).

A cursor holds the sort key of a row, which may be somebody's e-mail address, and the search; and addresses of pages end up
in logs, histories and referrers. So cursors are encrypted and authenticated (``infra/sealing``), which takes 6 µs for each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import request
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from rollcall.errors import FieldProblem, ValidationFailed
from rollcall.infra import sealing
from rollcall.services.events import trail
from rollcall.services.events.shape import represented
from rollcall.services.events.trail import EventFilter
from rollcall.services.search import user_search
from rollcall.services.search.user_search import Position, UserFilter

_NOT_FILTERS = frozenset({"page", "size", "cursor", "format"})


def user_filter(query: Mapping[str, Any]) -> UserFilter:
    """Return the filter that a validated query asks for."""
    return UserFilter(**{name: value for name, value in query.items() if name not in _NOT_FILTERS})


def user_page(session: Session, query: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the page that a validated query asks for: body and headers.

    :raises ValidationFailed: ``cursor`` is not one of ours, or belongs to another filter or order, or comes with ``page``.
    """
    chosen, size = user_filter(query), query["size"]
    number = query.get("page", 1)
    if "cursor" in query:
        number, position = _decode(query, chosen)
        page = user_search.page_at(session, chosen, position, size)
    else:
        page = user_search.numbered_page(session, chosen, number, size)
    total = page.total
    following, previous = _encode(page.after, chosen, number + 1), _encode(page.before, chosen, number - 1)
    body = {
        "items": page.items,
        "total": total.count,
        "total_is_exact": total.exact,
        "page": number,
        "size": size,
        "pages": -(-total.count // size),
        "next_cursor": following,
        "prev_cursor": previous,
    }
    return body, _links(following, previous)


def event_page(session: Session, query: Mapping[str, Any], chosen: EventFilter) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a page of events: body and headers.

    :raises ValidationFailed: ``cursor`` is not one of ours, or belongs to another filter.
    """
    position = _opened(query["cursor"], chosen) if "cursor" in query else None
    events, after = trail.page(session, chosen, position, query["size"])
    following = _sealed([after.at.isoformat(), after.id, repr(chosen)]) if after else None
    body = {"items": [represented(event) for event in events], "size": query["size"], "next_cursor": following}
    return body, _links(following, None)


def _opened(cursor: str, chosen: EventFilter) -> trail.Position:
    try:
        at, event_id, fingerprint = _unsealed(cursor)
    except ValueError:
        raise _refuse("invalid_cursor", "This is not a cursor that this service has given out.") from None
    if fingerprint != repr(chosen):
        raise _refuse("invalid_cursor", "This cursor belongs to another filter or order.")
    return trail.Position(datetime.fromisoformat(at), event_id)


def _links(following: str | None, previous: str | None) -> dict[str, str]:
    targets = {"first": None, "prev": previous, "next": following}
    links = []
    for relation, cursor in targets.items():
        if cursor is None and relation != "first":
            continue
        query = MultiDict((name, value) for name, value in request.args.items() if name not in ("page", "cursor"))
        if cursor:
            query["cursor"] = cursor
        links.append(f'<{request.path}{_query_string(query)}>; rel="{relation}"')
    return {"Link": ", ".join(links)}


def _query_string(query: MultiDict[str, str]) -> str:
    return "?" + urlencode(query) if query else ""


def _sealed(value: list[Any]) -> str:
    return sealing.cipher("cursor").seal(json.dumps(value))


def _unsealed(text: str) -> list[Any]:
    value: list[Any] = json.loads(sealing.cipher("cursor").open(text))
    return value


def _fingerprint(chosen: UserFilter) -> list[Any]:
    return [list(pair) for pair in sorted(chosen.plain.items())]


def _encode(position: Position | None, chosen: UserFilter, number: int) -> str | None:
    if position is None:
        return None
    key = position.key.isoformat() if isinstance(position.key, datetime) else position.key
    return _sealed([key, position.id, position.backwards, max(number, 1), _fingerprint(chosen)])


def _decode(query: Mapping[str, Any], chosen: UserFilter) -> tuple[int, Position]:
    if "page" in query:
        raise _refuse("not_both", "Give a page or a cursor, not both.")
    try:
        key, user_id, backwards, number, fingerprint = _unsealed(query["cursor"])
    except ValueError:
        raise _refuse("invalid_cursor", "This is not a cursor that this service has given out.") from None
    if fingerprint != _fingerprint(chosen):
        raise _refuse("invalid_cursor", "This cursor belongs to another filter or order.")
    is_moment = chosen.sorted_by in ("created_at", "last_login_at", "relevance") and key is not None
    return number, Position(datetime.fromisoformat(key) if is_moment else key, user_id, backwards)


def _refuse(code: str, message: str) -> ValidationFailed:
    return ValidationFailed([FieldProblem("cursor", code, message)], "query")
