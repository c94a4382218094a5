"""The pages about users: finding, making, changing and removing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from browser import PASSWORD, Browser, Page
from rollcall.models import User
from rollcall.services.identity import accounts

NEW = {"username": "new", "email": "new@example.org", "password": PASSWORD, "password_again": PASSWORD}


def _names(page: Page) -> list[str]:
    rows = page.root.one("table", class_="people").one("tbody").all("tr")
    return [row.one("td", class_="username").text for row in rows]


def test_the_list_says_how_many_there_are(root_browser: Browser, make_user: Callable[..., User]) -> None:
    for _ in range(60):
        make_user()
    page = root_browser.open("/dashboard/users")
    assert page.root.one(id_="range").text == "1–50 of 61"
    assert len(_names(page)) == 50


def test_its_pages_follow_each_other(root_browser: Browser, make_user: Callable[..., User]) -> None:
    for number in range(10, 17):
        make_user(username=f"user{number}")
    first = root_browser.open("/dashboard/users?size=3&sort_by=username&sort_order=asc&search=user")
    second = root_browser.open(first.root.one("a", rel="next")["href"])
    assert (second.root.one(id_="range").text, _names(second)) == ("4–6 of 7", ["user13", "user14", "user15"])
    third = root_browser.open(second.root.one("a", rel="next")["href"])
    assert (third.root.one(id_="range").text, _names(third)) == ("7–7 of 7", ["user16"])
    assert not list(third.root.all("a", rel="next"))
    assert _names(root_browser.open(third.root.one("a", rel="prev")["href"])) == _names(second)


def test_a_page_of_another_size_and_the_last_page_are_a_press_away(root_browser: Browser, make_user: Callable[..., User]) -> None:
    for _ in range(60):
        make_user()
    page = root_browser.open("/dashboard/users?sort_by=username&sort_order=asc")
    sizes = {link.text: link for link in page.root.one("nav", class_="pages").one("p").all("a")}
    assert {text: link.get("aria-current") for text, link in sizes.items()} == {"25": None, "50": "true", "100": None}
    page = root_browser.open(sizes["25"]["href"])
    assert page.root.one(id_="range").text == "1–25 of 61"
    [last] = [link["href"] for link in page.root.one("nav", class_="pages").all("a") if link.text == "Last"]
    page = root_browser.open(last)
    assert page.address == "/dashboard/users?sort_by=username&sort_order=asc&size=25&page=3"
    assert (page.root.one(id_="range").text, _names(page)[-1]) == ("51–61 of 61", "user9")
    assert "Last" not in page.root.one("nav", class_="pages").text
    page = root_browser.open(page.root.one("a", rel="prev")["href"])
    assert page.root.one(id_="range").text == "26–50 of 61"


def test_a_search_that_stopped_counting_knows_no_last_page(root_browser: Browser, session: Session) -> None:
    session.add_all(User(username=f"many{number}", email=f"many{number}@example.org") for number in range(201))
    session.commit()
    page = root_browser.open("/dashboard/users?search=many")
    assert page.root.one("nav", class_="pages").text == "Users on a page: 25 50 100 Next"


@pytest.mark.parametrize(
    ("query", "focused"), [("", True), ("?search=root", True), ("?page=1", False), ("?sort_by=email", False)]
)
def test_whoever_comes_to_search_is_in_the_search(root_browser: Browser, query: str, *, focused: bool) -> None:
    box = root_browser.open(f"/dashboard/users{query}").root.one("form", role="search").one("input", name="search")
    assert ("autofocus" in box.attributes) is focused


def test_a_page_may_be_asked_for_by_number(root_browser: Browser, make_user: Callable[..., User]) -> None:
    for _ in range(3):
        make_user()
    page = root_browser.open("/dashboard/users?page=2&size=2")
    assert page.root.one(id_="range").text == "3–4 of 4"


def test_search_and_filters_are_in_the_address_and_in_the_form(root_browser: Browser, make_user: Callable[..., User]) -> None:
    make_user(username="off", full_name="Ann Lee", is_active=False)
    make_user(username="on", full_name="Ann Lee")
    page = root_browser.open("/dashboard/users?search=ann+l&is_active=false&is_superuser=")
    assert _names(page) == ["off"]
    form = page.root.one("form", role="search")
    assert form.one("input", name="search")["value"] == "ann l"
    assert [each.text for each in form.all("option", selected="")] == ["Inactive"]


def test_a_search_begins_on_the_first_page(root_browser: Browser, make_user: Callable[..., User]) -> None:
    for _ in range(3):
        make_user()
    page = root_browser.open("/dashboard/users?page=2&size=2&sort_by=email&sort_order=asc")
    page = root_browser.press(page, "Search", search="user")
    assert page.address == "/dashboard/users?search=user&sort_by=email&sort_order=asc&size=2&created_from=&created_to="
    assert page.root.one(id_="range").text == "1–2 of 3"


def test_a_filter_is_a_chip_that_takes_it_away(root_browser: Browser, ann: User) -> None:
    page = root_browser.open("/dashboard/users?search=ann&is_active=true&is_superuser=false&size=10&page=1")
    chips = page.root.one("ul", class_="chips")
    removed = chips.one("a", aria_label="Remove the filter Active")["href"]
    assert root_browser.open(removed).address == "/dashboard/users?search=ann&is_superuser=false&size=10"
    assert root_browser.open(chips.one("a", class_="bare")["href"]).address == "/dashboard/users"


def test_a_total_that_is_a_bound_says_more_than(root_browser: Browser, session: Session) -> None:
    session.add_all(User(username=f"many{number}", email=f"many{number}@example.org") for number in range(201))
    session.commit()
    page = root_browser.open("/dashboard/users?search=many")
    assert page.root.one(id_="range").text == "1–50 of more than 200"


def test_the_last_page_of_a_long_search_has_an_exact_total(root_browser: Browser, session: Session) -> None:
    session.add_all(User(username=f"many{number}", email=f"many{number}@example.org") for number in range(303))
    session.commit()
    page = root_browser.open("/dashboard/users?search=many&size=100")
    ranges = [page.root.one(id_="range").text]
    while following := next(page.root.all("a", rel="next"), None):
        page = root_browser.open(following["href"])
        ranges.append(page.root.one(id_="range").text)
    expected = ["1–100 of more than 200", "101–200 of more than 200", "201–300 of more than 300", "301–303 of 303"]
    assert ranges == expected
    assert page.root.one("p", class_="all").text.startswith("All 303:")


def test_the_heads_of_columns_sort_one_way_and_the_other(root_browser: Browser, make_user: Callable[..., User]) -> None:
    make_user(username="anton")
    page = root_browser.open("/dashboard/users")
    heads = {head.text: head.get("aria-sort") for head in page.root.one("thead").all("th")}
    assert heads["Created ↓"] == "descending"
    assert heads["Username ↕"] == "none"
    page = root_browser.open(page.root.one("thead").all("a").__next__()["href"])
    assert _names(page) == ["anton", "root"]
    page = root_browser.open(page.root.one("thead").all("a").__next__()["href"])
    assert _names(page) == ["root", "anton"]


def test_a_number_finds_the_user_with_this_id(root_browser: Browser, ann: User) -> None:
    page = root_browser.open("/dashboard/users", query_string={"search": str(ann.id)})
    assert _names(page) == ["ann"]


@pytest.mark.parametrize("term", ["0", "99999999999999999999", "9223372036854775808", "1" * 100, "٣", "²", "1.5", "-1"])
def test_other_numbers_find_no_id_and_break_nothing(root_browser: Browser, term: str) -> None:
    page = root_browser.open("/dashboard/users", query_string={"search": term})
    assert page.status == 200


@pytest.mark.parametrize(
    ("query", "advice"), [("search=nobody-like-this", "Try fewer letters."), ("is_active=false", "has this status")]
)
def test_nobody_matching_is_said_with_a_way_on(root_browser: Browser, query: str, advice: str) -> None:
    page = root_browser.open(f"/dashboard/users?{query}&sort_by=email")
    empty = page.root.one("div", class_="card empty")
    assert empty.text.startswith("Nobody matches.")
    assert advice in empty.text
    assert page.root.one(id_="range").text == "No users"
    assert root_browser.open(empty.one("a")["href"]).address == "/dashboard/users"


def test_who_is_alone_is_told_how_to_begin(root_browser: Browser) -> None:
    page = root_browser.open("/dashboard/users")
    empty = page.root.one("div", class_="card empty")
    assert (_names(page), empty.one("strong").text) == (["root"], "You are the only user so far.")
    assert root_browser.open(empty.one("a", class_="button primary")["href"]).heading == "New user"


@pytest.mark.parametrize("query", ["", "?search=root", "?is_superuser=true", "?size=1"])
def test_who_is_not_alone_is_not_told_so(root_browser: Browser, ann: User, query: str) -> None:
    page = root_browser.open(f"/dashboard/users{query}")
    assert not list(page.root.all("div", class_="card empty"))


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=x",
        "size=101",
        "is_active=yes",
        "sort_by=password_hash",
        "search=%00",
        "cursor=forged",
        "search=" + "x" * 101,
    ],
)
def test_a_bad_address_is_said_and_the_rest_is_shown(root_browser: Browser, query: str) -> None:
    page = root_browser.open(f"/dashboard/users?{query}&is_superuser=true")
    assert page.status == 422
    assert page.root.one(class_="problems").one("li").text
    assert _names(page) == ["root"]


def test_a_place_in_another_list_begins_anew(root_browser: Browser, make_user: Callable[..., User]) -> None:
    make_user()
    cursor = root_browser.open("/dashboard/users?size=1").root.one("a", rel="next")["href"].split("cursor=")[1]
    page = root_browser.open(f"/dashboard/users?size=1&is_superuser=true&cursor={cursor}")
    assert (page.status, _names(page)) == (422, ["root"])


def test_what_an_address_carries_besides_is_ignored(root_browser: Browser) -> None:
    assert root_browser.open("/dashboard/users?utm_source=mail&search=&search=b").status == 200


def test_a_new_user_can_log_in(root_browser: Browser, stranger: Browser) -> None:
    page = root_browser.press(root_browser.open("/dashboard/users/new"), "Create the user", **NEW, full_name=" New One ")
    assert (page.heading, page.toast) == ("New One", "new is created.")
    assert stranger.log_in("new", PASSWORD).address == "/profile"


def test_boxes_say_what_the_new_user_may(root_browser: Browser, session: Session) -> None:
    form = root_browser.open("/dashboard/users/new")
    page = root_browser.press(form, "Create the user", **NEW, is_active=None, is_superuser="true")
    user = session.get_one(User, int(page.address.rsplit("/", 1)[1]))
    assert (user.is_active, user.is_superuser) == (False, True)


def test_a_refused_form_keeps_what_was_typed_but_no_password(root_browser: Browser) -> None:
    form = root_browser.open("/dashboard/users/new")
    page = root_browser.press(form, "Create the user", **(NEW | {"email": "no address"}), is_active=None, is_superuser="true")
    assert page.status == 422
    assert page.root.one("title").text.startswith("Error:")
    assert (page.value("username"), page.value("email")) == ("new", "no address")
    boxes = {box["name"]: "checked" in box.attributes for box in page.root.all("input", type="checkbox")}
    assert boxes == {"must_change_password": False, "is_active": False, "is_superuser": True}
    assert PASSWORD not in page.html
    assert page.root.one("input", name="email")["aria-invalid"] == "true"
    assert "email-problem" in page.root.one("input", name="email")["aria-describedby"]


@pytest.mark.parametrize(("field", "value"), [("username", "Ann"), ("email", "ANN@Example.org")])
def test_a_taken_name_is_a_conflict_beside_its_field(root_browser: Browser, ann: User, field: str, value: str) -> None:
    page = root_browser.press(root_browser.open("/dashboard/users/new"), "Create the user", **(NEW | {field: value}))
    assert page.status == 409
    assert page.problem(field).endswith("is already in use.")
    assert page.value(field) == value


def test_details_can_be_changed(root_browser: Browser, ann: User, session: Session) -> None:
    page = root_browser.open(f"/dashboard/users/{ann.id}")
    page = root_browser.press(page, "Save", username="anna", email=" anna@example.org ", full_name="", is_superuser="true")
    assert (page.heading, page.toast) == ("anna", "anna is saved.")
    user = session.get_one(User, ann.id)
    assert (user.email, user.full_name, user.is_superuser) == ("anna@example.org", None, True)


def test_what_is_copied_is_what_is_stored(root_browser: Browser, ann: User) -> None:
    page = root_browser.press(root_browser.open(f"/dashboard/users/{ann.id}"), "Save", username="ann anderson")
    buttons = [button for button in page.root.all("button") if "data-copy" in button.attributes]
    assert {button.text: button["data-copy"] for button in buttons} == {
        "Copy the id": str(ann.id),
        "Copy the username": "ann",
        "Copy the e-mail address": "ann@example.org",
    }
    # A script shows them; none of them sends the form.
    assert all({"type": "button", "hidden": ""}.items() <= button.attributes.items() for button in buttons)


def test_what_cannot_be_saved_is_not(root_browser: Browser, ann: User, session: Session) -> None:
    page = root_browser.open(f"/dashboard/users/{ann.id}")
    page = root_browser.press(page, "Save", username="", email="root@example.org")
    assert (page.status, page.heading) == (422, "Ann Lee")
    page = root_browser.press(page, "Save", username="ann")
    assert (page.status, page.problem("email")) == (409, "This e-mail address is already in use.")
    assert session.get_one(User, ann.id).email == "ann@example.org"


def test_a_new_password_logs_its_user_out(root_browser: Browser, ann_browser: Browser, stranger: Browser, ann: User) -> None:
    page = root_browser.open(f"/dashboard/users/{ann.id}/password")
    new = {"password": "another-good-password", "password_again": "another-good-password"}
    assert "has a new password" in root_browser.press(page, "Set the password", **new).toast
    assert ann_browser.open("/profile").heading == "Log in"
    assert stranger.log_in("ann", "another-good-password").address == "/profile"


@pytest.mark.parametrize(
    ("typed", "field"), [({"password_again": "other-good-password"}, "password_again"), ({"password": "short"}, "password")]
)
def test_a_bad_password_is_not_set(root_browser: Browser, ann: User, typed: dict[str, str], field: str) -> None:
    page = root_browser.open(f"/dashboard/users/{ann.id}/password")
    both = {"password": "another-good-password", "password_again": "another-good-password"}
    page = root_browser.press(page, "Set the password", **(both | typed))
    assert page.status == 422
    assert page.problem(field)


def test_deactivating_asks_first_and_says_what_will_happen(
    root_browser: Browser, ann_browser: Browser, ann: User, session: Session
) -> None:
    ask = root_browser.open(f"/dashboard/users/{ann.id}/deactivate")
    assert ask.heading == "Deactivate Ann Lee ?"
    assert "1 session will end at once" in ask.text
    assert session.get_one(User, ann.id).is_active
    page = root_browser.press(ask, "Deactivate ann")
    assert page.toast == "ann is deactivated. 1 session ended, which Undo does not bring back."
    assert page.address == f"/dashboard/users/{ann.id}"
    assert ann_browser.open("/profile").heading == "Log in"


def test_activating_needs_no_question(root_browser: Browser, make_user: Callable[..., User], session: Session) -> None:
    user = make_user(username="off", is_active=False)
    page = root_browser.press(root_browser.open("/dashboard/users?is_active=false"), "Activate")
    assert (page.toast, page.address) == ("off is active again.", "/dashboard/users?is_active=false")
    assert session.get_one(User, user.id).is_active


def test_from_the_list_one_comes_back_to_the_list(root_browser: Browser, ann: User) -> None:
    page = root_browser.open("/dashboard/users?search=ann")
    link = page.root.one("a", aria_label="Deactivate ann")["href"]
    page = root_browser.press(root_browser.open(link), "Deactivate ann")
    assert page.address == "/dashboard/users?search=ann"


@pytest.mark.parametrize("action", ["deactivate", "delete", "end-sessions"])
def test_a_forged_link_to_the_question_leads_nowhere_else(root_browser: Browser, ann: User, action: str) -> None:
    page = root_browser.open(f"/dashboard/users/{ann.id}/{action}?next=//evil.example/")
    assert "evil" not in page.html


def test_deleting_removes_the_user_and_the_sessions(
    root_browser: Browser, ann_browser: Browser, ann: User, session: Session
) -> None:
    ask = root_browser.open(f"/dashboard/users/{ann.id}/delete")
    assert "ann (ann@example.org) is removed for good" in ask.text
    page = root_browser.press(ask, "Delete ann")
    assert (page.toast, page.address) == ("ann is deleted.", "/dashboard/users")
    assert session.get(User, ann.id) is None
    assert ann_browser.open("/profile").heading == "Log in"


def test_ending_sessions_logs_out_and_no_more(root_browser: Browser, ann_browser: Browser, stranger: Browser, ann: User) -> None:
    ask = root_browser.open(f"/dashboard/users/{ann.id}/end-sessions")
    assert root_browser.press(ask, "End the sessions of ann").toast == "The sessions of ann are ended."
    assert ann_browser.open("/profile").heading == "Log in"
    assert stranger.log_in("ann", PASSWORD).address == "/profile"


@pytest.mark.parametrize("action", ["deactivate", "delete"])
def test_the_last_superuser_is_explained_and_refused(root_browser: Browser, root: User, action: str) -> None:
    page = root_browser.open(f"/dashboard/users/{root.id}")
    assert "You are the last active superuser." in page.text
    assert not list(page.root.all("input", type="checkbox"))
    page = root_browser.open(f"/dashboard/users/{root.id}/{action}")
    assert "You are the last active superuser." in page.text
    token = page.root.one("form", action="/logout").one("input")["value"]
    page = root_browser.open(f"/dashboard/users/{root.id}/{action}", "POST", data={"csrf_token": token})
    assert page.status == 409
    assert root_browser.open("/dashboard").status == 200


def test_the_last_superuser_cannot_be_demoted_by_a_form_from_before(
    root_browser: Browser, root: User, make_user: Callable[..., User], as_root: Any
) -> None:
    other = make_user(username="other", is_superuser=True)
    form = root_browser.open(f"/dashboard/users/{root.id}")
    assert as_root.delete(f"/users/{other.id}").status_code == 204
    page = root_browser.press(form, "Save", is_superuser=None)
    assert page.status == 409
    assert "the last active superuser" in page.root.one(class_="problems").text


@pytest.mark.parametrize(("action", "button"), [("deactivate", "Deactivate root"), ("delete", "Delete root")])
def test_ones_own_account_is_named_as_such_and_then_one_is_out(
    root_browser: Browser, root: User, make_user: Callable[..., User], action: str, button: str
) -> None:
    make_user(is_superuser=True)
    ask = root_browser.open(f"/dashboard/users/{root.id}/{action}")
    assert "This is your own account." in ask.text
    page = root_browser.press(ask, button)
    assert page.heading == "Log in"
    assert page.toast.startswith("root is ")


def test_ending_ones_own_sessions_keeps_this_one(root_browser: Browser, root: User, sign_in: Any, session: Session) -> None:
    sign_in(root)
    ask = root_browser.open(f"/dashboard/users/{root.id}/end-sessions")
    assert "1 session will end" in ask.text
    assert root_browser.press(ask, "End the sessions of root").status == 200
    assert len(accounts.open_sessions(session, root.id, root.created_at)) == 1


@pytest.mark.parametrize("path", ["", "/password", "/deactivate", "/delete", "/end-sessions"])
@pytest.mark.parametrize("number", ["999999", "0", "9223372036854775808"])
def test_users_who_are_not_there_are_not_found(root_browser: Browser, path: str, number: str) -> None:
    page = root_browser.open(f"/dashboard/users/{number}{path}")
    assert (page.status, page.heading) == (404, "Not found")
