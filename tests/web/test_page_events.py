"""What is done on the pages leaves the same security events as over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from browser import PASSWORD, Browser
from rollcall.models import SecurityEvent, User
from rollcall.services.events import trail
from rollcall.services.users import first_superuser

Events = Callable[[], list[tuple[str, str | None, str | None, dict[str, Any]]]]


@pytest.fixture
def events(session: Session) -> Events:
    """All events, in the order in which they were recorded: type, actor, subject, changes."""

    def read() -> list[tuple[str, str | None, str | None, dict[str, Any]]]:
        session.rollback()
        found = session.scalars(select(SecurityEvent).order_by(SecurityEvent.id))
        return [(event.type, event.actor_username, event.subject_username, event.changes) for event in found]

    return read


def test_logging_in_and_out(stranger: Browser, ann: User, events: Events) -> None:
    stranger.client.environ_base |= {"REMOTE_ADDR": "2001:db8::7"}
    stranger.log_in("ann", "wrong")
    stranger.press(stranger.log_in("ann", PASSWORD), "Log out")
    assert events() == [
        ("login_failed", None, "ann", {"reason": "credentials"}),
        ("login_succeeded", "ann", "ann", {}),
        ("logout", "ann", "ann", {}),
    ]


def test_the_first_superuser(stranger: Browser, app: Flask, events: Events) -> None:
    new = {"username": "ada", "email": "ada@example.org", "password": PASSWORD, "password_again": PASSWORD}
    page = stranger.open(first_superuser.link_path(str(app.secret_key)))
    stranger.press(page, "Create the first administrator", **new)
    assert [(kind, actor, subject) for kind, actor, subject, _ in events()] == [
        ("user_created", "ada", "ada"),
        ("superuser_set_up", "ada", "ada"),
        ("login_succeeded", "ada", "ada"),
    ]


def test_ended_sessions_one_or_all_own_or_others(
    root_browser: Browser, browser_of: Callable[[User], Browser], ann: User, sign_in: Any, session: Session, events: Events
) -> None:
    own = browser_of(ann)
    sign_in(ann)
    own.press(own.open("/profile"), "Log out everywhere else")
    sign_in(ann)
    user = f"/dashboard/users/{ann.id}"
    page = root_browser.open(user)
    form = next(iter(page.root.one("section", aria_labelledby="sessions").one("tbody").all("tr"))).one("form", method="post")
    root_browser.open(form["action"], "POST", data={"csrf_token": form.one("input", name="csrf_token")["value"]})
    root_browser.press(root_browser.open(f"{user}/end-sessions"), "End the sessions of ann")
    assert events() == [
        ("session_ended", "ann", "ann", {"sessions": 1}),
        ("session_ended", "root", "ann", {"sessions": 1}),
        ("session_ended", "root", "ann", {"sessions": 1}),
    ]


def test_users_who_are_created_and_deleted(root_browser: Browser, ann: User, events: Events) -> None:
    new = {"username": "eve", "email": "eve@example.org", "password": PASSWORD, "password_again": PASSWORD}
    root_browser.press(root_browser.open("/dashboard/users/new"), "Create the user", **new)
    root_browser.press(root_browser.open(f"/dashboard/users/{ann.id}/delete"), "Delete ann")
    assert [event[:3] for event in events()] == [("user_created", "root", "eve"), ("user_deleted", "root", "ann")]


def test_a_bulk_is_one_event_and_a_change_of_each_of_its_users(
    root_browser: Browser, ann: User, make_user: Callable[..., User], session: Session, events: Events
) -> None:
    other = make_user(username="other")
    page = root_browser.open(f"/dashboard/users/selected/deactivate?id={ann.id}&id={other.id}")
    page = root_browser.press(page, "Deactivate 2 users")
    root_browser.press(page, "Undo")  # of the form's ids this browser sends the last one alone
    assert events() == [
        ("users_changed", "root", None, {"is_active": [True, False]}),
        ("users_changed", "root", "other", {"is_active": [False, True]}),
    ]

    def changes(user: User) -> list[tuple[str | None, dict[str, Any]]]:
        return [(change.by_username, change.changes) for change in trail.recent(session, user.id)]

    assert changes(ann) == [("root", {"is_active": [True, False]})]
    assert changes(other) == [("root", {"is_active": [False, True]}), ("root", {"is_active": [True, False]})]


def test_exports_of_the_list_and_of_a_selection(root_browser: Browser, ann: User, events: Events) -> None:
    root_browser.open("/dashboard/users/export?search=ann")
    root_browser.open(f"/dashboard/users/selected/export?id={ann.id}")
    [(_, actor, _, whole), (_, _, _, selected)] = events()
    assert (actor, whole["filter"]["search"]) == ("root", "ann")
    assert selected == {"format": "csv", "filter": {"selected": 1}}
