"""How much a search reads: a small part of the users, whatever the term, the filter and the order, wherever its matches are."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import text

import databases
import explained
from rollcall.infra.database import db
from rollcall.services.search import text_search, user_search
from rollcall.services.search.filters import UserFilter

# Three years of sign-ups, one user in nine inactive, one in fifty a superuser. A sixth of the usernames begins with "aaron", and
# another with "zoltan", which are the ends of their order; "newcomer" is the newest and "oldhand" the oldest twentieth;
# "ferro" is one full name in a hundred, "c0ffe" in hardly any name.
USERS = text("""
    INSERT INTO users (username, email, full_name, is_active, is_superuser, created_at)
    SELECT CASE WHEN n % 6 = 5 THEN 'aaron_' WHEN n % 6 = 2 THEN 'zoltan_' ELSE left(md5(n::text), 9) || '_' END || n,
           left(md5('m' || n), 9) || n || '@example.org',
           CASE WHEN n <= 1500 THEN 'Newcomer' WHEN n > 28500 THEN 'Oldhand' WHEN n % 100 = 50 THEN 'Ferro ' || n
                ELSE 'สมชาย ' || n END,
           n % 9 > 0, n % 50 = 7, :now - n * interval '53 min'
    FROM generate_series(1, 30000) AS n
""")
TERMS = [
    "EXAMPLE.org",
    "aaron",
    "oldhand",
    "newcomer",
    "ferro",
    "c0ffe",
    "_817",
    "สมช",
    "ferro 7650",
    "a",
    "y",
    "~",
]
STATES = [{}, {"is_active": False}, {"is_superuser": True}, {"is_active": False, "is_superuser": True}]
AGES = [("relevance", "desc"), ("created_at", "asc")]
NAMES = list(product(("username", "email"), ("asc", "desc")))


@pytest.fixture(scope="module")
def many(settings, clock):
    """30,000 users, of whom the planner knows, in a database of their own."""
    with databases.filled(settings, clock, USERS, now=clock.now) as app, app.app_context():
        yield


@pytest.fixture
def cost(many, monkeypatch):
    """Make a search; how many rows of users it fetched from the table.

    The bounds are as much smaller than usual as this table is smaller than one of millions, about.
    """
    for bound, rows in {"NEAR": 50, "COMMON": 4, "FEW": 100, "COUNT_AT_MOST": 30}.items():
        monkeypatch.setattr(text_search, bound, rows)

    def made(chosen, size=20):
        with db.session() as session, explained.noted(db.engine) as sent:
            user_search.numbered_page(session, chosen, 1, size)
        with db.engine.connect() as connection:
            return sum(rows_fetched(explained.plan(connection, each)) for each in sent)

    return made


def rows_fetched(plan):
    fetched = 0
    if plan.get("Relation Name") == "users" and plan["Node Type"] != "Index Only Scan":
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        fetched = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return fetched + sum(rows_fetched(part) for part in plan.get("Plans", []))


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize(("orders", "most"), [(AGES, 6_000), (NAMES, 9_000)])
def test_a_search_fetches_few_rows_in_every_order_with_every_filter(cost, term, orders, most):
    searches = [
        UserFilter(**states, search=term, sort_by=sort_by, sort_order=sort_order)
        for (sort_by, sort_order), states in product(orders, STATES)
    ]
    assert {str(chosen): rows for chosen in searches if (rows := cost(chosen)) > most} == {}


def test_these_bounds_would_show_a_search_that_fetches_all_matches(cost, monkeypatch):
    monkeypatch.setattr(text_search, "COMMON", 1_000_000)
    assert cost(UserFilter(search="สมช")) > 9_000


def test_a_crowd_that_was_imported_on_one_day_is_read_in_the_order_of_the_list(settings, clock, cost):
    one_day = text(USERS.text.replace("interval '53 min'", "interval '1 s'"))
    with databases.filled(settings, clock, one_day, now=clock.now - timedelta(hours=1)) as app, app.app_context():
        assert cost(UserFilter(search="aaron")) < 4_000
