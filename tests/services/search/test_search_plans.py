"""How much a search reads: a small part of the users, whatever the term, the filter and the order, wherever its matches are."""

from __future__ import annotations

from itertools import product

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import databases
import explained
from rollcall.infra.database import db
from rollcall.models.user import GAPS, GRAMS, LETTERS
from rollcall.services.search import name_jumps, text_search, user_search
from rollcall.services.search.search_shapes import ASKED
from rollcall.services.search.user_search import UserFilter

# Three years of sign-ups, one user in nine inactive, one in fifty a superuser. A sixth of the usernames begins with "aaron", and
# another with "zoltan", which are the ends of their order; "ant." and "yak." are likewise a tenth of the e-mail addresses each;
# "newcomer" is the newest and "oldhand" the oldest twentieth; "ferro" is one full name in a hundred, "c0ffe" in hardly any name.
USERS = text("""
    INSERT INTO users (username, email, full_name, is_active, is_superuser, created_at)
    SELECT CASE WHEN n % 6 = 5 THEN 'aaron_' WHEN n % 6 = 2 THEN 'zoltan_' ELSE left(md5(n::text), 9) || '_' END || n,
           CASE WHEN n % 10 = 3 THEN 'ant.' WHEN n % 10 = 8 THEN 'yak.' ELSE left(md5('m' || n), 9) END || n || '@example.org',
           CASE WHEN n <= 1500 THEN 'Newcomer' WHEN n > 28500 THEN 'Oldhand' WHEN n % 100 = 50 THEN 'Ferro ' || n
                ELSE 'สมชาย ' || n END,
           n % 9 > 0, n % 50 = 7, :now - n * interval '53 min'
    FROM generate_series(1, 30000) AS n
""")
TERMS = [
    "EXAMPLE.org",
    "aaron",
    "zoltan",
    "ant.",
    "yak.",
    "oldhand",
    "newcomer",
    "ferro",
    "c0ffe",
    "_817",
    "สมช",
    "e.o",
    "ferro 7650",
    "ant.13@example.org",
]
SHORT = ["a", "er", "y", "ж", "~", "f0", "q"]
STATES = [{}, {"is_active": False}, {"is_superuser": True}, {"is_active": False, "is_superuser": True}]
ORDERS = list(product(("created_at", "username", "email"), ("asc", "desc")))


@pytest.fixture(scope="module")
def many(settings, clock):
    """30,000 users, of whom the planner knows, in a database of their own."""
    with databases.filled(settings, clock, USERS, now=clock.now) as app, app.app_context():
        yield


@pytest.fixture
def cost(many, monkeypatch):
    """Make a search; how many rows of users it fetched from the table, and how many statements it took.

    The windows are as much smaller than they are as this table is smaller than one of ten millions, about.
    """
    bounds = {
        "WINDOW": 50,
        "WINDOW_BY_NAME": 100,
        "WINDOW_OF_FEW": 300,
        "WINDOW_OF_ALL": 100,
        "WINDOW_BY_SAMPLE": 500,
        "SLICE": 200,
        "MANY": 200,
        "WIDE": 500,
        "COUNT_AT_MOST": 50,
        "FEW": 20,
        "MOST": 60,
        "SAMPLE": 100,
    }
    for bound, rows in bounds.items():
        monkeypatch.setattr(text_search, bound, rows)
    monkeypatch.setattr(name_jumps, "LOOK_UP", 300)

    def made(search, *arguments):
        with db.session() as session, explained.noted(db.engine) as sent:
            search(session, *arguments)
        with db.engine.connect() as connection:
            return sum(rows_fetched(explained.plan(connection, each)) for each in sent), len(sent)

    return made


def rows_fetched(plan):
    fetched = 0
    if plan.get("Relation Name") == "users" and plan["Node Type"] != "Index Only Scan":
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        fetched = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return fetched + sum(rows_fetched(part) for part in plan.get("Plans", []))


def searches(term):
    for (sort_by, sort_order), states in product(ORDERS, STATES):
        yield UserFilter(**states, search=term, sort_by=sort_by, sort_order=sort_order)


@pytest.mark.parametrize("term", TERMS + SHORT)
def test_first_page_of_a_search_fetches_few_rows_in_every_order_with_every_filter(cost, term):
    costs = {chosen: cost(user_search.numbered_page, chosen, 1, 20) for chosen in searches(term)}
    assert {chosen: rows for chosen, (rows, _) in costs.items() if rows > 4_000} == {}
    assert {statements for _, statements in costs.values()} <= {1, 2}


@pytest.mark.parametrize("term", ["aaron", "ant.", "oldhand", "f0"])
def test_a_search_goes_on_by_cursor_at_the_same_cost(cost, many, term):
    for chosen in searches(term):
        with db.session() as session:
            after = user_search.numbered_page(session, chosen, 3, 20).after
        if after:
            rows, _ = cost(user_search.page_at, chosen, after, 20)
            assert rows < 4_000, chosen


@pytest.mark.parametrize(("states", "rows"), [({}, 5_000 // 3), ({"is_active": False}, 30_000 // 9 // 2)])
def test_a_sample_of_who_match_is_of_users_of_all_times(many, states, rows):
    with db.session() as session, explained.noted(db.engine) as sent:
        user_search.numbered_page(session, UserFilter(**states, search="example", sort_by="username"), 1, 20)
    with db.engine.connect() as connection:
        ids = [user_id for _, user_id, *_ in connection.exec_driver_sql(sent[0].sql, sent[0].parameters)]
    assert {(user_id - 1) * 20 // 30_000 for user_id in ids} == set(range(20))
    assert len(ids) == len(set(ids)) == rows


def test_a_sample_of_the_newest_tells_how_many_match_also_where_more_sign_up_than_once_did(settings, clock, monkeypatch):
    """Half of all users have signed up in the last 20 days of 1,000; one in 21 matches."""
    users = text("""
        INSERT INTO users (username, email, full_name, created_at)
        SELECT 'user' || n, n || '@example.org', CASE WHEN n % 21 = 3 THEN 'Ferro' END,
            :now - CASE WHEN n % 2 = 0 THEN 20 ELSE 1000 END * interval '1 day' * n / 20000
        FROM generate_series(1, 20000) AS n
    """)
    for bound, rows in {"WINDOW_OF_ALL": 20, "SLICE": 200, "SAMPLE": 100, "MANY": 200}.items():
        monkeypatch.setattr(text_search, bound, rows)
    with databases.filled(settings, clock, users, now=clock.now) as app, app.app_context():
        with db.session() as session, explained.noted(db.engine) as sent:
            user_search.numbered_page(session, UserFilter(search="ferro", sort_by="username"), 1, 20)
        with db.engine.connect() as connection:
            sample = connection.exec_driver_sql(sent[0].sql, sent[0].parameters).all()
            for wrong in (
                "TRUNCATE user_tally, user_tally_deltas",
                "INSERT INTO user_tally VALUES ('2020-02-29', true, false, -9)",
            ):
                connection.exec_driver_sql(wrong)
                misled = connection.exec_driver_sql(sent[0].sql, sent[0].parameters).all()
                assert {0 < share <= 1 for *_, share in misled} == {True}, "a wrong tally fails no search"
    [share] = {share for *_, share in sample}
    assert len(sample) == 101
    assert len(sample) / share == pytest.approx(20_000 // 21, rel=0.2)


@pytest.mark.parametrize(
    ("term", "grams"),
    [
        ("anton.b7@mail.example", {"ant", "on.", "b7@"}),
        ("anton@mail.example", {"ant", "on@", "mai"}),
        ("ann@example.org", {"ann", "n@e", "@ex", "exa"}),
        ("@mail.example", {"@ma", "il.", "exa", "mpl", "ple"}),
    ],
)
def test_of_an_address_the_rest_of_the_domain_is_not_looked_up(many, term, grams):
    asked = text(f"WITH {ASKED} SELECT unnest(tsvector_to_array(replace(grams::text, ' & ', ' ')::tsvector)) FROM asked")
    with db.engine.connect() as connection:
        found = connection.scalars(asked, {"term": term, "gaps": GAPS, "letters": LETTERS}).all()
    assert {gram.translate(dict(zip(map(ord, LETTERS), GAPS, strict=True))) for gram in found} == grams


def test_these_bounds_would_show_a_search_that_fetches_all_matches(many, cost):
    aaron = f"{GRAMS} @@ $$'aar' & 'aro' & 'ron'$$"
    everything = text(f"SELECT id FROM users WHERE {aaron} ORDER BY lower(username) LIMIT 20")
    rows, _ = cost(Session.execute, everything)
    assert rows == 5_000


@pytest.mark.parametrize(
    ("term", "looked_up"), [("example", False), ("a", False), ("c0ffe", True), ("ferro 7650", True), ("ж", True)]
)
def test_all_who_match_are_looked_up_unless_it_is_most_users(many, term, looked_up):
    with db.session() as session, explained.noted(db.engine) as sent:
        session.execute(user_search.exported(session, UserFilter(search=term)))
    with db.engine.connect() as connection:
        plan = str(explained.plan(connection, sent[-1]))
    assert ("ix_users_search" in plan) == looked_up
    assert ("array_to_tsvector" in plan) == looked_up, "n-grams are not made for each user"
