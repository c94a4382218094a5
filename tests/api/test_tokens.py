"""API tokens: made, shown once, used, limited to their scopes and to their owner's rights, and ended."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from answers import problems, refused
from facts import NOON
from rollcall.api import scopes
from rollcall.models import ApiToken, UserSession
from rollcall.services.identity import accounts, token_format, tokens
from rollcall.services.identity.scopes import Scope
from rollcall.services.users import bulk_changes
from threads import together

NEW = {"name": "Nightly", "scopes": ["users:read", "self"], "expires_in_days": 90}


@pytest.fixture
def stored(session):
    def read() -> list[ApiToken]:
        session.rollback()
        return list(session.scalars(select(ApiToken).order_by(ApiToken.id).execution_options(populate_existing=True)))

    return read


@pytest.fixture
def events(as_root):
    def read(kind: str) -> list[dict[str, Any]]:
        return as_root.get(f"/events?type={kind}").json["items"]

    return read


# Made


def test_a_token_is_made_and_shown_once(as_ann, ann, stored):
    answer = as_ann.post("/tokens", json=NEW)
    assert answer.status_code == 201
    expires = (NOON + timedelta(days=90)).isoformat()
    token = answer.json["token"]
    assert answer.json == {
        "id": stored()[0].id,
        "name": "Nightly",
        "scopes": ["users:read", "self"],
        "token": token,
        "created_at": NOON.isoformat(),
        "expires_at": expires,
        "last_used_at": None,
    }
    assert re.fullmatch("rct_[0-9A-Za-z]{49}", token)
    [row] = stored()
    assert (row.token_hash, row.user_id) == (hashlib.sha256(token.encode()).digest(), ann.id)
    listed = as_ann.get("/tokens")
    assert listed.json == {"items": [{name: value for name, value in answer.json.items() if name != "token"}]}
    assert token not in listed.text


def test_without_days_it_does_not_expire_and_scopes_have_one_order(as_ann):
    made = as_ann.post("/tokens", json={"name": " Cr\u00e8me ", "scopes": ["self", "scim", "self"]}).json
    assert (made["name"], made["scopes"], made["expires_at"]) == ("Crème", ["scim", "self"], None)


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"name": ""}, "name", "too_short"),
        ({"name": "  "}, "name", "too_short"),
        ({"name": "x" * 101}, "name", "too_long"),
        ({"name": "a\nb"}, "name", "invalid_characters"),
        ({"name": "a\0b"}, "name", "invalid_characters"),
        ({"name": "\ud800"}, "name", "invalid_characters"),
        ({"name": 5}, "name", "invalid_type"),
        ({"scopes": []}, "scopes", "too_short"),
        ({"scopes": ["self"] * 8}, "scopes", "too_long"),
        ({"scopes": ["root"]}, "scopes.0", "invalid_choice"),
        ({"scopes": "self"}, "scopes", "invalid_type"),
        ({"expires_in_days": 0}, "expires_in_days", "out_of_range"),
        ({"expires_in_days": 3651}, "expires_in_days", "out_of_range"),
        ({"expires_in_days": 1.5}, "expires_in_days", "invalid_type"),
        ({"expires_in_days": True}, "expires_in_days", "invalid_type"),
        ({"user_id": 1}, "user_id", "unknown_field"),
    ],
)
def test_what_is_not_valid_is_named(as_ann, change, field, code):
    assert problems(as_ann.post("/tokens", json=NEW | change)) == {(f"body.{field}", code)}


def test_a_user_has_at_most_fifty_also_of_two_requests_at_once(as_ann, call_as, ann, engine, stored):
    with engine.begin() as connection:
        row = {"user_id": ann.id, "name": "x", "scopes": ["self"], "created_at": NOON}
        for number in range(tokens.AT_MOST - 1):
            connection.execute(ApiToken.__table__.insert().values(token_hash=bytes([number]) * 32, **row))
    statuses = sorted(answer.status_code for answer in together([lambda: call_as(ann).post("/tokens", json=NEW)] * 2))
    assert (statuses, len(stored())) == ([201, 409], 50)
    answer = as_ann.post("/tokens", json=NEW)
    assert refused(answer, 409, "conflict")
    assert [detail["type"] for detail in answer.json["details"]] == ["too_many_tokens"]
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE api_tokens SET expires_at = :at WHERE id IN (SELECT min(id) FROM api_tokens)"), {"at": NOON}
        )
    assert as_ann.post("/tokens", json=NEW).status_code == 201  # those that have expired do not count


def test_making_and_ending_one_is_recorded_without_the_token(as_root, as_ann, ann, events):
    made = as_ann.post("/tokens", json=NEW).json
    assert as_root.delete(f"/tokens/{made['id']}").status_code == 204
    [created], [revoked] = events("token_created"), events("token_revoked")
    assert created["changes"] == {
        "token_id": made["id"],
        "name": "Nightly",
        "scopes": ["users:read", "self"],
        "expires_at": made["expires_at"],
    }
    assert (created["actor"], created["subject"]) == ({"id": ann.id, "username": "ann"},) * 2
    assert revoked["changes"] == {"token_id": made["id"], "name": "Nightly"}
    assert (revoked["actor"]["username"], revoked["subject"]["username"]) == ("root", "ann")
    assert made["token"] not in f"{created}{revoked}"


# Seen and ended


def test_superusers_see_and_end_others_tokens_and_nobody_else_does(as_root, as_ann, root, ann, make_user, call_as):
    bob = call_as(make_user(username="bob"))
    made, roots = as_ann.post("/tokens", json=NEW).json, as_root.post("/tokens", json=NEW).json
    assert [token["id"] for token in as_root.get(f"/tokens?user_id={ann.id}").json["items"]] == [made["id"]]
    assert [token["id"] for token in as_root.get("/tokens").json["items"]] == [roots["id"]]
    assert [token["id"] for token in as_ann.get(f"/tokens?user_id={ann.id}").json["items"]] == [made["id"]]
    assert refused(as_ann.get(f"/tokens?user_id={root.id}"), 403, "authorization_error")
    assert refused(as_ann.get("/tokens?user_id=999999"), 403, "authorization_error")
    assert refused(as_root.get("/tokens?user_id=999999"), 404, "not_found")
    for nobodys in (made["id"], 999_999):  # alike, whether it exists or not
        assert refused(bob.delete(f"/tokens/{nobodys}"), 404, "not_found")
    assert as_ann.delete(f"/tokens/{made['id']}").status_code == 204
    assert refused(as_ann.delete(f"/tokens/{made['id']}"), 404, "not_found")


def test_a_revoked_token_opens_nothing(api_token, as_ann, ann):
    caller = api_token(ann, "self")
    assert caller.get("/auth/me").status_code == 200
    [token] = as_ann.get("/tokens").json["items"]
    as_ann.delete(f"/tokens/{token['id']}")
    assert refused(caller.get("/auth/me"), 401, "authentication_error")


def test_a_token_expires(api_token, as_ann, ann, clock):
    caller = api_token(ann, "self", expires_in_days=1)
    clock.advance(hours=24, seconds=-1)
    assert caller.get("/auth/me").status_code == 200
    clock.advance(seconds=1)
    assert refused(caller.get("/auth/me"), 401, "authentication_error")


@pytest.mark.parametrize("way", ["change", "delete", "bulk", "import", "psql"])
def test_a_token_ends_with_its_owners_account(
    app, api_token, as_root, root, ann, make_user, engine, session, acting, clock, tmp_path, way
):
    caller, other = api_token(ann, "self"), make_user(username="bob", email="bob@example.org")
    api_token(other, "self")
    if way == "change":
        as_root.patch(f"/users/{ann.id}", json={"is_active": False})
    elif way == "delete":
        as_root.delete(f"/users/{ann.id}")
    elif way == "bulk":
        bulk_changes.change(session, (ann.id, other.id + 1), acting(root), clock.now, is_active=False)
        session.commit()
    elif way == "import":
        (tmp_path / "users.csv").write_text("username,email,is_active\nann,ann@example.org,false\nbob,bob@example.org,true\n")
        command = ["users", "import", str(tmp_path / "users.csv"), "--existing", "update"]
        result = app.test_cli_runner().invoke(args=command)
        assert result.exit_code == 0, result.output
    else:
        with engine.begin() as connection:
            connection.execute(text("UPDATE users SET is_active = false WHERE id = :id"), {"id": ann.id})
    assert refused(caller.get("/auth/me"), 401, "authentication_error")
    if way in ("change", "bulk", "import"):
        as_root.patch(f"/users/{ann.id}", json={"is_active": True})
        assert refused(caller.get("/auth/me"), 401, "authentication_error")
    with engine.connect() as connection:
        query = select(func.count()).where(ApiToken.user_id == other.id)
        assert connection.scalar(query) == 1


def test_a_new_password_leaves_tokens_alone(api_token, as_root, ann):
    caller = api_token(ann, "self")
    as_root.patch(f"/users/{ann.id}", json={"password": "another-good-passphrase"})
    assert caller.get("/auth/me").status_code == 200


# Texts


def test_every_token_has_its_form_and_no_two_are_alike():
    made = {token_format.new() for _ in range(1_000)}
    assert len(made) == 1_000
    assert all(token_format.is_api_token(token) and token_format.is_intact(token) for token in made)


@pytest.mark.parametrize("place", [4, 20, 46, 47, 52])
def test_a_mistyped_token_is_refused_without_a_query(api_token, ann, statements, place):
    caller = api_token(ann, "self")
    token = caller.headers["Authorization"].removeprefix("Bearer ")
    other = "A" if token[place] != "A" else "B"
    statements.clear()
    answer = caller.get("/auth/me", headers={"Authorization": f"Bearer {token[:place]}{other}{token[place + 1 :]}"})
    assert refused(answer, 401, "authentication_error")
    assert statements == []


def test_a_sessions_token_may_begin_like_an_api_token(app, engine, ann, clock):
    token = "rct_" + "x" * 39
    with engine.begin() as connection:
        expires = clock.now + timedelta(hours=1)
        row = {"user_id": ann.id, "token_hash": accounts.digest(token), "expires_at": expires}
        connection.execute(UserSession.__table__.insert().values(row))
    answer = app.test_client().get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


# Scopes


def routes(app):
    """``(endpoint, method, path)`` of every route that is not open to anyone."""
    for rule in app.url_map.iter_rules():
        access = getattr(app.view_functions[rule.endpoint], "access", "anyone")
        if access != "anyone" and rule.rule.startswith(("/api/", "/metrics")):
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield rule.endpoint, method, "/" + re.sub(r"<user_id:\w+>", "{id}", rule.rule)


def test_every_route_says_which_scope_opens_it(app):
    endpoints = {endpoint for endpoint, *_ in routes(app)}
    assert endpoints == scopes.OPENED_BY.keys() | scopes.BY_SESSION_ONLY
    assert not scopes.OPENED_BY.keys() & scopes.BY_SESSION_ONLY
    assert scopes.OPENED_BY.keys() >= scopes.OF_ONESELF
    for endpoint in endpoints:  # what a guard looks its scopes up by
        assert app.view_functions[endpoint].endpoint == endpoint
    assert set(scopes.OPENED_BY.values()) | {Scope.SCIM} == set(Scope)


@pytest.mark.parametrize("scope", Scope)
def test_a_scope_opens_its_routes_and_no_other(app, api_token, root, ann, scope):
    caller = api_token(root, scope)
    for endpoint, method, path in routes(app):
        answer = caller(method, path.format(id=ann.id), json=None if method == "GET" else {})
        opening = scopes.OPENED_BY.get(endpoint)
        if scope is opening:
            assert answer.status_code not in (401, 403), endpoint
        else:
            assert refused(answer, 403, "insufficient_scope"), endpoint
            named = f', scope="{opening}"' if opening else ""
            assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope"{named}'
            assert (str(opening) if opening else "API tokens cannot") in answer.json["message"]


def test_self_is_ones_own_account_and_no_other(api_token, root, ann):
    caller = api_token(root, "self")
    assert caller.get("/auth/me").json["username"] == "root"
    assert caller.get(f"/users/{root.id}").status_code == 200
    assert caller.patch(f"/users/{root.id}", json={"full_name": "Root"}).json["full_name"] == "Root"
    for method in ("GET", "PATCH"):
        assert refused(caller(method, f"/users/{ann.id}", json={}), 403, "insufficient_scope")


def test_a_token_has_no_more_rights_than_its_owner_has_now(app, api_token, as_root, make_user, ann, root):
    boss = make_user(username="boss", is_superuser=True)
    caller = api_token(boss, *Scope)
    assert caller.get("/users").status_code == 200
    as_root.patch(f"/users/{boss.id}", json={"is_superuser": False})
    superusers = [route for route in routes(app) if getattr(app.view_functions[route[0]], "access", "") != "signed_in"]
    for endpoint, method, path in superusers:
        answer = caller(method, path.format(id=ann.id), json=None if method == "GET" else {})
        assert refused(answer, 403, "authorization_error"), endpoint
    assert caller.get(f"/users/{boss.id}").status_code == 200
    as_root.patch(f"/users/{boss.id}", json={"is_superuser": True})
    assert caller.get("/users").status_code == 200


def test_the_document_names_the_scopes(app):
    document = app.test_client().get("/openapi.json").json
    paths = document["paths"]
    assert paths["/api/v1/users"]["get"]["security"] == [{"bearer": []}, {"api_token": ["users:read"]}]
    assert paths["/api/v1/users/{user_id}"]["patch"]["security"] == [
        {"bearer": []},
        {"api_token": ["users:write"]},
        {"api_token": ["self"]},
    ]
    assert paths["/api/v1/tokens"]["post"]["security"] == [{"bearer": []}]


# Last use


def test_last_use_is_written_at_most_once_a_minute(api_token, ann, stored, statements, clock):
    caller = api_token(ann, "self")
    counts = []
    for seconds in (0, 30, 29, 1):
        clock.advance(seconds=seconds)
        statements.clear()
        assert caller.get("/auth/me").status_code == 200
        counts.append((len(statements), (stored()[0].last_used_at - NOON).total_seconds()))
    assert counts == [(3, 0), (2, 0), (2, 0), (3, 60)]


def test_last_use_waits_for_nobody(api_token, ann, engine, stored):
    caller = api_token(ann, "self")
    with engine.connect() as other:
        other.execute(select(ApiToken.id).with_for_update())
        assert caller.get("/auth/me").status_code == 200
    assert stored()[0].last_used_at is None


def test_a_token_reads_on_a_server_that_can_only_be_read(make_app, database_url, api_token, ann):
    separator = "&" if "?" in database_url else "?"
    read_only = make_app(database_url=f"{database_url}{separator}options=-c%20default_transaction_read_only%3Don")
    assert api_token(ann, "self", on=read_only).get("/auth/me").status_code == 200
