"""``GET /api/v1/users``: filters, search, order, and pages by number."""

from __future__ import annotations

from itertools import product

import pytest

from answers import problems, refused
from rollcall.services.search import text_search


@pytest.fixture
def listed(as_root):
    """The usernames of a list; the query as keyword arguments."""

    def names(**query):
        answer = as_root.get("/users", query_string={"size": 100, **query})
        assert answer.status_code == 200, answer.json
        return [user["username"] for user in answer.json["items"]]

    return names


def test_list_has_the_documented_fields(as_root, ann):
    answer = as_root.get("/users")
    fields = ["items", "total", "total_is_exact", "page", "size", "pages", "next_cursor", "prev_cursor"]
    assert list(answer.json) == fields
    assert answer.json["items"][0] == as_root.get(f"/users/{ann.id}").json
    assert "argon2" not in answer.text


def test_newest_come_first_and_fifty_to_a_page(as_root, put_users):
    put_users([{"username": f"user{n:02}"} for n in range(60)])
    page = as_root.get("/users").json
    assert (page["page"], page["size"], page["total"], page["pages"], len(page["items"])) == (1, 50, 61, 2, 50)
    assert page["items"][0]["username"] == "user59"


@pytest.mark.parametrize(("active", "superuser"), list(product((None, True, False), repeat=2)))
def test_filters_show_those_and_only_those_and_count_them(as_root, crowd, active, superuser):
    everyone = [*crowd, {"username": "root", "is_active": True, "is_superuser": True}]
    wanted = {"is_active": active, "is_superuser": superuser}
    query = {name: str(value).lower() for name, value in wanted.items() if value is not None}
    expected = {row["username"] for row in everyone if all(row[name] == (wanted[name]) for name in query)}
    page = as_root.get("/users", query_string={"size": 100, **query}).json
    assert {user["username"] for user in page["items"]} == expected
    assert (page["total"], page["total_is_exact"]) == (len(expected), True)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    ("sort_by", "key"),
    [
        ("created_at", lambda user: (user["created_at"], user["id"])),
        ("username", lambda user: (user["username"].lower(), user["id"])),
        ("email", lambda user: (user["email"].lower(), user["id"])),
    ],
)
def test_order_is_by_the_column_without_regard_to_case_and_then_by_id(as_root, crowd, sort_by, key, order):
    items = as_root.get(f"/users?size=100&sort_by={sort_by}&sort_order={order}").json["items"]
    assert len(items) == 31
    assert items == sorted(items, key=key, reverse=order == "desc")


def test_sort_order_alone_is_by_age(listed, ann, make_user):
    make_user(username="zed")
    assert listed(sort_order="asc") == ["root", "ann", "zed"]
    assert listed(sort_by="username") == ["zed", "root", "ann"]


def test_usernames_are_ordered_by_code_point_on_every_machine(listed, put_users):
    put_users([{"username": name} for name in ("a-b", "a_b", "aab", "a0b", "A1B", "ABB")])
    assert listed(sort_by="username", sort_order="asc") == ["a-b", "a0b", "A1B", "a_b", "aab", "ABB", "root"]


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("smith", ["carol"]),
        ("CAROL", ["carol"]),
        ("aro", ["carol"]),
        ("Carol Smith", ["carol"]),
        ("@b.example", ["ben"]),
        ("ben", ["ben"]),
        ("en@b", ["ben"]),
        ("ørs", ["dora"]),
        ("ØRSTED", ["dora"]),
        ("李", ["li"]),
        ("小龙", ["li"]),
        ("МОСК", ["ivan"]),
        ("моск", ["ivan"]),
        ("r", ["root", "dora", "carol", "ben", "li", "ivan", "odd"]),
        ("100%", ["odd"]),
        ("%", ["odd"]),
        ("_", ["odd"]),
        ("0% _\\", ["odd"]),
        ("\\", ["odd"]),
        ("\\%", []),
        ("c_rol", []),
        ("c%l", []),
        ("smith carol", ["carol"]),
        ("carolc", []),
        ("li@a", []),
        ("'", ["odd"]),
        ("\"'; --", []),
        ("None", []),
        ("null", []),
        ("🙂", []),
        ("x" * 100, []),
    ],
)
def test_search_finds_a_part_of_any_of_the_three(listed, put_users, term, found):
    put_users(
        [
            {"username": "carol", "email": "cs@a.example.org", "full_name": "Carol Smith"},
            {"username": "ben", "email": "Ben@B.example.org"},
            {"username": "dora", "email": "d@a.example.org", "full_name": "Dora Ørsted"},
            {"username": "li", "email": "l@a.example.org", "full_name": "李小龙"},
            {"username": "ivan", "email": "i@a.example.org", "full_name": "Иван Московский"},
            {"username": "odd", "email": "o@a.example.org", "full_name": "100% _\\'"},
        ]
    )
    assert sorted(listed(search=term)) == sorted(found)


def test_search_does_not_match_across_two_columns(listed, put_users):
    put_users([{"username": "abc", "email": "def@example.org", "full_name": "Ghi"}])
    for term in ("abcdef", "orgghi", "abcghi", "cdef@", "org\x20ghix"):
        assert listed(search=term) == []


def test_filters_search_and_order_combine(listed, crowd):
    query = {"is_active": "true", "is_superuser": "true", "search": "SER", "sort_by": "username", "sort_order": "asc"}
    wanted = [row["username"] for row in crowd if row["is_active"] and row["is_superuser"]]
    assert len(wanted) > 1
    assert listed(**query) == sorted(wanted, key=str.lower)


def test_search_counts_exactly_up_to_its_bound_and_then_says_so(as_root, crowd, monkeypatch):
    monkeypatch.setattr(text_search, "COUNT_AT_MOST", 30)
    page = as_root.get("/users?search=mail&size=10").json
    assert (page["total"], page["total_is_exact"], page["pages"]) == (30, True, 3)
    monkeypatch.setattr(text_search, "COUNT_AT_MOST", 29)
    page = as_root.get("/users?search=mail&size=10").json
    assert (page["total"], page["total_is_exact"], page["pages"]) == (29, False, 3)
    assert (page["items"][0]["id"], page["next_cursor"] is None) == (31, False)
    further = as_root.get(f"/users?search=mail&size=10&cursor={page['next_cursor']}").json
    assert (further["total"], further["total_is_exact"]) == (29, False)
    assert as_root.get("/users").json["total_is_exact"] is True


def test_pages_by_number_are_the_list_in_pieces(as_root, crowd, listed):
    pages = [as_root.get(f"/users?size=10&page={number}").json for number in (1, 2, 3, 4)]
    assert [user["username"] for page in pages for user in page["items"]] == listed()
    assert [(page["page"], page["pages"], page["total"], len(page["items"])) for page in pages] == [
        (1, 4, 31, 10),
        (2, 4, 31, 10),
        (3, 4, 31, 10),
        (4, 4, 31, 1),
    ]


@pytest.mark.parametrize("number", [2, 1_000_000_000])
def test_page_past_the_end_is_empty_and_still_counts(as_root, ann, number):
    page = as_root.get(f"/users?page={number}").json
    assert (page["items"], page["total"], page["pages"], page["page"]) == ([], 2, 1, number)
    assert page["next_cursor"] is None


def test_empty_result_has_no_pages(as_root):
    page = as_root.get("/users?search=nowhere").json
    assert (page["items"], page["total"], page["pages"], page["total_is_exact"]) == ([], 0, 0, True)
    assert (page["next_cursor"], page["prev_cursor"]) == (None, None)


def test_full_last_page_has_no_next(as_root, put_users):
    put_users([{"username": f"user{n}"} for n in range(3)])
    page = as_root.get("/users?size=2&page=2").json
    assert (len(page["items"]), page["next_cursor"], page["pages"]) == (2, None, 2)


@pytest.mark.parametrize(
    ("query", "field", "kind"),
    [
        ("page=0", "page", "out_of_range"),
        ("page=-1", "page", "out_of_range"),
        ("page=1000000000000000000", "page", "out_of_range"),
        ("page=" + "9" * 5000, "page", "out_of_range"),
        ("page=1.0", "page", "invalid_type"),
        ("page=one", "page", "invalid_type"),
        ("page=%D9%A1", "page", "invalid_type"),
        ("page=", "page", "invalid_type"),
        ("page=%2B1", "page", "invalid_type"),
        ("page=1_0", "page", "invalid_type"),
        ("size=0", "size", "out_of_range"),
        ("size=101", "size", "out_of_range"),
        ("size=ten", "size", "invalid_type"),
        ("is_active=1", "is_active", "invalid_type"),
        ("is_active=True", "is_active", "invalid_type"),
        ("is_active=", "is_active", "invalid_type"),
        ("is_superuser=no", "is_superuser", "invalid_type"),
        ("search=", "search", "too_short"),
        ("search=" + "x" * 101, "search", "too_long"),
        ("search=%20", "search", "too_short"),
        ("search=,%20%C2%A0", "search", "too_short"),
        ("search=a%00b", "search", "invalid_characters"),
        ("search=a%1Fb", "search", "invalid_characters"),
        ("sort_by=id", "sort_by", "invalid_choice"),
        ("sort_by=relevance", "sort_by", "needs_search"),
        ("sort_by=password_hash", "sort_by", "invalid_choice"),
        ("sort_by=USERNAME", "sort_by", "invalid_choice"),
        ("sort_order=up", "sort_order", "invalid_choice"),
        ("sort_order=", "sort_order", "invalid_choice"),
        ("limit=5", "limit", "unknown_field"),
        ("format=csv", "format", "unknown_field"),
        ("Page=1", "Page", "unknown_field"),
        ("page=1&page=1", "page", "repeated"),
        ("search=a&search=b", "search", "repeated"),
        ("unknown=1&unknown=2", "unknown", "repeated"),
    ],
)
def test_parameter_that_is_not_valid_is_refused(as_root, query, field, kind):
    answer = as_root.get(f"/users?{query}")
    assert refused(answer, 422, "validation_error")
    assert problems(answer) == {(f"query.{field}", kind)}


def test_text_that_is_not_utf_8_is_refused(as_root):
    for query in ("search=%FF%FE", "search=%ED%A0%80", "%FF=1"):
        assert refused(as_root.get(f"/users?{query}"), 422, "validation_error")


def test_every_wrong_parameter_is_named_at_once(as_root):
    answer = as_root.get("/users?page=0&size=0&sort_by=x&is_active=x&what=1")
    fields = {field for field, _ in problems(answer)}
    assert fields == {"query.page", "query.size", "query.sort_by", "query.is_active", "query.what"}


@pytest.mark.parametrize("size", [1, 100])
def test_size_at_its_bounds_is_accepted(as_root, size):
    assert as_root.get(f"/users?size={size}").json["size"] == size


def test_user_in_a_list_looks_as_it_does_alone(as_root, ann):
    (listed,) = as_root.get("/users?search=ann%40").json["items"]
    alone = as_root.get(f"/users/{ann.id}").json
    assert listed == alone
    assert list(listed) == list(alone)
