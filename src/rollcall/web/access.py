"""Who reads a page: the session in the browser's cookie, and the guards of the routes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask, Request, Response, g, request
from flask import session as cookie
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin

from rollcall.errors import AccessDenied, InvalidToken
from rollcall.infra import database, runtime
from rollcall.services.identity import accounts
from rollcall.services.identity.accounts import Caller, Identity

View = TypeVar("View", bound=Callable[..., Any])

_TOKEN = "token"  # noqa: S105  (the name of the cookie's entry)


class CookieSessions(SecureCookieSessionInterface):
    """Flask's signed cookie. On https it never travels in the clear, and its name keeps other hosts from setting it.

    ``__Host-`` demands the path ``/``, so that below a prefix the name begins with ``__Secure-`` (RFC 6265bis, section 4.1.3).
    """

    def get_cookie_name(self, app: Flask) -> str:
        name = super().get_cookie_name(app)
        if not request.is_secure:
            return name
        return f"__Secure-{name}" if request.script_root else f"__Host-{name}"

    def get_cookie_path(self, app: Flask) -> str:
        return request.script_root or "/"

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        # Most clients of the REST interface have none: nothing to verify, and no signer to make for it.
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        # Nothing to store, nothing to delete, and nothing in the answer depends on the cookie.
        if session or session.accessed or session.modified:
            super().save_session(app, session, response)

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def has_cookie() -> bool:
    """Return whether the browser shows a session, ended or not."""
    return _TOKEN in cookie


def replaced_token() -> str | None:
    """Return the token of the session that the browser already has, which a new log-in ends."""
    token = cookie.get(_TOKEN)
    return token if isinstance(token, str) else None


def open_session(token: str) -> None:
    """Give the browser a session of its own; nothing that the cookie held before stays (OWASP: session fixation)."""
    cookie.clear()
    cookie[_TOKEN] = token
    cookie.permanent = True


def identity() -> Identity:
    """Return who makes this request, by the cookie; asked of the database once.

    :raises InvalidToken: not signed in (any more).
    """
    if "identity" not in g:
        if not has_cookie():
            raise InvalidToken
        g.identity = accounts.identify(database.session(), cookie[_TOKEN], runtime.now())
    known: Identity = g.identity
    return known


def known_user() -> Caller | None:
    """Return who makes this request, if it was found out."""
    return g.identity.user if "identity" in g else None


def anyone(view: View) -> View:
    """No sign-in needed."""
    return _guard(view, "anyone", lambda: None)


def signed_in(view: View) -> View:
    """Any signed-in user."""
    return _guard(view, "signed_in", identity)


def superuser(view: View) -> View:
    """Superusers only."""

    def check() -> None:
        if not identity().user.is_superuser:
            raise AccessDenied

    return _guard(view, "superuser", check)


def _guard(view: View, name: str, check: Callable[[], object]) -> View:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        check()
        return view(*args, **kwargs)

    guarded.access = name  # type: ignore[attr-defined]
    guarded.check = check  # type: ignore[attr-defined]
    return cast(View, guarded)


def own_path(target: str | None) -> str | None:
    """Return a path of ours that a client asks to be sent to, or ``None`` where it may lead elsewhere (OWASP: open redirects).

    Browsers read ``//`` and ``/\\`` as the start of another host, and skip control characters before they look.
    """
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    return None if "\\" in target or any(ord(character) <= 0x20 for character in target) else target


def here() -> str:
    """Where to return to after signing in: this page, or for a form the page that it was on."""
    if request.method in ("GET", "HEAD"):
        return request.script_root + request.full_path.rstrip("?")
    referrer = request.referrer or ""
    if referrer.startswith(request.host_url):
        return "/" + referrer[len(request.host_url) :]
    return request.script_root + "/"
