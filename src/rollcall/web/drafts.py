"""What somebody typed into a form that could not be handled, kept until the form is shown again.

Each form carries a signed mark that names the user it was made for. If the form is sent after the session of that user has
ended, what was typed goes into the browser's cookie, which is signed. After the log-in the form shows it again, and nothing
is sent before its user presses the button. Another user who logs in at the same browser never sees it.
"""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit

from flask import current_app, request
from flask import session as cookie
from itsdangerous import BadData, URLSafeSerializer
from markupsafe import Markup
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from rollcall.infra import runtime
from rollcall.web import access

_MARK: Final = "form_of"
_ENTRY: Final = "draft"
_SECONDS: Final = 3600
# A browser refuses a cookie of more than 4 kB. The longest valid values of a form take less than a quarter of that.
_BYTES_MAX: Final = 2_000
_TYPED: Final = frozenset({"username", "email", "full_name"})
_NEVER_KEPT: Final = ("password", "csrf", _MARK)


def mark() -> str:
    """Return a hidden field that names the user that a form is made for; nothing on a form for anyone."""
    user = access.known_user()
    if user is None:
        return ""
    return Markup('<input type="hidden" name="{}" value="{}">').format(_MARK, _signer().dumps(user.id))


def is_from_here() -> bool:
    """Return whether a page of ours sent this form, as far as the browser tells.

    A form of another site comes without our cookie (SameSite). To set one in the answer would replace the reader's own.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def keep() -> str | None:
    """Keep what was typed into the form that this request carries.

    :return: the address of the form, ``None`` if there is nothing to keep.
    """
    if not _may_be_read():
        return None
    owner = _owner()
    if owner is None or not is_from_here() or not _TYPED & request.form.keys() or not _has_form():
        return None
    kept = {name: value for name, value in request.form.items() if not any(part in name for part in _NEVER_KEPT)}
    if len(json.dumps(kept)) > _BYTES_MAX:
        return None
    cookie[_ENTRY] = {"path": request.path, "owner": owner, "at": runtime.now().timestamp(), "values": kept}
    return request.script_root + request.full_path.rstrip("?")


def take() -> dict[str, str] | None:
    """Return what the reader of this page typed into its form before, once."""
    user = access.known_user()
    match cookie.get(_ENTRY):
        case {"path": path, "owner": owner, "at": float(at), "values": dict(values)} if user is not None:
            shown = user.id == owner and runtime.now().timestamp() - at < _SECONDS
            if shown and path != request.path:
                return None  # until its own page is opened
            del cookie[_ENTRY]
            return values if shown else None
    return None


def held() -> Any:
    """Return what the cookie holds, for the cookie that replaces it at a log-in."""
    return cookie.get(_ENTRY)


def hold(entry: Any) -> None:
    """Put it into the new cookie."""
    if entry is not None:
        cookie[_ENTRY] = entry


def _may_be_read() -> bool:
    """Return whether the form is a small one. Files are not kept, and a large body is refused unread (``infra/bodies``)."""
    if request.mimetype != "application/x-www-form-urlencoded":
        return False
    try:
        return bool(request.form)
    except RequestEntityTooLarge:
        return False


def _owner() -> int | None:
    try:
        owner = _signer().loads(request.form.get(_MARK, ""))
    except BadData:
        return None
    return owner if isinstance(owner, int) else None


def _has_form() -> bool:
    """Return whether the address that this form was sent to also shows it."""
    try:
        current_app.create_url_adapter(request).match(method="GET")  # type: ignore[union-attr]
    except HTTPException:
        return False
    return request.method == "POST"


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.secret_key or "", salt="rollcall.form")
