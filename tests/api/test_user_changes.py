"""``PATCH /api/v1/users/{id}``: who may change which field, and what a change ends."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select

from answers import problems, refused
from rollcall.models import User
from threads import together

PASSWORD = "correct-horse-battery"
NEW_PASSWORD = "another-fine-passphrase"


def own(field, value):
    """The body with which a user changes an own field: a new e-mail address needs the current password."""
    return {field: value} | ({"current_password": PASSWORD} if field == "email" else {})


def stored(session, user):
    session.expire_all()
    return session.get(User, user.id)


@pytest.mark.parametrize(
    ("field", "value"), [("email", "new@example.org"), ("username", "new"), ("full_name", "New Name"), ("full_name", None)]
)
def test_user_changes_the_own_fields(as_ann, ann, session, field, value):
    answer = as_ann.patch(f"/users/{ann.id}", json=own(field, value))
    assert answer.status_code == 200
    assert answer.json[field] == value
    assert getattr(stored(session, ann), field) == value


def test_fields_left_out_stay_as_they_are(as_ann, ann):
    before = as_ann.get("/auth/me").json
    after = as_ann.patch(f"/users/{ann.id}", json={"full_name": "New Name"}).json
    assert {name for name in after if after[name] != before[name]} == {"full_name", "updated_at"}


def test_change_moves_updated_at_and_not_created_at(as_ann, ann, clock):
    clock.advance(hours=2)
    after = as_ann.patch(f"/users/{ann.id}", json={"full_name": "New Name"}).json
    assert (after["created_at"], after["updated_at"]) == ("2026-03-11T12:00:00+00:00", "2026-03-11T14:00:00+00:00")


@pytest.mark.parametrize("body", [{}, {"full_name": "Ann Lee"}, {"current_password": PASSWORD}])
def test_change_to_what_is_already_there_changes_nothing(as_ann, ann, clock, body):
    clock.advance(hours=2)
    answer = as_ann.patch(f"/users/{ann.id}", json=body)
    assert answer.status_code == 200
    assert answer.json["updated_at"] == "2026-03-11T12:00:00+00:00"


@pytest.mark.parametrize("field", ["is_active", "is_superuser"])
@pytest.mark.parametrize("value", [True, False])
def test_plain_user_cannot_send_the_fields_of_superusers(as_ann, ann, session, field, value):
    before = stored(session, ann).is_active, stored(session, ann).is_superuser
    answer = as_ann.patch(f"/users/{ann.id}", json={field: value, "full_name": "X"})
    assert refused(answer, 403, "authorization_error")
    after = stored(session, ann)
    assert (after.is_active, after.is_superuser, after.full_name) == (*before, "Ann Lee")


def test_plain_user_changes_no_other(as_ann, root, session):
    assert refused(as_ann.patch(f"/users/{root.id}", json={"full_name": "X"}), 403, "authorization_error")
    assert stored(session, root).full_name is None


def test_superuser_changes_every_field_of_another(as_root, ann):
    wanted = {"email": "n@example.org", "username": "new", "full_name": "N", "is_active": False, "is_superuser": True}
    answer = as_root.patch(f"/users/{ann.id}", json=wanted)
    assert answer.status_code == 200
    assert {name: answer.json[name] for name in wanted} == wanted


@pytest.mark.parametrize("field", ["id", "created_at", "updated_at", "password_hash", "nickname"])
def test_unknown_field_is_refused(as_root, ann, field):
    answer = as_root.patch(f"/users/{ann.id}", json={field: "x", "full_name": "X"})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "unknown_field")}


@pytest.mark.parametrize("field", ["email", "username", "password", "current_password", "is_active", "is_superuser"])
def test_null_is_refused_where_a_value_is_needed(as_root, ann, field):
    answer = as_root.patch(f"/users/{ann.id}", json={field: None})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", "null")}


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("email", "nobody", "invalid_format"),
        ("username", "a b", "invalid_characters"),
        ("full_name", "x" * 101, "too_long"),
        ("password", "short", "too_short"),
        ("password", "iloveyou1", "too_common"),
        ("current_password", 5, "invalid_type"),
        ("is_active", "false", "invalid_type"),
    ],
)
def test_invalid_value_is_refused(as_root, ann, field, value, kind):
    answer = as_root.patch(f"/users/{ann.id}", json={field: value})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"body.{field}", kind)}


@pytest.mark.parametrize(("field", "value"), [("email", "ROOT@example.org"), ("username", "Root")])
def test_taken_name_is_a_conflict(as_ann, ann, root, session, field, value):
    answer = as_ann.patch(f"/users/{ann.id}", json=own(field, value) | {"full_name": "X"})
    assert refused(answer, 409, "conflict")
    assert problems(answer) == {(f"body.{field}", "taken")}
    assert stored(session, ann).full_name == "Ann Lee"


@pytest.mark.parametrize(("field", "value"), [("email", "Ann@example.org"), ("username", "ANN")])
def test_own_name_may_change_its_case(as_ann, ann, field, value):
    assert as_ann.patch(f"/users/{ann.id}", json=own(field, value)).json[field] == value


@pytest.mark.parametrize(("field", "value"), [("username", "wanted"), ("email", "wanted@example.org")])
def test_of_two_requests_at_once_for_one_name_one_gets_it(root, make_user, call_as, make_app, session, field, value):
    app = make_app(pool_size=8)
    users = [make_user() for _ in range(6)]
    callers = [call_as(user, on=app) for user in users]
    answers = together(
        [partial(caller.patch, f"/users/{user.id}", json=own(field, value)) for caller, user in zip(callers, users, strict=True)]
    )
    assert sorted(answer.status_code for answer in answers) == [200] + 5 * [409]
    assert len(session.scalars(select(User).where(getattr(User, field) == value)).all()) == 1


@pytest.mark.parametrize(("given", "kind"), [({}, "missing"), ({"current_password": "wrong"}, "wrong_password")])
@pytest.mark.parametrize("who", ["as_ann", "as_root"])
def test_own_address_needs_the_current_password(request, who, given, kind):
    caller = request.getfixturevalue(who)
    me = caller.get("/auth/me").json
    answer = caller.patch(f"/users/{me['id']}", json={"email": "new@example.org", "full_name": "X"} | given)
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {("body.current_password", kind)}
    assert caller.get("/auth/me").json == me


def test_a_new_own_address_ends_the_other_sessions(ann, call_as):
    here, elsewhere = call_as(ann), call_as(ann)
    assert here.patch(f"/users/{ann.id}", json=own("email", "new@example.org")).status_code == 200
    assert here.get("/auth/me").json["email"] == "new@example.org"
    assert refused(elsewhere.get("/auth/me"), 401, "authentication_error")


def test_a_superuser_changes_the_address_of_another_without_a_password(as_root, ann, call_as):
    theirs = call_as(ann)
    assert as_root.patch(f"/users/{ann.id}", json={"email": "new@example.org"}).status_code == 200
    assert theirs.get("/auth/me").status_code == 200


def test_own_password_needs_the_current_one(as_ann, ann, nobody):
    answer = as_ann.patch(f"/users/{ann.id}", json={"password": NEW_PASSWORD})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {("body.current_password", "missing")}
    assert nobody.post("/auth/login", json={"username": "ann", "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("wrong", ["", PASSWORD.upper(), PASSWORD + " ", "x" * 1000, "\0", "\ud800"])
def test_own_password_is_not_changed_with_a_wrong_one(as_ann, ann, wrong):
    answer = as_ann.patch(f"/users/{ann.id}", json={"password": NEW_PASSWORD, "current_password": wrong, "full_name": "X"})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {("body.current_password", "wrong_password")}
    assert as_ann.get("/auth/me").json["full_name"] == "Ann Lee"


def test_superuser_needs_the_current_password_for_the_own_one(as_root, root):
    answer = as_root.patch(f"/users/{root.id}", json={"password": NEW_PASSWORD})
    assert problems(answer) == {("body.current_password", "missing")}
    changed = as_root.patch(f"/users/{root.id}", json={"password": NEW_PASSWORD, "current_password": PASSWORD})
    assert changed.status_code == 200


def test_superuser_sets_anothers_password_without_it(as_root, ann, nobody):
    assert as_root.patch(f"/users/{ann.id}", json={"password": NEW_PASSWORD}).status_code == 200
    assert nobody.post("/auth/login", json={"username": "ann", "password": NEW_PASSWORD}).status_code == 200
    assert nobody.post("/auth/login", json={"username": "ann", "password": PASSWORD}).status_code == 401


def test_own_password_change_ends_all_sessions_but_its_own(call_as, ann, nobody):
    here, there = call_as(ann), call_as(ann)
    answer = here.patch(f"/users/{ann.id}", json={"password": NEW_PASSWORD, "current_password": PASSWORD})
    assert answer.status_code == 200
    assert here.get("/auth/me").status_code == 200
    assert there.get("/auth/me").status_code == 401
    assert nobody.post("/auth/login", json={"username": "ann", "password": NEW_PASSWORD}).status_code == 200
    assert nobody.post("/auth/login", json={"username": "ann", "password": PASSWORD}).status_code == 401


def test_password_set_by_a_superuser_ends_all_of_the_users_sessions_and_no_other(as_root, as_ann, ann):
    as_root.patch(f"/users/{ann.id}", json={"password": NEW_PASSWORD})
    assert as_ann.get("/auth/me").status_code == 401
    assert as_root.get("/auth/me").status_code == 200


def test_deactivation_ends_the_sessions_at_once_and_for_good(as_root, as_ann, ann):
    as_root.patch(f"/users/{ann.id}", json={"is_active": False})
    assert refused(as_ann.get("/auth/me"), 401, "authentication_error")
    as_root.patch(f"/users/{ann.id}", json={"is_active": True})
    assert as_ann.get("/auth/me").status_code == 401


@pytest.mark.parametrize("body", [{"full_name": "X"}, {"email": "x@example.org"}, {"is_superuser": True}, {"is_active": True}])
def test_other_changes_end_no_session(as_root, as_ann, ann, body):
    assert as_root.patch(f"/users/{ann.id}", json=body).status_code == 200
    assert as_ann.get("/auth/me").status_code == 200


def test_refused_password_change_ends_no_session(call_as, ann, root):
    here, there = call_as(ann), call_as(ann)
    body = {"password": NEW_PASSWORD, "current_password": PASSWORD, "username": "root"}
    assert refused(here.patch(f"/users/{ann.id}", json=body), 409, "conflict")
    assert there.get("/auth/me").status_code == 200
    assert here.post("/auth/login", json={"username": "ann", "password": PASSWORD}).status_code == 200


def test_promoted_and_demoted_user_may_at_once_more_and_less(as_root, as_ann, ann):
    as_root.patch(f"/users/{ann.id}", json={"is_superuser": True})
    assert as_ann.get("/users").status_code == 200
    as_root.patch(f"/users/{ann.id}", json={"is_superuser": False})
    assert refused(as_ann.get("/users"), 403, "authorization_error")
