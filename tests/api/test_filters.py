"""``GET /api/v1/users``: filters by name, time and password, and the order of the last log-in, held against a plain scan."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import and_, insert, text

from answers import problems, refused
from facts import NOON, PASSWORD_HASH
from rollcall.models import user_logins
from rollcall.services.search import filters, user_search
from rollcall.services.statistics import tally

MOMENTS = ("created_after", "created_before", "last_login_after", "last_login_before")
ORDERS = list(product(("created_at", "username", "email", "last_login_at"), ("asc", "desc")))


@pytest.fixture
def people(engine, put_users, root):
    """120 users over twelve days, several at a moment; some have logged in, some have a password. As the list shows them."""
    chance = random.Random(16)
    put_users(
        [
            {
                "username": f"{'User' if n % 2 else 'uSER'}{n * 7 % 120:03}",
                "is_active": n % 3 > 0,
                "is_superuser": n % 5 == 0,
                "created_at": NOON - timedelta(days=20) + timedelta(hours=chance.choice([0, 12, chance.randrange(288)])),
                "password_hash": PASSWORD_HASH if n % 4 == 0 else None,
            }
            for n in range(120)
        ]
    )
    with engine.begin() as connection:
        ids = connection.execute(text("SELECT id FROM users WHERE id % 3 <> 1")).scalars().all()
        times = [NOON - timedelta(hours=chance.choice([0, 24, chance.randrange(200)])) for _ in ids]
        rows = [{"user_id": user_id, "last_login_at": at} for user_id, at in zip(ids, times, strict=True)]
        connection.execute(insert(user_logins), rows)


@pytest.fixture
def everyone(engine, people):
    """All users, by a plain scan."""
    with engine.begin() as connection:
        query = "SELECT users.*, last_login_at FROM users LEFT JOIN user_logins ON user_id = id"
        return [row._asdict() for row in connection.execute(text(query))]


def passes(user, query):
    last = user["last_login_at"]
    tests = {
        "is_active": lambda value: user["is_active"] == (value == "true"),
        "is_superuser": lambda value: user["is_superuser"] == (value == "true"),
        "email": lambda value: user["email"].lower() == value.lower(),
        "username": lambda value: user["username"].lower() == value.lower(),
        "created_after": lambda value: user["created_at"] >= datetime.fromisoformat(value),
        "created_before": lambda value: user["created_at"] < datetime.fromisoformat(value),
        "last_login_after": lambda value: last is not None and last >= datetime.fromisoformat(value),
        "last_login_before": lambda value: last is not None and last < datetime.fromisoformat(value),
        "never_logged_in": lambda value: (last is None) == (value == "true"),
        "has_password": lambda value: (user["password_hash"] is not None) == (value == "true"),
        "search": lambda value: value in f"{user['username']} {user['email']}".lower() or value == str(user["id"]),
    }
    return all(tests[name](value) for name, value in query.items())


def ordered(users, sort_by, order):
    long_ago = datetime(1, 1, 1, tzinfo=UTC)
    keys = {
        "created_at": lambda user: (user["created_at"], user["id"]),
        "username": lambda user: user["username"].lower(),
        "email": lambda user: user["email"].lower(),
        "last_login_at": lambda user: (user["last_login_at"] or long_ago, user["id"]),
    }
    return [user["id"] for user in sorted(users, key=keys[sort_by], reverse=order == "desc")]


def chosen(chance, everyone):
    """A random combination of filters."""
    values = {name: lambda: chance.choice(["true", "false"]) for name in ("is_active", "is_superuser")}
    values |= dict.fromkeys(("never_logged_in", "has_password"), values["is_active"])
    values |= {name: lambda name=name: chance.choice(everyone)[name].swapcase() for name in ("email", "username")}
    values["search"] = lambda: chance.choice(["user", "1", "03", "example"])
    for name in MOMENTS:
        column = "created_at" if name.startswith("created") else "last_login_at"
        some = [user[column] for user in everyone if user[column]]
        edges = [*some, *(tally.midnight(at.date()) for at in some)]
        values[name] = lambda edges=edges: chance.choice(edges).isoformat()
    likely = [name for name in values if name not in ("email", "username", "search")]
    names = chance.sample(likely, chance.choice([0, 1, 1, 2, 2, 3, 4]))
    names += [chance.choice(["email", "username", "search"])] if chance.random() < 0.2 else []
    return {name: values[name]() for name in names}


def walked(caller, query, start, way):
    page, met = start, []
    while True:
        met.append([user["id"] for user in page["items"]])
        if page[way] is None:
            return met
        page = caller.get("/users", query_string=query | {"cursor": page[way]}).json


@pytest.mark.parametrize("seed", range(12))
def test_lists_are_those_of_a_plain_scan(as_root, everyone, seed, monkeypatch):
    monkeypatch.setattr(user_search, "_SKIPPED_AT_MOST", 5)  # far pages begin here
    chance = random.Random(seed)
    for sort_by, order in ORDERS:
        query = chosen(chance, everyone)
        expected = ordered([user for user in everyone if passes(user, query)], sort_by, order)
        query |= {"sort_by": sort_by, "sort_order": order, "size": chance.choice([3, 10, 100])}
        first = as_root.get("/users", query_string=query).json
        assert (first["total"], first["total_is_exact"]) == (len(expected), True), query
        pieces = [expected[at : at + query["size"]] for at in range(0, max(len(expected), 1), query["size"])]
        assert walked(as_root, query, first, "next_cursor") == pieces, query
        for number in {1, 2, len(pieces), len(pieces) + 1, chance.randint(1, len(pieces))}:
            page = as_root.get("/users", query_string=query | {"page": number}).json
            assert [[user["id"] for user in page["items"]]] == (pieces[number - 1 : number] or [[]]), (number, query)
            assert (page["total"], page["prev_cursor"] is None) == (len(expected), number == 1 or not page["items"])
        last = as_root.get("/users", query_string=query | {"page": len(pieces)}).json
        assert walked(as_root, query, last, "prev_cursor") == pieces[::-1], query
        file = as_root.get("/users/export", query_string={k: v for k, v in query.items() if k != "size"} | {"format": "ndjson"})
        assert [json.loads(line)["id"] for line in file.text.splitlines()] == expected, query


def test_every_filter_has_a_condition_of_its_own_with_a_parameter_of_its_name():
    for name in filters.NAMES:
        assert list(and_(*filters.with_names([name])).compile().params) == [name]


def test_filters_by_a_name_find_exactly_that_one(as_root, make_user):
    make_user(username="Maria", email="Maria@example.org")
    make_user(username="maria2", email="maria@example.com")
    make_user(username="joe", email="joe@bücher.example")
    for query in ("username=maria", "username=MARIA", "username=%20Maria%20", "email=maria%40EXAMPLE.org"):
        page = as_root.get(f"/users?{query}").json
        assert [user["username"] for user in page["items"]] == ["Maria"]
        assert (page["total"], page["total_is_exact"]) == (1, True)
    assert as_root.get("/users?email=joe@xn--bcher-kva.example").json["items"][0]["username"] == "joe"
    assert as_root.get("/users?username=maria&email=maria@example.com").json["items"] == []
    assert as_root.get("/users?username=%25").json["items"] == []


def test_after_is_inclusive_and_before_exclusive(as_root, make_user):
    make_user(username="early", created_at=NOON)
    make_user(username="late", created_at=NOON + timedelta(microseconds=1))
    found = as_root.get("/users?created_after=2026-03-11T12:00:00Z&created_before=2026-03-11T12:00:00.000001Z").json
    assert [user["username"] for user in found["items"]] == ["early"]
    assert found["total"] == 1
    offset = as_root.get("/users?created_after=2026-03-11T14:00:00.000001%2B02:00").json
    assert [user["username"] for user in offset["items"]] == ["late"]


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize(
    "value", ["2026-03-11", "2026-03-11T12:00:00", "yesterday", "", "2026-13-01T00:00:00Z", "2026-03-11T12:00 00:00"]
)
def test_a_time_without_an_offset_is_refused(as_root, name, value):
    answer = as_root.get("/users", query_string={name: value})
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"query.{name}", "invalid_format")}


@pytest.mark.parametrize(
    ("query", "field", "kind"),
    [
        ("email=", "email", "too_short"),
        ("username=%20", "username", "too_short"),
        ("username=" + "x" * 1017, "username", "too_long"),
        ("email=a%00b", "email", "invalid_characters"),
        ("never_logged_in=1", "never_logged_in", "invalid_type"),
        ("has_password=yes", "has_password", "invalid_type"),
        ("created_after=2026-03-11T12:00:00Z&created_after=2026-03-11T12:00:00Z", "created_after", "repeated"),
        ("sort_by=never_logged_in", "sort_by", "invalid_choice"),
    ],
)
def test_filter_that_is_not_valid_is_refused(as_root, query, field, kind):
    answer = as_root.get(f"/users?{query}")
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"query.{field}", kind)}


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("value", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-23:00"])
def test_the_ends_of_the_calendar_are_no_error(as_root, name, value):
    answer = as_root.get("/users", query_string={name: value})
    if value.endswith("-23:00"):
        assert refused(answer, 422, "validation_error")
    else:
        everyone = name.startswith("created") and ("before" in name) == value.startswith("9")
        assert (answer.status_code, answer.json["total"]) == (200, int(everyone))


def test_a_range_that_ends_before_it_begins_is_empty(as_root):
    page = as_root.get("/users?created_after=2026-03-12T00:00:00Z&created_before=2020-03-11T00:00:00Z").json
    assert (page["items"], page["total"], page["total_is_exact"]) == ([], 0, True)


def test_users_who_pass_other_filters_are_counted_up_to_a_bound(as_root, people, monkeypatch):
    monkeypatch.setattr(user_search, "COUNT_AT_MOST", 20)
    for query in ("has_password=false", "never_logged_in=true", "last_login_before=2030-01-01T00:00:00Z"):
        page = as_root.get(f"/users?{query}&size=10").json
        assert (page["total"], page["total_is_exact"], page["pages"]) == (20, False, 2)
        third = as_root.get(f"/users?{query}&size=10&page=3").json
        assert len(third["items"]) == 10
        assert third["next_cursor"] is not None
    assert as_root.get("/users?created_before=2030-01-01T00:00:00Z").json["total_is_exact"] is True


def test_cursor_belongs_to_its_filters(as_root, people):
    cursor = as_root.get("/users?has_password=false&size=5").json["next_cursor"]
    assert as_root.get(f"/users?has_password=false&size=5&cursor={cursor}").status_code == 200
    for other in ("has_password=true", "", "has_password=false&created_after=2020-01-01T00:00:00Z", "never_logged_in=false"):
        assert problems(as_root.get(f"/users?{other}&size=5&cursor={cursor}")) == {("query.cursor", "invalid_cursor")}


def test_export_is_recorded_with_its_filters(as_root, people):
    as_root.get("/users/export?created_after=2026-01-01T00:00:00Z&never_logged_in=true").get_data()
    event = as_root.get("/events?type=users_exported").json["items"][0]
    assert event["changes"]["filter"] == {
        "created_after": "2026-01-01T00:00:00+00:00",
        "never_logged_in": True,
        "sort_by": "created_at",
        "sort_order": "desc",
    }
