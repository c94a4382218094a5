"""The number of statements that each endpoint sends: its round trips, and proof that none sends one for each row.

Nearly all begin with the one that identifies the caller. BEGIN and COMMIT, which are sent with a write, are not counted.
"""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from facts import NOON, PASSWORD
from rollcall.models import ApiToken, Operation
from rollcall.services.identity.scopes import Scope

BOB = {"username": "bob", "email": "bob@example.org", "password": "a-fine-passphrase"}
ROWS = [{"username": f"bulk{n}", "email": f"bulk{n}@example.org"} for n in range(100)]
LOGIN = {"username": "ann", "password": PASSWORD}

ENDPOINTS = [
    ("GET", "/api/v1/users", None, 3),  # the caller, the total, the page
    ("GET", "/api/v1/users?is_active=true&sort_by=email&sort_order=asc", None, 3),
    ("GET", "/api/v1/users?page=2&size=5", None, 3),
    ("GET", "/api/v1/users?search=mail", None, 4),  # the term, its matches, the page
    ("GET", "/api/v1/users?search=mail&sort_by=username", None, 4),
    ("POST", "/api/v1/users", BOB, 4),  # the caller again, locked; the row, the event
    ("POST", "/api/v1/users/bulk", ROWS, 4),  # the caller again, locked; the rows, the event
    ("GET", "/api/v1/users/export?format=csv", None, 3),  # the event comes first
    ("GET", "/api/v1/users/export?format=ndjson&search=mail", None, 4),  # the term
    ("GET", "/api/v1/users/{ann}", None, 2),
    ("PATCH", "/api/v1/users/{ann}", {"full_name": "New"}, 4),  # all locks; the event; the change
    ("PATCH", "/api/v1/users/{ann}", {"full_name": "Ann Lee"}, 2),  # as it is already
    ("PATCH", "/api/v1/users/{root}", {"password": PASSWORD[::-1], "current_password": PASSWORD}, 8),  # the row once before
    ("PATCH", "/api/v1/users/{ann}", {"is_active": False}, 6),  # and the sessions and tokens
    ("DELETE", "/api/v1/users/{ann}", None, 4),
    ("POST", "/api/v1/users/{ann}/password-link", None, 5),  # all locks; the link, the sweep, the event
    ("POST", "/api/v1/users/password-links", {"filter": {}, "expected": 21}, 7),  # the caller again; ids; …; the rows
    (
        "POST",
        "/api/v1/operations/1/undo",
        None,
        9,
    ),  # the locks and the caller twice; operation, users, what was done
    ("GET", "/api/v1/tokens", None, 2),
    ("GET", "/api/v1/tokens?user_id={ann}", None, 3),  # is there such a user?
    ("POST", "/api/v1/tokens", {"name": "x", "scopes": ["self"]}, 5),  # all locks; the expired ones, the row, the event
    ("DELETE", "/api/v1/tokens/{token}", None, 7),  # whose it is; three locks; the row, the event
    ("GET", "/api/v1/auth/me", None, 2),
    ("POST", "/api/v1/auth/logout", None, 4),
    ("POST", "/api/v1/auth/register", BOB, 2),
    ("POST", "/api/v1/auth/login", LOGIN, 4),  # hash; session; event; sweep. With limits: test_attempts
    ("GET", "/api/v1/events?user_id={ann}", None, 2),
    ("GET", "/api/v1/users/{ann}/changes", None, 3),  # nothing was changed: is there such a user?
    ("GET", "/api/v1/dashboard/stats", None, 2),  # without the cache; a hit reads the caller alone
    ("GET", "/api/v1/dashboard/signups?days=366", None, 2),
    ("GET", "/api/v1/metrics/database", None, 1),
    ("GET", "/metrics", None, 0),
    ("GET", "/health", None, 1),
    ("GET", "/health/live", None, 0),
    ("GET", "/health/ready", None, 1),
    ("GET", "/openapi.json", None, 0),
    ("GET", "/docs", None, 0),
]


@pytest.fixture
def people(make_user, root, ann, engine):
    """Enough for a second page, and ann; an operation, and a token of hers."""
    with engine.begin() as connection:
        connection.execute(insert(Operation).values(at=NOON, kind="deactivate", created=0, changed=0))
        token = {"token_hash": b"x" * 32, "user_id": ann.id, "name": "x", "scopes": ["self"], "created_at": NOON}
        token_id = connection.scalar(insert(ApiToken).values(token).returning(ApiToken.id))
    for number in range(20):
        make_user(email=f"mail{number}@example.org")
    return {"ann": ann.id, "root": root.id, "token": token_id}


@pytest.mark.parametrize(("method", "path", "body", "count"), ENDPOINTS)
def test_endpoint_sends_these_statements(as_root, people, statements, method, path, body, count):
    answer = as_root(method, "/" + path.format(**people), json=body)
    assert answer.status_code < 300, answer.text
    answer.get_data()  # what is streamed is read with the statements of the export
    assert len(statements) == count, "\n".join(statements)


@pytest.mark.parametrize(
    ("method", "path", "body", "count"),
    [
        endpoint
        for endpoint in ENDPOINTS
        if endpoint[1].startswith("/api/") and not any(name in endpoint[1] for name in ("tokens", "logout", "login", "register"))
    ],
)
def test_an_api_token_costs_no_statement_more(api_token, root, people, statements, method, path, body, count):
    caller = api_token(root, *Scope)
    assert caller.get("/auth/me").status_code == 200  # its first use is written
    statements.clear()
    answer = caller(method, "/" + path.format(**people), json=body)
    assert answer.status_code < 300, answer.text
    answer.get_data()
    assert len(statements) == count, "\n".join(statements)


# Without mail it is a 404, so it has a test of its own: tests/mail/test_forgot_password.py.
ELSEWHERE = {("POST", "auth.forgot_password")}


def test_every_endpoint_has_its_count(app):
    routes = app.url_map.bind("")
    counted = {
        (method, routes.match(path.partition("?")[0].format(ann=1, root=1, token=1), method)[0]) for method, path, *_ in ENDPOINTS
    }
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static" and not rule.endpoint.startswith("web.")]
    assert {(method, rule.endpoint) for rule in rules for method in rule.methods - {"HEAD", "OPTIONS"}} == counted | ELSEWHERE
