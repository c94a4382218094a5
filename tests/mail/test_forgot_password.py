"""A forgotten password: one answer for every address, and a mail for those of active users alone."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from browser import Browser
from rollcall.models import OneTimeLink, SecurityEvent, User
from rollcall.services.identity import one_time_links

NEW = "a-fine-new-passphrase"


def ask(app, email):
    return app.test_client().post("/api/v1/auth/forgot-password", json={"email": email})


def link_in(message) -> str:
    [link] = [line for line in message.get_body(("plain",)).get_content().splitlines() if line.startswith("https://")]
    return link


def use(browser: Browser, link: str):
    page = browser.press(browser.open("/password"), "Continue", token=link)
    return browser.press(page, "Set the password", password=NEW, password_again=NEW)


def test_a_user_gets_a_mail_and_sets_a_new_password(mailing, ann, box, deliver, visitor, session):
    answer = ask(mailing, "ANN@Example.org")
    assert (answer.status_code, answer.data) == (202, b"")
    assert deliver() == 1
    [message] = box.to("ann@example.org")
    assert message["Subject"] == "Set a new password for people.example.org"
    assert "If it was not you" in message.get_body(("html",)).get_content()
    assert use(visitor, link_in(message)).address == "/login"
    assert visitor.log_in("ann", NEW).address == "/profile"
    told = select(SecurityEvent.type, SecurityEvent.actor_id, SecurityEvent.subject_id, SecurityEvent.changes)
    assert tuple(session.execute(told.order_by(SecurityEvent.id)).first()) == (
        "password_link_made", None, ann.id, {"way": "forgot_password"},
    )  # fmt: skip


def test_all_addresses_are_answered_alike_and_in_the_same_statements(mailing, ann, make_user, engine, box, deliver, queued):
    from sqlalchemy import event  # noqa: PLC0415

    make_user(email="off@example.org", is_active=False)
    sent: list[str] = []
    with mailing.app_context():
        application = mailing.extensions["sqlalchemy"].engine

    def note(_connection, _cursor, statement, *_):
        if "security_events_keep" not in statement:
            sent.append(statement)

    event.listen(application, "before_cursor_execute", note)
    seen = []
    for email in ("ann@example.org", "off@example.org", "nobody@example.org"):
        sent.clear()
        answer = ask(mailing, email)
        headers = {name: value for name, value in answer.headers if name != "X-Request-ID"}
        seen.append((answer.status_code, answer.data, headers, list(sent)))
    event.remove(application, "before_cursor_execute", note)
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0][3]) == 1
    deliver()
    assert [message["To"] for message in box.accepted] == ["ann@example.org"]
    assert [mail.address for mail in queued()] == ["ann@example.org"], "nothing is kept of addresses that are nobody's"


def test_without_mail_there_is_no_such_thing(app, ann):
    answer = ask(app, "ann@example.org")
    assert (answer.status_code, answer.json["error"]) == (404, "not_found")
    browser = Browser(app.test_client())
    assert browser.open("/forgot-password").status == 404
    assert "Forgot password?" not in browser.open("/login").text


@pytest.mark.parametrize("body", [{}, {"email": "no address"}, {"email": None}, {"email": "a@example.org", "x": 1}])
def test_what_is_no_address_is_said(mailing, body):
    answer = mailing.test_client().post("/api/v1/auth/forgot-password", json=body)
    assert answer.status_code == 422


def test_a_user_gets_one_mail_in_ten_minutes(mailing, ann, box, deliver, clock):
    for _ in range(3):
        ask(mailing, "ann@example.org")
    deliver()
    assert len(box.accepted) == 1
    clock.advance(minutes=10)
    ask(mailing, "ann@example.org")
    deliver()
    assert len(box.accepted) == 2


def test_each_client_asks_ten_times_an_hour(make_app, box, no_mails):
    limited = make_app(smtp_url=box.url, public_url="https://people.example.org", rate_limit_enabled=True)
    statuses = [ask(limited, f"user{number}@example.org").status_code for number in range(11)]
    assert statuses == [202] * 10 + [429]


def test_a_stranger_does_not_end_the_link_that_an_administrator_has_made(mailing, root_there, ann, deliver, visitor):
    url = root_there.post(f"/users/{ann.id}/password-link?mail=false").json["url"]
    ask(mailing, "ann@example.org")
    deliver()
    assert use(visitor, url).address == "/login"


def test_using_one_of_them_ends_both(mailing, root_there, ann, box, deliver, visitor, session):
    root_there.post(f"/users/{ann.id}/password-link?mail=false")
    ask(mailing, "ann@example.org")
    deliver()
    assert use(visitor, link_in(box.accepted[0])).address == "/login"
    assert session.scalars(select(OneTimeLink)).all() == []


def test_the_link_is_good_for_a_day(mailing, ann, box, deliver, visitor, clock):
    ask(mailing, "ann@example.org")
    deliver()
    clock.advance(days=1)
    page = visitor.press(visitor.open("/password"), "Continue", token=link_in(box.accepted[0]))
    assert page.status == 404


def test_a_second_try_sends_the_same_link(mailing, ann, box, deliver, clock, session):
    ask(mailing, "ann@example.org")
    box.answers = ["451 later"]
    deliver()
    before = session.scalars(select(OneTimeLink.token_hash)).one()
    clock.advance(seconds=10)
    deliver()
    assert one_time_links.digest(link_in(box.accepted[0]).partition("#")[2]) == before


def test_the_page(mailing, ann, box, deliver, visitor):
    page = visitor.open("/login")
    assert page.root.one("a", href="/forgot-password").text == "Forgot password?"
    page = visitor.open("/forgot-password")
    assert "not a valid e-mail address" in visitor.press(page, "Send the mail", email="x").problem("email")
    page = visitor.press(page, "Send the mail", email="ann@example.org")
    assert page.address == "/login"
    assert page.toast.startswith("If ann@example.org is the address of an account, a mail is on its way.")
    deliver()
    assert len(box.accepted) == 1


def test_links_are_never_those_of_the_requests_host(mailing, ann, box, deliver):
    headers = {"Host": "evil.example"}
    mailing.test_client().post("/api/v1/auth/forgot-password", json={"email": "ann@example.org"}, headers=headers)
    deliver()
    assert link_in(box.accepted[0]).startswith("https://people.example.org/password#")
    assert "evil" not in box.accepted[0].as_string()


def test_an_address_with_other_letters(mailing, make_user, box, deliver):
    make_user(email="info@bücher.example")
    ask(mailing, "info@xn--bcher-kva.example")
    deliver()
    assert box.envelopes[0].rcpt_tos == ["info@xn--bcher-kva.example"]
    make_user(email="jürgen@example.org")
    ask(mailing, "jürgen@example.org")
    deliver()
    assert box.envelopes[1].rcpt_tos == ["jürgen@example.org"]


# Mailed password links on the pages


def as_root(mailing, root, sign_in) -> Browser:
    browser = Browser(mailing.test_client())
    with browser.client.session_transaction() as cookie:
        cookie["token"] = sign_in(root)["Authorization"].removeprefix("Bearer ")
    return browser


def test_a_superuser_mails_a_link_to_a_user(mailing, root, ann, sign_in, box, deliver, visitor, make_user):
    browser = as_root(mailing, root, sign_in)
    page = browser.press(browser.open(f"/dashboard/users/{ann.id}"), "Mail a password link")
    assert page.toast == "A mail with a password link is on its way to ann@example.org."
    deliver()
    assert use(visitor, link_in(box.accepted[0])).address == "/login"
    off = make_user(is_active=False)
    assert "Mail a password link" not in browser.open(f"/dashboard/users/{off.id}").text


def test_a_superuser_mails_links_to_many(mailing, root, sign_in, make_user, box, deliver, session):
    for _ in range(3):
        make_user(password_hash=None)
    make_user(password_hash=None, is_active=False)
    browser = as_root(mailing, root, sign_in)
    page = browser.open("/dashboard/users/matching/password-links?has_password=false")
    form = page.form("Mail 3 links")
    data = {each["name"]: each["value"] for each in form.all("input")} | {"mail": "true"}
    page = browser.open(form["action"], "POST", data=data)
    assert page.toast == "3 mails with password links are on the way."
    assert deliver() == 3
    assert len({link_in(message) for message in box.accepted}) == 3


def test_a_thousand_mails_are_queued_in_few_statements(mailing, root_there, engine, statements, queued):
    from sqlalchemy import text  # noqa: PLC0415

    with engine.begin() as connection:
        people = "SELECT 'p' || n || '@example.org', 'p' || n FROM generate_series(1, 1100) AS n"
        connection.execute(text(f"INSERT INTO users (email, username) {people}"))
    body = {"filter": {"has_password": False}, "expected": 1100}
    answer = root_there.post("/users/password-links?mail=true", json=body)
    assert answer.status_code == 200
    assert len(answer.get_data().splitlines()) == 1101
    assert len(queued()) == 1100


def test_many_links_cannot_be_mailed_without_mail(as_root, ann):
    answer = as_root.post("/users/password-links?mail=true", json={"ids": [ann.id]})
    assert (answer.status_code, answer.json["message"]) == (
        404,
        "Mail is not set up here. Ask an administrator for a password link.",
    )


def test_a_link_is_not_mailed_where_that_is_not_wanted(root_there, ann, make_user, queued):
    assert root_there.post(f"/users/{ann.id}/password-link?mail=false").json["mailed"] is False
    assert root_there.post(f"/users/{make_user(is_active=False).id}/password-link").json["mailed"] is False
    assert queued() == []


def test_events_of_the_users_stay_their_own(mailing, session, ann):
    assert session.scalars(select(User.id).where(User.username == "ann")).one() == ann.id
