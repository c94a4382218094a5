"""Who may call what, on every route there is; and the last active superuser, who stays whatever happens."""

from __future__ import annotations

import re
from functools import partial

import pytest
from sqlalchemy import select, text

from answers import problems, refused
from rollcall.errors import LastSuperuser
from rollcall.models import User
from rollcall.services.users import directory
from threads import together, wait_until_blocked

RULES = {"anyone", "signed_in", "superuser", "self_or_superuser"}
API = "/api/v1/"


def routes(app, *rules):
    """``(method, path)`` of every route of the API with one of these access rules."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(API) and getattr(app.view_functions[rule.endpoint], "access", None) in rules:
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield method, "/" + re.sub(r"<user_id:\w+>", "1", rule.rule.removeprefix(API))


def active_superusers(session):
    session.rollback()
    return set(session.scalars(select(User.id).where(User.is_active, User.is_superuser)))


def test_every_route_of_the_api_says_who_may_call_it(app):
    unmarked = [
        str(rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(API) and getattr(app.view_functions[rule.endpoint], "access", None) not in RULES
    ]
    assert unmarked == []


CONTRACT = {
    ("POST", "/auth/register"): "anyone",
    ("POST", "/auth/login"): "anyone",
    ("POST", "/auth/forgot-password"): "anyone",
    ("POST", "/auth/logout"): "signed_in",
    ("GET", "/auth/me"): "signed_in",
    ("GET", "/tokens"): "signed_in",
    ("POST", "/tokens"): "signed_in",
    ("DELETE", "/tokens/1"): "signed_in",
    ("GET", "/users"): "superuser",
    ("POST", "/users"): "superuser",
    ("POST", "/users/bulk"): "superuser",
    ("GET", "/users/1"): "self_or_superuser",
    ("PATCH", "/users/1"): "self_or_superuser",
    ("DELETE", "/users/1"): "superuser",
    ("GET", "/users/export"): "superuser",
    ("GET", "/users/1/changes"): "superuser",
    ("POST", "/users/1/password-link"): "superuser",
    ("POST", "/users/password-links"): "superuser",
    ("POST", "/operations/1/undo"): "superuser",
    ("GET", "/events"): "superuser",
    ("GET", "/dashboard/stats"): "superuser",
    ("GET", "/dashboard/signups"): "superuser",
    ("GET", "/metrics/database"): "superuser",
}


def test_routes_and_who_may_call_them_are_those_of_the_contract(app):
    assert {route: rule for rule in RULES for route in routes(app, rule)} == CONTRACT


def test_nobody_is_asked_to_sign_in(app, nobody):
    for method, path in routes(app, "signed_in", "superuser", "self_or_superuser"):
        answer = nobody(method, path)
        assert refused(answer, 401, "authentication_error"), path
        assert answer.headers["WWW-Authenticate"] == "Bearer", path


def test_plain_user_gets_nothing_of_superusers(app, root, as_ann):
    for method, path in routes(app, "superuser"):
        assert refused(as_ann(method, path, json={}), 403, "authorization_error"), path


def test_plain_user_gets_nothing_of_others(app, root, as_ann):
    for method, path in routes(app, "self_or_superuser"):
        assert refused(as_ann(method, path, json={}), 403, "authorization_error"), path


def test_head_and_options_open_no_door(app, nobody, as_ann):
    for method, path in routes(app, "superuser"):
        if method == "GET":
            assert nobody("HEAD", path).status_code == 401, path
            assert as_ann("HEAD", path).status_code == 403, path
        assert nobody("OPTIONS", path).data == b"", path


def test_access_is_decided_before_the_body_is_read(nobody, as_ann, root):
    for caller, status, code in ((nobody, 401, "authentication_error"), (as_ann, 403, "authorization_error")):
        answer = caller.post("/users", data=b"{", content_type="text/plain")
        assert refused(answer, status, code)


def test_unknown_parameter_is_refused_on_every_route(app, as_root, root):
    for method, path in routes(app, *RULES):
        answer = as_root(method, f"{path}?nonsense=1", json={})
        assert refused(answer, 422, "validation_error"), path
        assert problems(answer) == {("query.nonsense", "unknown_field")}, path


def test_another_method_cannot_be_smuggled_in(as_ann, ann, session):
    as_ann.get(f"/users/{ann.id}", headers={"X-HTTP-Method-Override": "DELETE"})
    assert session.get(User, ann.id) is not None


TAKE_AWAY = {
    "delete": ("DELETE", None),
    "deactivate": ("PATCH", {"is_active": False}),
    "demote": ("PATCH", {"is_superuser": False}),
    "both": ("PATCH", {"is_active": False, "is_superuser": False, "full_name": "X"}),
}


@pytest.mark.parametrize(("method", "body"), TAKE_AWAY.values(), ids=TAKE_AWAY)
def test_last_active_superuser_cannot_take_the_own_place_away(as_root, root, session, method, body):
    answer = as_root(method, f"/users/{root.id}", json=body)
    assert refused(answer, 409, "conflict")
    assert active_superusers(session) == {root.id}
    assert session.get(User, root.id).full_name is None
    assert as_root.get("/auth/me").status_code == 200


@pytest.mark.parametrize(("method", "body"), TAKE_AWAY.values(), ids=TAKE_AWAY)
def test_inactive_superusers_and_plain_users_do_not_count(as_root, root, ann, make_user, session, method, body):
    make_user(is_superuser=True, is_active=False)
    assert refused(as_root(method, f"/users/{root.id}", json=body), 409, "conflict")
    assert active_superusers(session) == {root.id}


@pytest.mark.parametrize(("method", "body"), TAKE_AWAY.values(), ids=TAKE_AWAY)
def test_superuser_who_cannot_log_in_is_no_reason_to_go(as_root, root, make_user, session, method, body):
    other = make_user(is_superuser=True, password_hash=None)
    assert refused(as_root(method, f"/users/{root.id}", json=body), 409, "conflict")
    assert active_superusers(session) == {root.id, other.id}
    assert as_root(method, f"/users/{other.id}", json=body).status_code in (200, 204)


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_superuser": False}])
def test_operator_does_not_take_the_last_superuser_away_either(session, make_user, change):
    last = make_user(is_superuser=True, password_hash=None)
    with pytest.raises(LastSuperuser):
        directory.change_user(session, last.id, change, None, last.created_at)


@pytest.mark.parametrize(("method", "body"), TAKE_AWAY.values(), ids=TAKE_AWAY)
def test_superuser_who_is_not_the_last_may_go(as_root, root, make_user, session, method, body):
    other = make_user(is_superuser=True)
    assert as_root(method, f"/users/{root.id}", json=body).status_code in (200, 204)
    assert active_superusers(session) == {other.id}


@pytest.mark.parametrize(("method", "body"), TAKE_AWAY.values(), ids=TAKE_AWAY)
def test_superuser_takes_another_away(as_root, root, make_user, session, method, body):
    other = make_user(is_superuser=True)
    assert as_root(method, f"/users/{other.id}", json=body).status_code in (200, 204)
    assert active_superusers(session) == {root.id}


def test_other_fields_of_the_last_superuser_may_change(as_root, root):
    body = {"full_name": "Root", "is_active": True, "is_superuser": True}
    assert as_root.patch(f"/users/{root.id}", json=body).status_code == 200


def test_inactive_superuser_may_be_demoted_and_deleted(as_root, make_user):
    former = make_user(is_superuser=True, is_active=False)
    assert as_root.patch(f"/users/{former.id}", json={"is_superuser": False}).status_code == 200
    assert as_root.delete(f"/users/{former.id}").status_code == 204


@pytest.mark.parametrize("crossed", [True, False], ids=["each_other", "themselves"])
@pytest.mark.parametrize(("first", "second"), [("delete", "delete"), ("demote", "deactivate"), ("deactivate", "delete")])
def test_two_superusers_at_once_leave_one(make_app, make_user, call_as, session, crossed, first, second):
    app = make_app(pool_size=4)
    for _ in range(7):  # forty-two races in all, of which a missing lock loses some
        pair = [make_user(is_superuser=True) for _ in range(2)]
        targets = pair[::-1] if crossed else pair
        calls = []
        for user, target, way in zip(pair, targets, (first, second), strict=True):
            method, body = TAKE_AWAY[way]
            calls.append(partial(call_as(user, on=app), method, f"/users/{target.id}", json=body))
        statuses = [answer.status_code for answer in together(calls)]
        assert len(active_superusers(session)) == 1, statuses
        # The one who came second is refused, or has lost the session by then.
        assert sum(status in (200, 204) for status in statuses) == 1, statuses
        assert set(statuses) <= {200, 204, 401, 403, 404, 409}, statuses
        session.execute(text("DELETE FROM users"))
        session.commit()


def test_second_of_two_waits_for_what_the_first_does(make_user, make_app, call_as, session, engine):
    first, second = (make_user(is_superuser=True) for _ in range(2))
    app = make_app(pool_size=4)
    calls = [partial(call_as(user, on=app).delete, f"/users/{user.id}") for user in (first, second)]
    session.execute(select(User).with_for_update())  # both requests get past their access check, and wait

    def release():
        wait_until_blocked(engine, 2)
        session.rollback()

    answers = together([*calls, release])[:2]
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert len(active_superusers(session)) == 1


def test_operator_deactivates_a_plain_user_also_where_there_is_no_superuser(session, make_user):
    plain = make_user()
    assert not directory.change_user(session, plain.id, {"is_active": False}, None, plain.created_at).is_active
