"""A search finds what a plain scan of the table would, in its order, whichever way the engine takes."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from random import Random

import pytest
from sqlalchemy import select, text

import databases
from facts import NOON
from rollcall.infra.database import db
from rollcall.models import User
from rollcall.services.search import filters, list_order, text_search, user_search
from rollcall.services.search.filters import UserFilter
from rollcall.services.search.list_order import Position
from rollcall.services.search.text_search import Total

# "gather" stands together at one end of the usernames and "zeal" at the other, "founder" among the oldest and "newest" among
# the newest only; e-mails begin otherwise; thirty share a moment of sign-up; some names are short, some not ASCII.
PEOPLE = text("""
    INSERT INTO users (username, email, full_name, is_active, is_superuser, created_at)
    SELECT CASE WHEN n % 9 = 0 THEN 'gather_' WHEN n % 11 = 0 THEN 'zeal_' WHEN n % 13 = 0 THEN 'Gat'
                ELSE left(md5(n::text), 5) END || n,
           CASE WHEN n % 7 = 0 THEN 'zeal.' WHEN n % 10 = 0 THEN 'éva' WHEN n % 17 = 0 THEN 'g'
                ELSE left(md5('m' || n), 3) END || n || '@' || CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END || '.example',
           CASE WHEN n % 5 = 0 THEN 'Maria ' || n WHEN n > 1150 THEN 'Founder' WHEN n < 50 THEN 'Newest'
                WHEN n % 6 = 0 THEN '李 100%' END,
           n % 8 > 0, n % 50 = 7, :now - (n / 30) * interval '31 h'
    FROM generate_series(1, 1200) AS n
    UNION ALL SELECT 'gat', 'gat@even.example', 'Maria', true, true, :now - interval '3 years'
""")
TERMS = ["GATHER", "gat", "maria", "founder", "newest", "d.example", "éva", "李", "0%", "7", "117", "maria odd", "7j"]
STATES = [
    {},
    {"is_active": False},
    {"is_superuser": True},
    {"is_active": True, "is_superuser": False},
    {"is_active": False, "is_superuser": True},
]
ORDERS = list(product(("created_at", "username", "email", "relevance"), ("asc", "desc")))


@pytest.fixture(scope="module")
def people(settings, clock):
    """1,201 users, in a database of their own."""
    with databases.filled(settings, clock, PEOPLE, now=clock.now) as app, app.app_context():
        yield


@pytest.fixture
def session(people):
    with db.session() as session:
        yield session


@pytest.fixture
def narrow(monkeypatch):
    """Bounds so narrow that a search among these few people needs every step."""
    for bound, value in {"NEAR": 3, "COMMON": 2, "MARGIN": 0.5, "FEW": 5, "COUNT_AT_MOST": 20}.items():
        monkeypatch.setattr(text_search, bound, value)


def plainly(session, chosen):
    """All who match, as (key, id), in order, by a plain scan with the same folding."""
    folded = session.scalar(text("SELECT user_search_fold(:term)"), {"term": chosen.search})
    order = list_order.of(chosen.sorted_by, chosen.sort_order)
    columns = (order.key, User.id, User.search_text, User.username, User.email, User.is_active, User.is_superuser)
    rows = []
    for key, user_id, searched, username, email, *states in session.execute(select(*columns)):
        exact = chosen.search.lower() in (username.lower(), email.lower(), str(user_id))
        if not exact and not all(word in searched for word in folded.split()):
            continue
        if all(getattr(chosen, name) in (None, state) for name, state in zip(("is_active", "is_superuser"), states, strict=True)):
            rank = exact and chosen.sorted_by == "relevance"
            rows.append((rank, (-user_id if rank else 0), key, user_id))
    return [(key, user_id) for _, _, key, user_id in sorted(rows, reverse=order.descending)]


def ids(page):
    return [user.id for user in page.items]


def every_search(term, sort_by, sort_order):
    return [UserFilter(**state, search=term, sort_by=sort_by, sort_order=sort_order) for state in STATES]


@pytest.mark.parametrize(("sort_by", "sort_order"), ORDERS)
@pytest.mark.parametrize("term", TERMS)
def test_pages_by_number_are_those_of_the_plainest_query(session, narrow, term, sort_by, sort_order):
    for chosen in every_search(term, sort_by, sort_order):
        expected = [user_id for _, user_id in plainly(session, chosen)]
        bound = text_search.COUNT_AT_MOST
        size = max(7, len(expected) // 3)
        for number in range(1, len(expected) // size + 2):
            page = user_search.numbered_page(session, chosen, number, size)
            assert ids(page) == expected[(number - 1) * size : number * size], (chosen, number)
            assert page.total == Total(min(len(expected), bound), exact=len(expected) <= bound), chosen


@pytest.mark.parametrize(("sort_by", "sort_order"), ORDERS)
@pytest.mark.parametrize("term", ["maria", "even", "gat", "117"])
def test_wide_windows_change_nothing(session, term, sort_by, sort_order):
    for chosen in every_search(term, sort_by, sort_order):
        expected = [user_id for _, user_id in plainly(session, chosen)]
        assert ids(user_search.numbered_page(session, chosen, 1, 50)) == expected[:50]
        assert ids(user_search.numbered_page(session, chosen, 4, 50)) == expected[150:200]


@pytest.mark.parametrize(("sort_by", "sort_order"), ORDERS)
@pytest.mark.parametrize("term", TERMS[::2])
def test_a_walk_there_and_back_meets_those_of_the_plainest_query(session, narrow, term, sort_by, sort_order):
    for chosen in every_search(term, sort_by, sort_order):
        expected = [user_id for _, user_id in plainly(session, chosen)]
        size = max(7, len(expected) // 3)
        there = [user_search.numbered_page(session, chosen, 1, size)]
        while there[-1].after:
            there.append(user_search.page_at(session, chosen, there[-1].after, size))
        assert [user for page in there for user in ids(page)] == expected, chosen
        back = [there[-1]]
        while back[-1].before:
            back.append(user_search.page_at(session, chosen, back[-1].before, size))
        assert [user for page in back[::-1] for user in ids(page)] == expected, chosen
        assert {page.total for page in there + back} == {there[0].total}


@pytest.mark.parametrize(("sort_by", "sort_order"), ORDERS[:6])
@pytest.mark.parametrize("term", ["maria", "gat", "7"])
def test_search_goes_on_beside_a_user_who_does_not_match(session, narrow, term, sort_by, sort_order):
    chosen = UserFilter(search=term, sort_by=sort_by, sort_order=sort_order)
    expected = plainly(session, chosen)
    key = list_order.of(sort_by, sort_order).key
    for place in map(tuple, session.execute(select(key, User.id).where(User.id % 171 == 1))):
        before = [other[1] for other in expected if (other > place if sort_order == "desc" else other < place)]
        after = [other[1] for other in expected if (other < place if sort_order == "desc" else other > place)]
        assert ids(user_search.page_at(session, chosen, Position(*place), 9)) == after[:9]
        assert ids(user_search.page_at(session, chosen, Position(*place, backwards=True), 9)) == before[-9:]


@pytest.mark.parametrize(
    "given",
    [
        {"email": "GAT@even.example"},
        {"created_after": NOON - timedelta(days=400)},
        {"created_before": NOON - timedelta(days=400), "is_active": True},
        {"last_login_after": NOON - timedelta(days=1)},
        {"last_login_before": NOON, "is_superuser": False},
        {"never_logged_in": False},
        {"never_logged_in": True, "has_password": False},
    ],
)
def test_every_filter_narrows_a_search_in_each_of_its_steps(session, narrow, given):
    noted = "INSERT INTO user_logins SELECT id, :noon FROM users WHERE id % 3 = 0 AND created_at < :noon"
    session.execute(text(noted), {"noon": NOON - timedelta(hours=1)})
    chosen = UserFilter(search="example", **given)
    conditions = [*filters.with_values(given), User.search_text.contains("example")]
    newest = select(User.id).where(*conditions).order_by(User.created_at.desc(), User.id.desc())
    expected = session.scalars(newest).all()
    assert expected
    first = user_search.numbered_page(session, chosen, 1, 30)
    assert ids(first) == expected[:30]
    if first.after:
        assert ids(user_search.page_at(session, chosen, first.after, 30)) == expected[30:60]
    session.rollback()


def test_whom_the_term_names_exactly_comes_first_by_relevance(session):
    first, *others = user_search.numbered_page(session, UserFilter(search="GAT"), 1, 3).items
    assert first.username == "gat"  # the oldest of all
    assert others == sorted(others, key=lambda user: user.created_at, reverse=True)
    by_address = user_search.numbered_page(session, UserFilter(search="Gat <gat@even.example>"), 1, 3)
    assert [user.username for user in by_address.items] == ["gat"]
    number = session.scalar(select(User.id).where(User.username == "gather_9"))
    by_id = user_search.numbered_page(session, UserFilter(search=str(number)), 1, 3)
    assert by_id.items[0].id == number


def test_a_page_of_one_goes_through_exact_matches_and_back(session):
    chosen = UserFilter(search="gat")
    first = user_search.numbered_page(session, chosen, 1, 1)
    second = user_search.page_at(session, chosen, first.after, 1)
    again = user_search.page_at(session, chosen, second.before, 1)
    assert (ids(first), first.before) == (ids(again), None)
    assert again.before is None
    assert ids(second) != ids(first)


RANDOM = text("""
    INSERT INTO users (username, email, full_name, is_active, is_superuser, created_at)
    SELECT substr(md5(n::text), 1, 4 + n % 5) || n,
           left(md5('m' || n), 2 + n % 3) || '.' || n || '@' || left(md5((n % 40)::text), 5) || '.example',
           (ARRAY['María', 'Maria', 'Søren', 'Иван', 'Αλέξης', 'Ann', 'Anna', '李', '김민준', 'Łukasz'])[1 + n % 10] || ' '
           || (ARRAY['Costa', 'Müller', 'Muller', 'Novák', 'Nováková', 'Straße', 'Петров', 'Ørsted'])[1 + n % 8],
           n % 11 > 0, n % 97 = 3, :now - (n % 900) * interval '17 h'
    FROM generate_series(1, 20000) AS n
""")


@pytest.fixture(scope="module")
def crowd(settings, clock):
    """20,000 users, in a database of their own; and all that a plain scan looks at."""
    with databases.filled(settings, clock, RANDOM, now=clock.now) as app, app.app_context(), db.session() as session:
        keys = {sort_by: list_order.of(sort_by, "asc").key.label(sort_by) for sort_by in ("created_at", "username", "email")}
        columns = (User.id, User.search_text, User.is_active, User.is_superuser)
        rows = [row._asdict() for row in session.execute(select(*columns, *keys.values()))]
        session.commit()
        yield rows


def typed(random, rows):
    """A term as somebody might type it: parts of a user's text, in another case."""
    words = random.choice(rows)["search_text"].replace("\x1f", " ").split()
    parts = []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        word = random.choice(words)
        start = random.randrange(len(word))
        parts.append(word[start : start + random.choice((1, 2, 3, 3, 4, 6, 12))])
    random.shuffle(parts)
    return random.choice((str.upper, str.lower, str.title))(" ".join(parts))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.heavy) for seed in range(1, 10))])
def test_a_thousand_random_searches_find_what_a_plain_scan_finds(crowd, seed):
    random = Random(seed)
    for _ in range(100):
        states = random.choice(STATES)
        sort_by, sort_order = random.choice(ORDERS)
        chosen = UserFilter(**states, search=typed(random, crowd), sort_by=sort_by, sort_order=sort_order)
        size = random.choice((1, 7, 50, 100))
        with db.session() as session:
            folded = session.scalar(text("SELECT user_search_fold(:term)"), {"term": chosen.search}).split()
            key = "created_at" if sort_by == "relevance" else sort_by
            exact = [row["id"] for row in crowd if chosen.search in (str(row["id"]), row["search_text"].split("\x1f")[0])]
            found = [row for row in crowd if row["id"] in exact or all(word in row["search_text"] for word in folded)]
            found = [row for row in found if all(row[state] == wanted for state, wanted in states.items())]
            first = exact if sort_by == "relevance" else []
            found.sort(key=lambda row: (row["id"] in first, row[key], row["id"]), reverse=sort_order == "desc")
            expected = [row["id"] for row in found]
            page = user_search.numbered_page(session, chosen, 1, size)
            assert ids(page) == expected[:size], chosen
            assert page.total == Total(min(len(expected), 200), exact=len(expected) <= 200), chosen
            number = random.randrange(1, 5)
            assert ids(user_search.numbered_page(session, chosen, number, size)) == expected[(number - 1) * size : number * size]
            if page.after:
                further = user_search.page_at(session, chosen, page.after, size)
                assert ids(further) == expected[size : 2 * size], chosen
                assert further.total == page.total
                assert ids(user_search.page_at(session, chosen, further.before, size)) == ids(page)
