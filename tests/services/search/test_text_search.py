"""A search finds what the plainest query would, in its order, whatever way it takes: with users who cluster where it hurts."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from sqlalchemy import func, or_, select, text

import databases
from rollcall.infra.database import db
from rollcall.models import User
from rollcall.models.user import BEGINNINGS, GROUPED, GROUPS, NAME_BEGINNINGS, UNUSUAL
from rollcall.services.search import list_order, name_jumps, text_search, user_search
from rollcall.services.search.user_search import Position, Total, UserFilter

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
TERMS = [
    "gather",
    "ZEAL",
    "gat",
    "maria",
    "founder",
    "newest",
    "even",
    "d.example",
    "@even.example",
    "éva",
    "李",
    "0%",
    "_1",
    "7",
    "117",
    "zz",
    "none",
]
STATES = [
    {},
    {"is_active": False},
    {"is_superuser": True},
    {"is_active": True, "is_superuser": False},
    {"is_active": False, "is_superuser": True},
]
ORDERS = list(product(("created_at", "username", "email"), ("asc", "desc")))


@pytest.fixture(scope="module")
def people(settings, clock):
    """1,201 users, in a database of their own."""
    with databases.filled(settings, clock, PEOPLE, now=clock.now) as app, app.app_context():
        yield


@pytest.fixture
def session(people):
    with db.session() as session:
        yield session


@pytest.fixture(params=[10, 30])
def narrow(monkeypatch, request):
    """Windows so narrow that a search among these few people needs all its means; with the wider one it meets all superusers."""
    bounds = {
        "WINDOW": 3,
        "WINDOW_BY_NAME": 5,
        "WINDOW_OF_FEW": 7,
        "WINDOW_OF_ALL": 40,
        "WIDE": request.param,
        "SLICE": 2,
        "MANY": 100,
    }
    bounds |= {"COUNT_AT_MOST": 20, "FEW": 2, "MOST": 15, "SAMPLE": 20}
    for bound, rows in bounds.items():
        monkeypatch.setattr(text_search, bound, rows)
    monkeypatch.setattr(name_jumps, "LOOK_UP", 40)


def plainly(session, chosen):
    """All who match, as (key, id), in order, by the plainest query that there is."""
    columns = (User.username, User.email, User.full_name)
    found = or_(*(func.lower(column).contains(chosen.search.lower(), autoescape=True) for column in columns))
    states = [getattr(User, state) == wanted for state, wanted in chosen.states.items()]
    order = list_order.of(chosen.sort_by, chosen.sort_order)
    rows = session.execute(select(order.key, User.id).where(found, *states).order_by(*order.clauses(), User.id))
    return sorted(map(tuple, rows), reverse=order.descending)


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
@pytest.mark.parametrize("term", TERMS)
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


@pytest.mark.parametrize(("sort_by", "sort_order"), ORDERS)
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


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("column", ["username", "email"])
def test_beginnings_cover_all_names_between_two_and_few_others(session, column, descending):
    names = sorted(session.scalars(select(list_order.of(column, "asc").key).select_from(User)), reverse=descending)

    def covered(start, end, without=None):
        chosen = name_jumps._beginnings(start, end and end[:BEGINNINGS], descending=descending, without=without)
        found, in_groups = (
            {name for name in names if set(asked) & (held(name) - {without})} for asked in (chosen, name_jumps._in_groups(chosen))
        )
        assert in_groups == found
        return found

    for start, end in pairwise([None, *names[::150], None]):
        first, last = names.index(start) if start else 0, names.index(end) if end else len(names) - 1
        assert set(names[first : last + 1]) <= covered(start, end)
        assert len(covered(start, end)) < 500
        if end:
            before = [name for name in names[first:last] if not name.startswith(end[:BEGINNINGS])]
            assert set(before) <= covered(start, end, without=end[:BEGINNINGS])


@pytest.mark.parametrize("descending", [False, True])
def test_names_before_a_place_are_asked_for_by_few_beginnings(descending):
    for place in ("m", "ma", "mar", "john_smith", "zoe", "7up"):
        chosen = name_jumps._in_groups(name_jumps._beginnings(None, place[:3], descending=descending))
        # At most five groups, and five letters of the group that the place is in, for each character; digits are one group of 15.
        assert len(chosen) <= 1 + sum(5 + (14 if letter.isdigit() else 5) for letter in place[:3])


@pytest.mark.parametrize("look_up", [1, 100, 10_000, 200_000])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("column", ["username", "email"])
def test_what_is_looked_up_before_a_jump_is_all_that_lies_there(session, monkeypatch, column, descending, look_up):
    monkeypatch.setattr(name_jumps, "LOOK_UP", look_up)
    names = sorted(session.scalars(select(list_order.of(column, "asc").key).select_from(User)), reverse=descending)
    for first, share, needed in product(range(0, 900, 90), (0.001, 0.05), (1, 20)):
        start = names[first] if first else None
        sample = name_jumps.Sample(names[first + 5 :: 7], share)
        jump = name_jumps.choose(sample, needed, descending=descending, start=start)
        assert jump.name
        before = {name for name in names[first + 1 :] if (name > jump.name if descending else name < jump.name)}
        found = {name for name in names if held(name) & set(jump.before)}
        apart = {name for name in names if jump.crowds and not held(name) & set(jump.crowds)}
        assert before <= found | apart
        assert all(UNUSUAL in held(name) for name in found & apart)
        enough = {name for name in names if held(name) & set(jump.enough)}
        assert set(names[first : names.index(sample.names[needed - 1]) + 1]) <= enough


@pytest.mark.parametrize("descending", [False, True])
def test_names_in_a_crowd_are_read_and_the_few_others_looked_up(descending):
    names = [f"maria.{number}@example.org" for number in range(900, 1900)]
    crowded = name_jumps.Sample([*names, "anna@example.org", "zoe@example.org"], 0.01)
    from_the_start = name_jumps.choose(crowded, 51, descending=descending, start=None)
    assert from_the_start.name == ("maria\U0010ffff" if descending else "maria")
    assert (from_the_start.before, from_the_start.crowds) == ([UNUSUAL], ["maria"])
    further = name_jumps.choose(crowded, 51, descending=descending, start="max" if descending else "lena")
    assert (further.before, further.crowds) == ([UNUSUAL], ["maria"])
    spread = name_jumps.Sample([chr(ord("a") + number % 26) + name for number, name in enumerate(names)], 0.01)
    assert name_jumps.choose(spread, 51, descending=descending, start=None).crowds == []
    few = [f"{end}.{number}@example.org" for end in ("ant", "yak") for number in range(3)]
    near = name_jumps.choose(name_jumps.Sample([*names, *few], 0.001), 51, descending=descending, start=None)
    assert near.name.startswith("yak" if descending else "ant")
    assert near.crowds == [], "those before a small crowd are soon passed over"


def held(name):
    """The beginnings of a name that the index holds."""
    beginnings = {name.ljust(length)[:length] for length in range(1, BEGINNINGS + 1)}
    usual = set(name[:BEGINNINGS]) <= set("".join(GROUPS.values()))
    return {*beginnings, *(in_group(part) for part in beginnings if len(part) <= GROUPED), *([] if usual else [UNUSUAL])}


def in_group(beginning):
    group = (name for name, letters in GROUPS.items() if beginning[-1] in letters)
    return beginning[:-1] + next(group, beginning[-1])


def test_the_index_holds_these_beginnings(session):
    for column, beginnings in NAME_BEGINNINGS.items():
        for name, kept in session.execute(select(list_order.of(column, "asc").key, beginnings).select_from(User)):
            assert {part for part in kept if part} == held(name)
