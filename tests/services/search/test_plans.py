"""How PostgreSQL finds users: never by reading the whole table, whatever the filter, the order or the page."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import text

import databases
import explained
from rollcall.infra.database import db
from rollcall.services.identity import accounts, passwords

PASSWORD = "correct-horse-battery"
# A ninth inactive, one in a hundred a superuser, sign-ups over three years; names in another order than ids.
USERS = text("""
    INSERT INTO users (email, username, full_name, is_active, is_superuser, created_at, password_hash)
    SELECT left(md5('m' || n), 9) || n || '@example.org', 'user_' || md5(n::text), initcap(left(md5('a' || n), 12)),
           n % 9 > 0, n % 100 = 7, :now - n * interval '47 min', :hash
    FROM generate_series(1, 30000) AS n
""")
ORDERS = [f"sort_by={by}&sort_order={order}" for by, order in product(("created_at", "username", "email"), ("asc", "desc"))]
STATES = ["", "is_active=true", "is_active=false", "is_superuser=true", "is_superuser=false", "is_active=false&is_superuser=true"]


@pytest.fixture(scope="module")
def large(settings, clock):
    """An application with 30,000 users, of whom the planner knows."""
    with databases.filled(settings, clock, USERS, now=clock.now, hash=passwords.hash_password(PASSWORD)) as app:
        with app.app_context(), db.engine.begin() as connection:
            digest, expires = accounts.digest("token"), clock.now + timedelta(days=1)
            connection.execute(
                text("INSERT INTO sessions (user_id, token_hash, expires_at) VALUES (307, :digest, :expires)"),
                {"digest": digest, "expires": expires},
            )
        yield app


@pytest.fixture
def plans(large):
    """Make a request; the answer, and how each of its statements reads the table of users."""

    def request(path, method="GET", **options):
        with large.app_context():
            headers = {"Authorization": "Bearer token"}
            with explained.noted(db.engine) as sent:
                answer = large.test_client().open("/api/v1" + path, method=method, headers=headers, **options)
            assert answer.status_code < 300, answer.text
            with db.engine.connect() as connection:
                found = []
                for each in sent:
                    found += reads(explained.plan(connection, each))
                    connection.rollback()
        assert found
        return answer, found

    return request


def reads(plan):
    """The ways in which a plan reads users, in the branches that are taken."""
    if plan.get("Actual Loops") == 0:
        return []
    found = [plan["Node Type"]] if plan.get("Relation Name") == "users" and plan["Node Type"] != "ModifyTable" else []
    return found + [way for part in plan.get("Plans", []) for way in reads(part)]


def slow(plans, paths):
    return [path for path in paths if "Seq Scan" in plans(path)[1]]


def test_these_plans_would_show_a_sequential_scan(large):
    with large.app_context(), db.engine.connect() as connection:
        [[[plan]]] = connection.execute(text("EXPLAIN (FORMAT JSON) SELECT * FROM users WHERE full_name = 'x'"))
    assert reads(plan["Plan"]) == ["Seq Scan"]


def test_first_page_of_every_filter_and_order_uses_an_index(plans):
    assert slow(plans, [f"/users?{state}&{order}".replace("?&", "?") for state, order in product(STATES, ORDERS)]) == []


def test_pages_far_into_every_filter_and_order_use_an_index(plans):
    paths = []
    for state, order in product(STATES, ORDERS):
        query = f"/users?{state}&{order}&size=5".replace("?&", "?")
        page = plans(f"{query}&page=3")[0].json
        paths += [f"{query}&cursor={page[way]}" for way in ("next_cursor", "prev_cursor")]
    assert slow(plans, paths) == []


@pytest.mark.parametrize("term", ["user_aa", "b5c", "@example.org", "none such person", "ser_0%25", "xyzzy"])
def test_search_uses_an_index(plans, term):
    assert slow(plans, [f"/users?search={term}"]) == []


@pytest.mark.parametrize("order", ORDERS)
def test_filtered_search_uses_an_index_in_every_order(plans, order):
    assert slow(plans, [f"/users?search=c0ffe&is_active=true&{order}"]) == []


@pytest.mark.parametrize("column", ["username", "email"])
def test_log_in_uses_an_index(plans, large, column):
    with large.app_context(), db.engine.connect() as connection:
        name = connection.scalar(text(f"SELECT upper({column}) FROM users WHERE id = 777"))
    _, ways = plans("/auth/login", method="POST", json={"username": name, "password": PASSWORD})
    assert "Seq Scan" not in ways, ways


@pytest.mark.parametrize("path", ["/auth/me", "/users/777", "/dashboard/stats"])
def test_other_reads_use_an_index(plans, path):
    assert slow(plans, [path]) == []


def test_changes_use_an_index(plans):
    for body in ({"full_name": "X"}, {"is_active": False}):
        _, ways = plans("/users/777", method="PATCH", json=body)
        assert "Seq Scan" not in ways, ways
    _, ways = plans("/users/407", method="PATCH", json={"is_superuser": False})
    assert "Seq Scan" not in ways, ways
    _, ways = plans("/users/607", method="DELETE")
    assert "Seq Scan" not in ways, ways


def test_deep_page_by_number_costs_no_more_than_its_rows_and_counts_nothing(plans):
    answer, ways = plans("/users?page=200&size=100")
    assert answer.json["total"] >= 29_990
    assert "Seq Scan" not in ways


def test_inactive_superusers_are_not_looked_for_among_all_superusers(large, plans):
    with large.app_context(), explained.noted(db.engine) as sent:
        path = "/api/v1/users?is_active=false&is_superuser=true"
        assert large.test_client().get(path, headers={"Authorization": "Bearer token"}).status_code == 200
        with db.engine.connect() as connection:
            assert "ix_users_inactive_superusers" in str(explained.plan(connection, sent[-1]))
