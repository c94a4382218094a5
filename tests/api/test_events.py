"""Security events over REST: what is recorded, with whom and from where; and how the events are listed."""

from __future__ import annotations

import pytest
from sqlalchemy import select, text

from answers import problems, refused
from facts import NOON, PASSWORD
from rollcall.models import SecurityEvent

NEW_PASSWORD = "another-fine-passphrase"
BOB = {"username": "bob", "email": "bob@example.org", "password": "a-fine-passphrase"}
LOGIN = {"username": "ann", "password": PASSWORD}
CLIENT = {"User-Agent": "curl/8.4.0", "X-Request-ID": "req-1"}


@pytest.fixture
def trail(session):
    """All events, in the order in which they were recorded: type, actor, subject, changes."""

    def read():
        session.rollback()
        found = session.scalars(select(SecurityEvent).order_by(SecurityEvent.id))
        return [(event.type, event.actor_username, event.subject_username, event.changes) for event in found]

    return read


def test_an_event_tells_who_whom_and_from_where(as_root, root, ann, session):
    as_root.patch(f"/users/{ann.id}", json={"is_superuser": True}, headers=CLIENT, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    [event] = session.scalars(select(SecurityEvent))
    assert (event.type, event.at, event.changes) == ("user_changed", NOON, {"is_superuser": [False, True]})
    assert (event.actor_id, event.actor_username) == (root.id, "root")
    assert (event.subject_id, event.subject_username) == (ann.id, "ann")
    assert (event.address, event.user_agent, event.request_id) == ("203.0.113.7", "curl/8.4.0", "req-1")


def test_log_ins_and_log_outs(nobody, ann, trail, call_as):
    assert nobody.post("/auth/login", json={"username": "ANN@example.org", "password": PASSWORD}).status_code == 200
    call_as(ann).post("/auth/logout")
    call_as(ann).post("/auth/logout?all=true")
    assert trail() == [
        ("login_succeeded", "ann", "ann", {}),
        ("logout", "ann", "ann", {}),
        ("logout", "ann", "ann", {"everywhere": True}),
    ]


@pytest.mark.parametrize(
    ("credentials", "subject", "reason"),
    [
        ({"username": "Ann", "password": "wrong"}, "ann", "credentials"),
        ({"username": "my secret password", "password": "wrong"}, None, "credentials"),
        ({"username": "no\x00body", "password": "wrong"}, None, "credentials"),
        ({"username": "gone", "password": "wrong"}, "gone", "credentials"),
        ({"username": "gone", "password": PASSWORD}, "gone", "inactive"),
    ],
)
def test_a_failed_log_in_is_recorded_and_names_no_one_who_is_not_there(
    nobody, ann, make_user, trail, session, credentials, subject, reason
):
    make_user(username="gone", is_active=False)
    assert nobody.post("/auth/login", json=credentials).status_code in (401, 403)
    assert trail() == [("login_failed", None, subject, {"reason": reason})]
    assert "secret" not in session.scalar(text("SELECT string_agg(security_events::text, '') FROM security_events"))


def test_refused_log_ins_are_recorded_once_for_an_account_and_network_in_five_minutes(make_app, call_as, root, ann, clock, trail):
    as_anyone = call_as(root, on=make_app(rate_limit_enabled=True))

    def flood(address):
        login = {"username": "ann", "password": "wrong"}
        return [as_anyone.post("/auth/login", json=login, environ_base={"REMOTE_ADDR": address}).status_code for _ in range(14)]

    assert flood("2001:db8::1")[-4:] == [429] * 4
    flood("2001:db8::2")
    refusals = [event for event in trail() if event[0] == "login_refused"]
    assert 1 <= len(refusals) <= 2  # the account's, and the address's, which is refused before the account is read
    clock.advance(minutes=6)
    flood("2001:db8::1")
    assert len([event for event in trail() if event[0] == "login_refused"]) > len(refusals)


def test_users_who_are_created_changed_and_deleted(nobody, as_root, ann, trail):
    nobody.post("/auth/register", json=BOB)
    made = as_root.post("/users", json={"username": "eve", "email": "eve@example.org", "password": NEW_PASSWORD}).json
    as_root.patch(f"/users/{ann.id}", json={"full_name": "Ann", "password": NEW_PASSWORD})
    as_root.delete(f"/users/{made['id']}")
    kept = {"email": "eve@example.org", "username": "eve", "is_active": True, "is_superuser": False}
    assert trail() == [
        ("user_created", "bob", "bob", {f: [None, v] for f, v in {**kept, "email": BOB["email"], "username": "bob"}.items()}),
        ("user_created", "root", "eve", {field: [None, value] for field, value in kept.items()}),
        ("user_changed", "root", "ann", {"full_name": ["Ann Lee", "Ann"]}),
        ("password_changed", "root", "ann", {"password": True}),
        ("user_deleted", "root", "eve", {field: [value, None] for field, value in kept.items()}),
    ]


def test_a_bulk_is_one_event(as_root, session):
    rows = [{"username": f"bulk{n}", "email": f"bulk{n}@example.org", "is_superuser": n < 2} for n in range(150)]
    ids = [user["id"] for user in as_root.post("/users/bulk", json=rows).json]
    [event] = session.scalars(select(SecurityEvent))
    assert (event.type, event.actor_username) == ("users_imported", "root")
    assert (event.subject_ids, event.changes) == (ids, {"way": "bulk", "created": 150, "superusers": 2})
    [shown] = as_root.get("/events").json["items"]
    assert (shown["subject_ids"], shown["subject_count"]) == (ids[:100], 150)
    [found] = as_root.get(f"/events?user_id={ids[149]}").json["items"]
    assert found == shown


def test_an_export_is_recorded_with_its_filter(as_root, ann, trail):
    as_root.get("/users/export?format=ndjson&search=ann&is_active=true").get_data()
    [(kind, actor, subject, changes)] = trail()
    assert (kind, actor, subject, changes["format"]) == ("users_exported", "root", None, "ndjson")
    assert (changes["filter"]["search"], changes["filter"]["is_active"]) == ("ann", True)
    assert "is_superuser" not in changes["filter"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/users/{ann}", {"username": "root"}),
        ("POST", "/users", {**BOB, "username": "ANN"}),
        ("POST", "/users/bulk", [{**BOB}, {**BOB}]),
        ("DELETE", "/users/{root}", None),
        ("PATCH", "/users/{root}", {"is_superuser": False}),
    ],
)
def test_what_is_refused_is_no_event(as_root, root, ann, trail, method, path, body):
    assert as_root(method, path.format(ann=ann.id, root=root.id), json=body).status_code in (409, 422)
    assert trail() == []


def test_nobody_changes_or_deletes_an_event(as_root, ann, session):
    as_root.patch(f"/users/{ann.id}", json={"full_name": "X"})
    for statement in ("UPDATE security_events SET actor_id = NULL", "DELETE FROM security_events"):
        with pytest.raises(Exception, match="never changed or deleted"):
            session.execute(text(statement))
        session.rollback()


@pytest.fixture
def events(as_root, ann, make_user, clock):
    """Some events of an hour each, and how to list them: the names of those who were found."""
    eve = make_user(username="eve")
    for name in ("A", "B", "C"):
        as_root.patch(f"/users/{ann.id}", json={"full_name": name})
        as_root.patch(f"/users/{eve.id}", json={"full_name": name})
        clock.advance(hours=1)

    def read(query=""):
        answer = as_root.get(f"/events{query}")
        assert answer.status_code == 200, answer.text
        return [f"{item['subject']['username']} {item['changes']['full_name'][1]}" for item in answer.json["items"]]

    return read


def test_events_come_newest_first_and_are_filtered(events, ann, root):
    assert events() == ["eve C", "ann C", "eve B", "ann B", "eve A", "ann A"]
    assert events(f"?user_id={ann.id}") == ["ann C", "ann B", "ann A"]
    assert events(f"?actor_id={ann.id}") == []
    assert len(events(f"?actor_id={root.id}&type=user_changed")) == 6
    assert events("?type=login_failed") == []
    assert events("?after=2026-03-11T13:00:00Z&before=2026-03-11T14:00:00Z") == ["eve B", "ann B"]
    assert events(f"?user_id={ann.id}&before=2026-03-11T14:00:00%2B02:00") == ["ann A"][:0]


@pytest.mark.parametrize("query", ["", "&user_id={ann}", "&type=user_changed"])
def test_pages_follow_each_other_without_gap_or_repetition(as_root, events, ann, query):
    query = query.format(ann=ann.id)
    seen, cursor = [], ""
    while True:
        answer = as_root.get(f"/events?size=1{query}{cursor}")
        seen += [item["id"] for item in answer.json["items"]]
        if answer.json["next_cursor"] is None:
            break
        assert 'rel="next"' in answer.headers["Link"]
        cursor = f"&cursor={answer.json['next_cursor']}"
    assert seen == [item["id"] for item in as_root.get(f"/events?size=100{query}").json["items"]]
    assert len(seen) == (3 if "user_id" in query else 6)


def test_a_cursor_belongs_to_its_filter_and_to_us(as_root, events, ann):
    cursor = as_root.get("/events?size=1").json["next_cursor"]
    for bad in (f"?cursor={cursor}&user_id={ann.id}", "?cursor=x", f"?cursor={cursor}x"):
        assert problems(as_root.get(f"/events{bad}")) == {("query.cursor", "invalid_cursor")}


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("type=nothing", "type", "invalid_choice"),
        ("user_id=0", "user_id", "out_of_range"),
        ("actor_id=9223372036854775808", "actor_id", "out_of_range"),
        ("after=2026-01-01", "after", "invalid_format"),
        ("before=0001-01-01T00:00:00%2B14:00", "before", "invalid_format"),
        ("before=soon", "before", "invalid_format"),
        ("size=101", "size", "out_of_range"),
        ("page=1", "page", "unknown_field"),
    ],
)
def test_a_filter_that_is_not_valid_is_named(as_root, query, field, code):
    assert problems(as_root.get(f"/events?{query}")) == {(f"query.{field}", code)}


def test_changes_of_a_user_leave_out_what_changed_nothing(as_root, nobody, ann, make_user):
    nobody.post("/auth/login", json=LOGIN)
    as_root.patch(f"/users/{ann.id}", json={"full_name": "X", "password": NEW_PASSWORD})
    page = as_root.get(f"/users/{ann.id}/changes?size=1").json
    assert [item["changes"] for item in page["items"]] == [{"password": True}]
    page = as_root.get(f"/users/{ann.id}/changes?cursor={page['next_cursor']}").json
    assert [item["changes"] for item in page["items"]] == [{"full_name": ["Ann Lee", "X"]}]
    assert page["next_cursor"] is None
    assert as_root.get(f"/users/{make_user().id}/changes").json["items"] == []


def test_changes_of_a_deleted_user_are_still_listed(as_root, ann):
    as_root.patch(f"/users/{ann.id}", json={"full_name": "X"})
    as_root.delete(f"/users/{ann.id}")
    assert len(as_root.get(f"/users/{ann.id}/changes").json["items"]) == 1
    assert refused(as_root.get("/users/999999/changes"), 404, "not_found")


def test_only_superusers_read_them(as_ann, ann):
    for path in ("/events", f"/users/{ann.id}/changes"):
        assert refused(as_ann.get(path), 403, "authorization_error")


@pytest.mark.parametrize(("days", "kept"), [(400, True), (60, False)])
def test_events_are_kept_as_long_as_the_operator_says(make_app, call_as, root, ann, engine, days, kept):
    with engine.begin() as connection:
        connection.execute(text("SELECT security_events_add('2025-12-01 00:00+00')"))
        connection.execute(
            text("INSERT INTO security_events (at, type, changes) VALUES ('2025-12-31 23:00+00', 'login_failed', '{}')")
        )
    call_as(root, on=make_app(events_days=days)).patch(f"/users/{ann.id}", json={"full_name": "X"})
    with engine.connect() as connection:
        types = set(connection.scalars(text("SELECT type FROM security_events")))
    assert types == ({"user_changed", "login_failed"} if kept else {"user_changed"})
