"""A new address of one's own counts once the link that was mailed to it is opened."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from browser import Browser
from facts import PASSWORD
from rollcall.models import SecurityEvent, User, UserSession

NEW = "new@example.org"


@pytest.fixture
def ann_there(mailing, call_as, ann):
    return call_as(ann, mailing)


def change(caller, user, **more):
    return caller.patch(f"/users/{user.id}", json={"email": NEW, "current_password": PASSWORD, **more})


def link_in(message) -> str:
    [link] = [line for line in message.get_body(("plain",)).get_content().splitlines() if line.startswith("https://")]
    return link


def confirm(browser: Browser, link: str):
    page = browser.press(browser.open("/email"), "Continue", token=link)
    return browser.press(page, "Confirm") if page.status == 200 else page


def stored(session, user):
    session.rollback()
    return tuple(session.execute(select(User.email, User.username).where(User.id == user.id)).one())


def test_the_old_address_stays_until_the_new_one_is_confirmed(ann_there, ann, box, deliver, visitor, session):
    answer = change(ann_there, ann)
    assert (answer.status_code, answer.json["email"]) == (200, "ann@example.org")
    deliver()
    [message] = box.to(NEW)
    assert link_in(message).startswith("https://people.example.org/email#")
    page = visitor.press(visitor.open("/email"), "Continue", token=link_in(message))
    assert "new@example.org becomes the address of the account ann , in place of ann@example.org" in page.text
    assert stored(session, ann) == ("ann@example.org", "ann")
    page = visitor.press(page, "Confirm")
    assert page.toast == "The address of ann is new@example.org now. Log in again."
    assert stored(session, ann) == (NEW, "ann")
    assert session.scalars(select(UserSession).where(UserSession.user_id == ann.id)).all() == []
    told = select(SecurityEvent.type, SecurityEvent.actor_id, SecurityEvent.changes).where(SecurityEvent.type == "user_changed")
    assert tuple(session.execute(told).one()) == ("user_changed", ann.id, {"email": ["ann@example.org", NEW]})
    assert confirm(visitor, link_in(message)).status == 404


def test_a_username_that_is_the_address_follows(mailing, call_as, make_user, box, deliver, visitor, session):
    user = make_user(username="x@example.org", email="x@example.org")
    assert change(call_as(user, mailing), user).status_code == 200
    deliver()
    confirm(visitor, link_in(box.accepted[0]))
    assert stored(session, user) == (NEW, NEW)


def test_other_fields_count_at_once(ann_there, ann, queued):
    answer = change(ann_there, ann, full_name="Ann Other")
    assert (answer.json["full_name"], answer.json["email"]) == ("Ann Other", "ann@example.org")
    assert [mail.address for mail in queued()] == [NEW]


def test_a_new_password_beside_it_counts_at_once(ann_there, ann, mailing, box, deliver, visitor, session):
    assert change(ann_there, ann, password="a-fine-new-passphrase").status_code == 200
    deliver()
    confirm(visitor, link_in(box.accepted[0]))
    assert stored(session, ann)[0] == NEW


@pytest.mark.parametrize(("current", "code"), [("wrong-password", "wrong_password"), (None, "missing")])
def test_the_current_password_is_needed(ann_there, ann, queued, current, code):
    body = {"email": NEW} | ({"current_password": current} if current else {})
    answer = ann_there.patch(f"/users/{ann.id}", json=body)
    assert [(each["field"], each["type"]) for each in answer.json["details"]] == [("body.current_password", code)]
    assert queued() == []


def test_an_address_of_somebody_else_is_refused_now_and_later(ann_there, ann, make_user, box, deliver, visitor, session):
    change(ann_there, ann)
    deliver()
    make_user(email=NEW)
    page = confirm(visitor, link_in(box.accepted[0]))
    assert (page.status, "already in use" in page.text) == (409, True)
    assert stored(session, ann)[0] == "ann@example.org"
    answer = change(ann_there, ann)
    assert (answer.status_code, answer.json["details"][0]["field"]) == (409, "body.email")


def test_a_newer_wish_ends_the_older_one(ann_there, ann, box, deliver, visitor, session):
    change(ann_there, ann)
    change(ann_there, ann, email="newer@example.org")
    deliver()
    [message] = box.accepted
    assert message["To"] == "newer@example.org"
    confirm(visitor, link_in(message))
    assert stored(session, ann)[0] == "newer@example.org"


def test_the_link_is_good_for_a_day(ann_there, ann, box, deliver, visitor, clock):
    change(ann_there, ann)
    deliver()
    clock.advance(days=1)
    assert confirm(visitor, link_in(box.accepted[0])).status == 404


def test_a_password_link_confirms_nothing_and_the_other_way_round(ann_there, root_there, ann, box, deliver, visitor):
    url = root_there.post(f"/users/{ann.id}/password-link?mail=false").json["url"]
    change(ann_there, ann)
    deliver()
    assert confirm(visitor, url).status == 404
    assert visitor.press(visitor.open("/password"), "Continue", token=link_in(box.accepted[0])).status == 404


def test_what_a_superuser_sets_for_others_counts_at_once(root_there, ann, session):
    root_there.patch(f"/users/{ann.id}", json={"email": NEW})
    assert stored(session, ann)[0] == NEW


def test_a_deactivated_user_confirms_nothing(ann_there, root_there, ann, box, deliver, visitor, session):
    change(ann_there, ann)
    deliver()
    root_there.patch(f"/users/{ann.id}", json={"is_active": False})
    assert confirm(visitor, link_in(box.accepted[0])).status == 404
    assert stored(session, ann)[0] == "ann@example.org"


def test_the_profile_says_what_happens(mailing, ann, sign_in, queued, session):
    browser = Browser(mailing.test_client())
    with browser.client.session_transaction() as cookie:
        cookie["token"] = sign_in(ann)["Authorization"].removeprefix("Bearer ")
    page = browser.press(browser.open("/profile"), "Save", email=NEW, current_password=PASSWORD)
    assert page.toast == "A mail is on its way to new@example.org. Your new address counts once you have opened the link in it."
    assert page.value("email") == "ann@example.org"
    assert [mail.address for mail in queued()] == [NEW]
