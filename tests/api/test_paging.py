"""``GET /api/v1/users?cursor=…``: walking a list, forwards and backwards, while it changes."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from itertools import product
from urllib.parse import parse_qs, urlsplit

import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import delete

from answers import problems, refused
from rollcall.models import User

FILTERS = [{}, {"is_active": "true"}, {"is_superuser": "false"}, {"search": "mail"}, {"is_active": "false", "search": "er"}]
ORDERS = list(product(("created_at", "username", "email"), ("asc", "desc")))


def walk(caller, query, cursor="next_cursor", start=None):
    """The pages of a list from a cursor or the beginning, and the last page."""
    page = start or caller.get("/users", query_string=query).json
    pages = [page]
    while page[cursor]:
        answer = caller.get("/users", query_string=query | {"cursor": page[cursor]})
        assert answer.status_code == 200, answer.json
        page = answer.json
        pages.append(page)
        assert len(pages) < 100
    return pages


def ids(pages):
    return [user["id"] for page in pages for user in page["items"]]


@pytest.mark.parametrize("chosen", FILTERS, ids=str)
@pytest.mark.parametrize(("sort_by", "order"), ORDERS)
def test_walk_forwards_and_back_meets_each_user_once(as_root, crowd, chosen, sort_by, order):
    query = {**chosen, "sort_by": sort_by, "sort_order": order}
    whole = ids([as_root.get("/users", query_string=query | {"size": 100}).json])
    there = walk(as_root, query | {"size": 4})
    back = walk(as_root, query | {"size": 4}, "prev_cursor", start=there[-1])
    assert len(whole) > 5
    assert ids(there) == whole
    assert ids(back[::-1]) == whole


def test_pages_of_a_walk_are_those_by_number(as_root, crowd):
    numbered = [as_root.get(f"/users?size=7&page={number}").json for number in range(1, 6)]
    walked = walk(as_root, {"size": 7})
    assert [page["items"] for page in walked] == [page["items"] for page in numbered]
    assert [page["page"] for page in walked] == [1, 2, 3, 4, 5]
    assert {(page["total"], page["pages"], page["size"]) for page in walked} == {(31, 5, 7)}
    back = walk(as_root, {"size": 7}, "prev_cursor", start=walked[-1])
    assert [page["page"] for page in back] == [5, 4, 3, 2, 1]


def test_walk_may_begin_at_a_numbered_page(as_root, crowd):
    third = as_root.get("/users?size=7&page=3").json
    assert as_root.get(f"/users?size=7&cursor={third['next_cursor']}").json["page"] == 4
    assert ids([as_root.get(f"/users?size=7&cursor={third['prev_cursor']}").json]) == ids(
        [as_root.get("/users?size=7&page=2").json]
    )


def test_first_page_has_no_previous_and_the_last_no_next(as_root, crowd):
    pages = walk(as_root, {"size": 7})
    assert [page["prev_cursor"] is None for page in pages] == [True, False, False, False, False]
    assert pages[-1]["next_cursor"] is None


def test_size_may_change_on_the_way(as_root, crowd):
    first = as_root.get("/users?size=5").json
    rest = as_root.get(f"/users?size=100&cursor={first['next_cursor']}").json
    assert len(set(ids([first, rest]))) == 31


@pytest.mark.parametrize(("sort_by", "order"), ORDERS)
def test_walk_while_users_come_and_go_meets_each_that_stays_once(as_root, crowd, put_users, engine, root, sort_by, order):
    query = {"size": 4, "sort_by": sort_by, "sort_order": order}
    before = ids([as_root.get("/users?size=100").json])
    page = as_root.get("/users", query_string=query).json
    met, gone, step = ids([page]), set(), 0
    while page["next_cursor"]:
        step += 1
        put_users(  # before, within and after the page that is asked for next
            [
                {"username": f"{name}{step}", "created_at": root.created_at + timedelta(days=day)}
                for name, day in (("aaa", 0), ("user15", 5), ("zzz", 30))
            ]
        )
        removed = {met[-1], *[user_id for user_id in before if user_id not in met][:1]} - {root.id}
        gone |= removed  # the very user at whom the cursor points, and one to come
        with engine.begin() as connection:
            connection.execute(delete(User).where(User.id.in_(removed)))
        page = as_root.get("/users", query_string=query | {"cursor": page["next_cursor"]}).json
        met += ids([page])
    assert len(met) == len(set(met))
    assert set(before) - gone <= set(met)


@pytest.mark.parametrize("query", ["sort_by=email", "sort_by=username", "sort_by=email&search=mail"])
def test_cursor_is_opaque_and_tells_no_address(as_root, crowd, query):
    page = as_root.get(f"/users?size=5&{query}").json
    cursor = page["next_cursor"]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    inside = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for words in (page["items"][-1]["email"], page["items"][-1]["username"], "email"):
        assert words.encode() not in inside


def test_cursor_of_an_earlier_version_is_refused(app, as_root, crowd):
    value = ["user1@example.org", 1, False, 2, [None, None, None, "email", "asc"]]
    earlier = URLSafeSerializer(app.secret_key, salt="rollcall.cursor").dumps(value)
    assert refused_cursor(as_root.get(f"/users?size=5&sort_by=email&sort_order=asc&cursor={earlier}"))


def test_cursor_has_one_spelling(as_root, cursor):
    for other in (cursor + "=", cursor + "A", cursor[:9] + "!" + cursor[9:], cursor[:9] + "%0A" + cursor[9:], cursor[:-1]):
        assert refused_cursor(as_root.get(f"/users?size=5&cursor={other}")), other
    last = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") - {cursor[-1]}
    for letter in sorted(last):
        assert refused_cursor(as_root.get(f"/users?size=5&cursor={cursor[:-1]}{letter}")), letter


@pytest.mark.parametrize("term", ["m", "ma", "mai"])
def test_cursor_of_any_length_has_no_padding(as_root, crowd, term):
    query = f"/users?size=5&search={term}"
    cursor = as_root.get(query).json["next_cursor"]
    assert as_root.get(f"{query}&cursor={cursor}").status_code == 200
    for padding in ("=", "==", "==="):
        assert refused_cursor(as_root.get(f"{query}&cursor={cursor}{padding}")), padding


@pytest.fixture
def cursor(as_root, crowd):
    return as_root.get("/users?size=5").json["next_cursor"]


def refused_cursor(answer):
    assert problems(answer) == {("query.cursor", "invalid_cursor")}
    return refused(answer, 422, "validation_error")


def test_tampered_cursor_is_refused(as_root, cursor):
    for place in range(0, len(cursor), 7):
        other = "A" if cursor[place] != "A" else "B"
        assert refused_cursor(as_root.get(f"/users?size=5&cursor={cursor[:place]}{other}{cursor[place + 1 :]}")), place


@pytest.mark.parametrize("forged", ["", "x", "....", "%00", "%F0%9F%99%82", "WzEsMl0.c2ln", "x" * 10_000])
def test_invented_cursor_is_refused(as_root, forged):
    assert refused_cursor(as_root.get(f"/users?cursor={forged}"))


def test_cursor_of_another_service_is_refused(make_app, root, call_as, crowd):
    foreign = call_as(root, on=make_app(secret_key="t" * 32)).get("/users?size=5").json["next_cursor"]
    assert refused_cursor(call_as(root).get(f"/users?size=5&cursor={foreign}"))


@pytest.mark.parametrize(
    "query", ["is_active=true", "is_superuser=false", "search=mail", "sort_by=email", "sort_by=username", "sort_order=asc"]
)
def test_cursor_of_another_list_is_refused(as_root, cursor, query):
    assert refused_cursor(as_root.get(f"/users?size=5&cursor={cursor}&{query}"))


def test_cursor_fits_the_same_list_spelled_out(as_root, cursor):
    assert as_root.get(f"/users?size=5&cursor={cursor}&sort_by=created_at&sort_order=desc").status_code == 200


def test_cursor_and_page_exclude_each_other(as_root, cursor):
    answer = as_root.get(f"/users?cursor={cursor}&page=1")
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {("query.cursor", "not_both")}


def test_cursor_may_be_given_once(as_root, cursor):
    assert problems(as_root.get(f"/users?cursor={cursor}&cursor={cursor}")) == {("query.cursor", "repeated")}


def test_cursor_takes_no_more_statements_than_a_page(as_root, cursor, statements):
    as_root.get(f"/users?size=5&cursor={cursor}")
    assert len(statements) == 3, statements
    assert "OFFSET" not in "".join(statements)


def links(answer):
    return {relation: target for target, relation in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["Link"])}


def test_link_header_leads_through_the_list_with_its_filters(as_root, crowd):
    query = "/users?size=5&sort_by=username&is_active=true&search=ser"
    first = as_root.get(query)
    assert set(links(first)) == {"first", "next"}
    second = as_root.get("/" + links(first)["next"])
    assert set(links(second)) == {"first", "prev", "next"}
    assert as_root.get("/" + links(second)["first"]).json["items"] == first.json["items"]
    assert as_root.get("/" + links(second)["prev"]).json["items"] == first.json["items"]
    assert parse_qs(urlsplit(links(second)["first"]).query) == parse_qs(urlsplit(query).query)


def test_link_header_of_a_numbered_page_forgets_the_number(as_root, crowd):
    second = as_root.get("/users?page=2&size=10")
    third = as_root.get("/" + links(second)["next"])
    assert third.json["items"] == as_root.get("/users?page=3&size=10").json["items"]
    assert as_root.get("/" + links(second)["first"]).json["page"] == 1


@pytest.mark.parametrize("term", ["李", 'a"b', "a>b, <c", "a&b=c", "%"])
def test_link_header_carries_any_search(as_root, put_users, term):
    put_users([{"username": f"user{n}", "full_name": f"x {term} y"} for n in range(3)])
    first = as_root.get("/users", query_string={"search": term, "size": 1})
    assert first.json["total"] == 3
    assert first.headers["Link"].isascii()
    second = as_root.get("/" + links(first)["next"])
    assert second.json["items"][0]["username"] == "user1"


def test_link_header_of_the_only_page_has_only_the_first(as_root):
    assert as_root.get("/users").headers["Link"] == '</api/v1/users>; rel="first"'
