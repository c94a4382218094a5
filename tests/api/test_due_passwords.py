"""Passwords that have to be changed at the next log-in: who says so, what a log-in then answers, and how it is lifted."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from browser import Browser
from facts import PASSWORD
from rollcall.models import SecurityEvent, User, UserSession
from rollcall.services.identity import attempts

CHOSEN = "chosen-by-an-administrator"
OWN = "known-to-ann-and-nobody-else"


@pytest.fixture
def due(as_root, ann):
    """Ann, whose password an administrator has set and wants changed."""
    answer = as_root.patch(f"/users/{ann.id}", json={"password": CHOSEN, "must_change_password": True})
    assert answer.status_code == 200, answer.text
    return ann


def log_in(caller, password=CHOSEN, **more):
    return caller.post("/auth/login", json={"username": "ann", "password": password, **more})


def stored(session, user):
    session.rollback()
    return session.scalars(select(User.must_change_password).where(User.id == user.id)).one()


def test_right_password_alone_opens_no_session(due, nobody, session):
    answer = log_in(nobody)
    assert (answer.status_code, answer.json["error"]) == (403, "authorization_error")
    [detail] = answer.json["details"]
    assert (detail["type"], detail["field"]) == ("password_change_required", "body.new_password")
    assert session.scalars(select(UserSession).where(UserSession.user_id == due.id)).all() == []
    reason = select(SecurityEvent.changes).where(SecurityEvent.type == "login_failed")
    assert session.scalars(reason).one() == {"reason": "password_change_required"}


def test_wrong_password_is_answered_as_ever(due, nobody):
    assert log_in(nobody, "not-the-password").status_code == 401
    assert log_in(nobody, "not-the-password", new_password=OWN).status_code == 401
    answer = nobody.post("/auth/login", json={"username": "nobody", "password": CHOSEN, "new_password": OWN})
    assert answer.status_code == 401


def test_new_password_in_the_same_request_opens_a_session(due, nobody, session):
    answer = log_in(nobody, new_password=OWN)
    assert answer.status_code == 200, answer.text
    assert nobody.get("/auth/me", headers={"Authorization": f"Bearer {answer.json['access_token']}"}).status_code == 200
    assert log_in(nobody, OWN).status_code == 200
    assert log_in(nobody).status_code == 401
    assert stored(session, due) is False
    events = session.execute(select(SecurityEvent.type, SecurityEvent.actor_id, SecurityEvent.changes).order_by(SecurityEvent.id))
    assert [tuple(event) for event in events][:3] == [
        ("password_changed", 1, {"password": True, "must_change_password": True}),
        ("password_changed", due.id, {"password": True}),
        ("login_succeeded", due.id, {}),
    ]


@pytest.mark.parametrize(
    ("new", "code"),
    [(CHOSEN, "same_password"), ("ann-lee-2024", "too_personal"), ("short", "too_short"), ("password1", "too_common")],
)
def test_new_password_has_to_be_another_and_a_good_one(due, nobody, session, new, code):
    answer = log_in(nobody, new_password=new)
    assert answer.status_code == 422
    assert [(each["field"], each["type"]) for each in answer.json["details"]] == [("body.new_password", code)]
    assert stored(session, due) is True


def test_new_password_that_nobody_asks_for_is_refused(ann, nobody):
    answer = log_in(nobody, PASSWORD, new_password=OWN)
    assert [(each["field"], each["type"]) for each in answer.json["details"]] == [("body.new_password", "not_due")]
    assert log_in(nobody, PASSWORD).status_code == 200


def test_deactivated_user_gets_no_further(due, as_root, nobody):
    as_root.patch(f"/users/{due.id}", json={"is_active": False})
    for more in ({}, {"new_password": OWN}):
        answer = log_in(nobody, **more)
        assert (answer.status_code, answer.json["message"]) == (403, "This account is deactivated.")


def test_right_password_counts_as_no_failure(due, make_app, call_as):
    on = make_app(rate_limit_enabled=True)
    statuses = [
        on.test_client().post("/api/v1/auth/login", json={"username": "ann", "password": CHOSEN}).status_code for _ in range(12)
    ]
    assert set(statuses) == {403}
    assert len(statuses) > attempts.PER_WINDOW


def test_it_is_said_with_a_password_alone_and_of_others_alone(as_root, as_ann, ann, root):
    answer = as_root.patch(f"/users/{ann.id}", json={"must_change_password": True})
    assert [(each["field"], each["type"]) for each in answer.json["details"]] == [("body.must_change_password", "needs_password")]
    own = {"password": OWN, "current_password": PASSWORD, "must_change_password": True}
    assert as_root.patch(f"/users/{root.id}", json=own).status_code == 403
    assert as_ann.patch(f"/users/{ann.id}", json=own).status_code == 403
    assert as_root.patch(f"/users/{ann.id}", json={"must_change_password": "yes"}).status_code == 422


def test_new_users_can_be_asked_too(as_root, nobody, session):
    new = {"username": "ann", "email": "ann@example.org", "password": CHOSEN, "must_change_password": True}
    assert as_root.post("/users", json=new).status_code == 201
    assert log_in(nobody).status_code == 403
    assert log_in(nobody, new_password=OWN).status_code == 200
    bulk = [{"username": "bob", "email": "bob@example.org", "must_change_password": True}]
    answer = as_root.post("/users/bulk", json=bulk)
    assert [(each["field"], each["type"]) for each in answer.json["details"]] == [
        ("body.0.must_change_password", "needs_password")
    ]
    bulk[0]["password"] = CHOSEN
    assert as_root.post("/users/bulk", json=bulk).status_code == 201
    assert session.scalars(select(User.must_change_password).where(User.username == "bob")).one() is True


def test_another_password_without_the_wish_lifts_it(due, as_root, nobody, session):
    as_root.patch(f"/users/{due.id}", json={"password": OWN})
    assert log_in(nobody, OWN).status_code == 200


def test_nobody_registers_so(nobody):
    new = {"username": "ann", "email": "ann@example.org", "password": OWN, "must_change_password": True}
    assert nobody.post("/auth/register", json=new).status_code == 422


# On the pages


def test_log_in_on_the_page_leads_to_the_form_for_a_new_password(due, app, session):
    browser = Browser(app.test_client())
    page = browser.log_in("ann", CHOSEN)
    assert "An administrator has set your present password" in page.text
    for wrong, problem in ((CHOSEN, "present password"), ("short", "at least 8")):
        refused = browser.press(page, "Set the password", password=wrong, password_again=wrong)
        assert problem in refused.problem("password")
    page = browser.press(page, "Set the password", password=OWN, password_again=OWN)
    assert page.address == "/login"
    assert browser.log_in("ann", OWN).address == "/profile"
    assert stored(session, due) is False


def test_that_form_is_good_for_fifteen_minutes(due, app, clock):
    browser = Browser(app.test_client())
    page = browser.log_in("ann", CHOSEN)
    clock.advance(minutes=15)
    assert browser.press(page, "Set the password", password=OWN, password_again=OWN).status == 404


def test_password_that_is_replaced_during_the_log_in_gives_no_form(due, app, engine):
    browser = Browser(app.test_client())
    page = browser.log_in("ann", CHOSEN)
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET password_hash = NULL WHERE id = :id"), {"id": due.id})
    assert browser.log_in("ann", CHOSEN).status == 401
    assert page.status == 200


def test_superusers_say_so_in_a_box(root, ann, app, sign_in, session):
    browser = Browser(app.test_client())
    with browser.client.session_transaction() as cookie:
        cookie["token"] = sign_in(root)["Authorization"].removeprefix("Bearer ")
    form = browser.open(f"/dashboard/users/{ann.id}/password")
    typed = {"password": CHOSEN, "password_again": CHOSEN, "must_change_password": "true"}
    page = browser.press(form, "Set the password", **typed)
    assert page.toast == "ann has a new password, and is logged out everywhere. A new one is asked for at the next log-in."
    assert "set; must be changed at the next log-in" in page.text
    assert "set a new password and asked for another one at the next log-in" in page.text
    assert stored(session, ann) is True
    browser.press(form, "Set the password", **(typed | {"must_change_password": None}))
    assert stored(session, ann) is False
    new = {"username": "bob", "email": "bob@example.org"} | typed
    browser.press(browser.open("/dashboard/users/new"), "Create the user", **new)
    assert session.scalars(select(User.must_change_password).where(User.username == "bob")).one() is True
    own = browser.open("/profile/password")
    assert not list(own.root.all("input", name="must_change_password"))


def test_operator_says_so_too(app, ann, session):
    args = ["users", "set-password", "ann", "--password-stdin", "--must-change"]
    result = app.test_cli_runner().invoke(args=args, input=CHOSEN + "\n")
    assert result.exit_code == 0, result.output
    assert stored(session, ann) is True
