"""A caller who loses rights while a request is under way: the request writes nothing and is refused."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, select, text
from sqlalchemy.orm import Session

import servers
from browser import PASSWORD, Browser
from rollcall.models import ApiToken, User, UserSession
from rollcall.services.identity import rights
from service import bearer, call
from threads import together, wait_until_blocked

NEW_PASSWORD = "another-good-passphrase"
NEW = {"username": "bob", "email": "bob@example.org", "password": NEW_PASSWORD}
ROWS = [{"username": f"row{number}", "email": f"row{number}@example.org", "password": NEW_PASSWORD} for number in range(3)]

REMOVALS = {
    "deactivated": ["UPDATE users SET is_active = false WHERE id = {id}", "DELETE FROM sessions WHERE user_id = {id}"],
    "demoted": ["UPDATE users SET is_superuser = false WHERE id = {id}"],
    "deleted": ["DELETE FROM users WHERE id = {id}"],
    "logged out everywhere": ["DELETE FROM sessions WHERE user_id = {id}"],
}
# Endpoint, method, path, body. {ann} is another user, {session} hers; {root} is the caller, {own} the caller's other session.
REST: list[tuple[str, str, str, Any]] = [
    ("users.create_user", "POST", "/api/v1/users", NEW | {"is_superuser": True}),
    ("users.create_users", "POST", "/api/v1/users/bulk", ROWS),
    ("users.change_user", "PATCH", "/api/v1/users/{ann}", {"full_name": "X"}),
    ("users.change_user", "PATCH", "/api/v1/users/{ann}", {"is_superuser": True}),
    ("users.change_user", "PATCH", "/api/v1/users/{ann}", {"is_active": False}),
    ("users.change_user", "PATCH", "/api/v1/users/{ann}", {"password": NEW_PASSWORD}),
    ("users.change_user", "PATCH", "/api/v1/users/{root}", {"is_active": True, "is_superuser": True, "full_name": "X"}),
    ("users.delete_user", "DELETE", "/api/v1/users/{ann}", None),
    ("password_links.make_password_link", "POST", "/api/v1/users/{ann}/password-link", None),
    ("password_links.make_password_links", "POST", "/api/v1/users/password-links", {"filter": {}, "expected": 2}),
    ("operations.undo_operation", "POST", "/api/v1/operations/1/undo", None),
]
# Of these the caller is a session alone.
TOKENS: list[tuple[str, str, str, Any]] = [
    ("tokens.revoke_token", "DELETE", "/api/v1/tokens/{token}", None),
]
OWN_TOKENS: list[tuple[str, str, str, Any]] = [
    ("tokens.create_token", "POST", "/api/v1/tokens", {"name": "x", "scopes": ["self"]}),
    ("tokens.revoke_token", "DELETE", "/api/v1/tokens/{own_token}", None),
]
OWN_REST: list[tuple[str, str, str, Any]] = [
    ("users.change_user", "PATCH", "/api/v1/users/{root}", {"full_name": "X"}),
    ("users.change_user", "PATCH", "/api/v1/users/{root}", {"password": NEW_PASSWORD, "current_password": PASSWORD}),
    ("auth.log_out", "POST", "/api/v1/auth/logout?all=true", None),
]
PAGES: list[tuple[str, str, dict[str, str]]] = [
    ("web.create_user", "/dashboard/users/new", NEW | {"password_again": NEW_PASSWORD}),
    ("web.change_user", "/dashboard/users/{ann}", {"username": "ann", "email": "ann@example.org", "full_name": "X"}),
    ("web.set_password", "/dashboard/users/{ann}/password", {"password": NEW_PASSWORD, "password_again": NEW_PASSWORD}),
    ("web.activate_user", "/dashboard/users/{inactive}/activate", {}),
    ("web.act", "/dashboard/users/{ann}/deactivate", {}),
    ("web.act", "/dashboard/users/{ann}/delete", {}),
    ("web.act", "/dashboard/users/{ann}/end-sessions", {}),
    ("web.change_many", "/dashboard/users/selected/deactivate?id={ann}", {"id": "{ann}", "expected": "1"}),
    ("web.change_many", "/dashboard/users/matching/deactivate?search=ann", {"expected": "1"}),
    ("web.make_password_link", "/dashboard/users/{ann}/password-link", {}),
    ("web.make_links", "/dashboard/users/selected/password-links?id={ann}", {"expected": "1"}),
    ("web.undo_operation", "/dashboard/operations/1/undo", {}),
    ("web.undo", "/dashboard/users/undo/activate", {"id": "{ann}"}),
    ("web.end_token", "/dashboard/tokens/{token}/end", {}),
    ("web.end_session", "/dashboard/users/{ann}/sessions/{session}/end", {}),
]
OWN_PAGES: list[tuple[str, str, dict[str, str]]] = [
    ("web.change_profile", "/profile", {"username": "root", "email": "root@example.org", "full_name": "X"}),
    ("web.change_own_password", "/profile/password", dict.fromkeys(("password", "password_again"), NEW_PASSWORD)),
    ("web.end_own_session", "/profile/sessions/{own}/end", {}),
    ("web.create_token", "/profile/tokens", {"name": "x", "scopes": "self"}),
    ("web.end_own_token", "/profile/tokens/{own_token}/end", {}),
    ("web.end_other_sessions", "/profile/sessions", {}),
    ("web.log_out", "/logout", {}),
]
# Nobody is signed in there, or nothing of the database is written. (The import has tests of its own, below.)
OTHERS = {
    "auth.forgot_password",
    "web.forgot_password",
    "web.confirm_email",
    "web.use_password_link",
    "auth.log_in",
    "auth.register",
    "web.log_in",
    "web.set_up",
    "web.import_users",
}
OWN_REMOVALS = [name for name in REMOVALS if name != "demoted"]  # which takes nothing from what everybody may do


def crossed(routes: Sequence[tuple[Any, ...]], removals: Iterable[str]) -> list[tuple[Any, ...]]:
    """Every removal with every route, without its endpoint."""
    return [(removal, *route[1:]) for route in routes for removal in removals]


@contextmanager
def before_statement(app: Flask, number: int, action: Callable[[], None]) -> Iterator[None]:
    """Do something right before the application sends its n-th statement; the first one identifies the caller."""
    sent = 0

    def count(*_: Any) -> None:
        nonlocal sent
        sent += 1
        if sent == number:
            action()

    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield
        assert sent >= number
    finally:
        event.remove(engine, "before_cursor_execute", count)


@pytest.fixture
def people(
    engine: Engine, root: User, ann: User, make_user: Callable[..., User], acting: Callable[[User], Any], api_token: Any
) -> dict[str, int]:
    for owner in (ann, root):
        api_token(owner, "self")
    with engine.connect() as connection:
        token, own_token = connection.scalars(select(ApiToken.id).order_by(ApiToken.id))
    inactive = make_user(username="inactive", is_active=False)
    session, own = acting(ann).session_id, acting(root).session_id
    return {"root": root.id, "ann": ann.id, "inactive": inactive.id, "session": session, "own": own} | {
        "token": token,
        "own_token": own_token,
    }


@pytest.fixture
def remove(engine: Engine, root: User) -> Callable[[str], None]:
    def make(name: str) -> None:
        with engine.begin() as connection:
            for statement in REMOVALS[name]:
                connection.execute(text(statement.format(id=root.id)))

    return make


@pytest.fixture
def stored(engine: Engine) -> Callable[[], list[Any]]:
    """Everything that a request might write."""
    tables = {"users": "id", "sessions": "id", "import_runs": "id", "one_time_links": "user_id", "api_tokens": "id"}

    def read() -> list[Any]:
        with engine.connect() as connection:
            return [connection.execute(text(f"SELECT * FROM {table} ORDER BY {key}")).all() for table, key in tables.items()]

    return read


@pytest.mark.parametrize(
    ("removal", "method", "path", "body"),
    crossed([*REST, *TOKENS], REMOVALS) + crossed([*OWN_REST, *OWN_TOKENS], OWN_REMOVALS),
)
def test_rest_writes_nothing_for_a_caller_without_rights(
    app: Flask, as_root: Any, people: dict[str, int], remove: Any, stored: Any, removal: str, method: str, path: str, body: Any
) -> None:
    after: list[Any] = []

    def lose() -> None:
        remove(removal)
        after.extend(stored())

    with before_statement(app, 2, lose):
        answer = as_root(method, "/" + path.format(**people), json=body)
    assert answer.status_code == (403 if removal == "demoted" else 401), answer.text
    assert stored() == after


TOKEN_REMOVALS = {
    "revoked": ["DELETE FROM api_tokens WHERE user_id = {id}"],
    "expired": ["UPDATE api_tokens SET expires_at = '2000-01-01Z' WHERE user_id = {id}"],
    "deactivated": ["UPDATE users SET is_active = false WHERE id = {id}"],
    "demoted": REMOVALS["demoted"],
    "deleted": REMOVALS["deleted"],
}


@pytest.mark.parametrize(
    ("removal", "method", "path", "body"),
    crossed(REST, TOKEN_REMOVALS) + crossed(OWN_REST[:-1], [name for name in TOKEN_REMOVALS if name != "demoted"]),
)
def test_rest_writes_nothing_for_an_api_token_that_has_ended(
    app: Flask,
    engine: Engine,
    root: User,
    api_token: Any,
    people: dict[str, int],
    stored: Any,
    removal: str,
    method: str,
    path: str,
    body: Any,
) -> None:
    caller = api_token(root, "users:write", "self")
    assert caller.get("/auth/me").status_code == 200  # so that its use is not written in the request that follows
    after: list[Any] = []

    def lose() -> None:
        with engine.begin() as connection:
            for statement in TOKEN_REMOVALS[removal]:
                connection.execute(text(statement.format(id=root.id)))
        after.extend(stored())

    with before_statement(app, 2, lose):
        answer = caller(method, "/" + path.format(**people), json=body)
    assert answer.status_code == (403 if removal == "demoted" else 401), answer.text
    assert stored() == after


@pytest.mark.parametrize(
    ("removal", "path", "fields"),
    crossed(PAGES, REMOVALS) + crossed(OWN_PAGES, OWN_REMOVALS),
)
def test_pages_write_nothing_for_a_caller_without_rights(
    app: Flask,
    root_browser: Browser,
    people: dict[str, int],
    remove: Any,
    stored: Any,
    removal: str,
    path: str,
    fields: dict[str, str],
) -> None:
    token = next(root_browser.open("/dashboard/users/new").root.all("input", name="csrf_token"))["value"]
    form = {name: value.format(**people) for name, value in fields.items()} | {"csrf_token": token}
    if path == "/profile/password":
        form["current_password"] = PASSWORD
    after: list[Any] = []

    def lose() -> None:
        remove(removal)
        after.extend(stored())

    with before_statement(app, 2, lose):
        page = root_browser.open(path.format(**people), "POST", data=form, follow=False)
    refused = (
        page.status == 403 if removal == "demoted" else (page.status, page.response.location.partition("?")[0]) == (302, "/login")
    )
    assert refused, page.html
    assert stored() == after


def test_every_route_that_writes_is_in_the_tables(app: Flask) -> None:
    listed = {route[0] for routes in (REST, TOKENS, OWN_REST, OWN_TOKENS, PAGES, OWN_PAGES) for route in routes}
    writing = {rule.endpoint for rule in app.url_map.iter_rules() if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}}
    assert writing == listed | OTHERS


@pytest.mark.parametrize("removal", REMOVALS)
def test_an_import_whose_sender_loses_the_right_writes_nobody(
    engine: Engine, app: Flask, root_browser: Browser, remove: Any, removal: str
) -> None:
    content = b"username,email,password\r\nbob,bob@example.org,another-good-passphrase\r\n"

    page = root_browser.open("/dashboard/users/import")
    token = next(page.root.all("input", name="csrf_token"))["value"]
    checked = root_browser.open(
        "/dashboard/users/import", "POST", data={"csrf_token": token, "file": (io.BytesIO(content), "users.csv")}
    )
    run = checked.root.one("input", name="run")["value"]
    with app.app_context():
        application = app.extensions["sqlalchemy"].engine

    def lose(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO users" in statement:
            remove(removal)

    event.listen(application, "before_cursor_execute", lose)
    try:
        data = {"csrf_token": token, "run": run, "do": "import", "file": (io.BytesIO(content), "users.csv")}
        page = root_browser.open("/dashboard/users/import", "POST", data=data, follow=False)
    finally:
        event.remove(application, "before_cursor_execute", lose)
    assert page.status == (403 if removal == "demoted" else 302)
    with engine.connect() as connection:
        assert "bob" not in connection.scalars(select(User.username)).all()


def test_the_last_byte_of_a_body_does_not_bring_a_removed_superuser_back(
    engine: Engine, shared_app: Flask, database_url: str, root: User, make_user: Callable[..., User]
) -> None:
    other = make_user(username="other", is_superuser=True)
    body = json.dumps({"is_active": True, "is_superuser": True}).encode()
    with servers.gunicorn({"DATABASE_URL": database_url, "SECRET_KEY": "s" * 31 + "t"}) as service:
        mine, theirs = bearer(engine, root), bearer(engine, other)
        host, port = service.url.removeprefix("http://").split(":")
        head = "\r\n".join(
            [
                f"PATCH /api/v1/users/{root.id} HTTP/1.1",
                f"Host: {host}:{port}",
                f"Authorization: {mine['Authorization']}",
                "Content-Type: application/json",
                f"Content-Length: {len(body)}",
                "Connection: close",
            ]
        )
        with socket.create_connection((host, int(port)), timeout=20) as slow:
            slow.sendall(head.encode() + b"\r\n\r\n" + body[:-1])
            removal = {"is_active": False, "is_superuser": False}
            assert call(service.url, "PATCH", f"/api/v1/users/{root.id}", removal, theirs).status_code == 200
            slow.sendall(body[-1:])
            answer = b"".join(iter(lambda: slow.recv(65536), b""))
        assert answer.split(b" ")[1] == b"401"
    with engine.connect() as connection:
        found = connection.execute(select(User.is_active, User.is_superuser).where(User.id == root.id)).one()
        assert tuple(found) == (False, False)
        assert connection.scalars(select(UserSession.id).where(UserSession.user_id == root.id)).all() == []


@pytest.mark.parametrize("removal", REMOVALS)
def test_a_caller_who_loses_rights_during_the_wait_for_the_superusers_lock_writes_nothing(
    engine: Engine, as_root: Any, make_user: Callable[..., User], remove: Any, stored: Any, removal: str
) -> None:
    other = make_user(username="other", is_superuser=True)
    after: list[Any] = []
    with engine.connect() as holder:
        rights.lock_superusers(Session(holder))

        def lose() -> None:
            wait_until_blocked(engine)  # the statement that takes the lock is the one that looks the caller up
            remove(removal)
            after.extend(stored())
            holder.rollback()

        answer, _ = together([lambda: as_root.patch(f"/users/{other.id}", json={"full_name": "X"}), lose])
    assert answer.status_code == (403 if removal == "demoted" else 401), answer.text
    assert stored() == after
