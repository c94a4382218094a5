"""Many users at once: those who are ticked in the list, or all that match it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from browser import Browser, Page
from rollcall.models import User
from rollcall.services.users import bulk_changes


@pytest.fixture
def people(make_user: Callable[..., User], sign_in: Callable[[User], Any]) -> list[User]:
    """Three active users, the first a superuser with a session, and an inactive one."""
    made = [make_user(username=f"zed{number}", is_superuser=number == 0, is_active=number < 3) for number in range(4)]
    sign_in(made[0])
    return made


def _ask(browser: Browser, deed: str, users: Sequence[User], **more: str) -> Page:
    query = urlencode([*(("id", str(user.id)) for user in users), *more.items()])
    return browser.open(f"/dashboard/users/selected/{deed}?{query}")


def _active(session: Session) -> list[str]:
    return list(session.scalars(select(User.username).where(User.is_active).order_by(User.username)))


def _lines(page: Page) -> list[str]:
    return [line.text for line in page.root.one("section").one("ul").all("li")]


def _token(page: Page) -> str:
    return page.root.one("form", action="/logout").one("input")["value"]


def test_each_row_has_a_box_of_the_form_below_the_list(root_browser: Browser, root: User, people: list[User]) -> None:
    page = root_browser.open("/dashboard/users?search=zed&sort_by=username&sort_order=asc")
    form = page.root.one("form", id_="bulk")
    assert {button["formaction"] for button in form.all("button")} == {
        "/dashboard/users/selected/activate",
        "/dashboard/users/selected/deactivate",
        "/dashboard/users/selected/export",
        "/dashboard/users/selected/password-links",
    }
    boxes = list(page.root.one("tbody").all("input", type="checkbox", form="bulk", name="id"))
    assert [box["value"] for box in boxes] == [str(user.id) for user in people]
    assert "Select zed0" in page.text
    assert form.one("input", name="next")["value"] == page.address
    assert "All" not in form.text, "all that match are on the page"


def test_deactivating_the_selected_asks_with_numbers_and_names(
    root_browser: Browser, root: User, people: list[User], session: Session
) -> None:
    ask = _ask(root_browser, "deactivate", [*people, root])
    assert ask.heading == "Deactivate 3 users?"
    assert "5 users are selected." in ask.text
    assert _lines(ask) == [
        "zed0 , zed1 and zed2 cannot log in until somebody activates them again.",
        "1 of them is a superuser. You stay one, so somebody can still manage users.",
        "1 session will end at once: whoever uses it is logged out.",
        "You are among them yourself, and left out.",
        "1 is inactive already, and stays so.",
        "You can undo it afterwards, but not bring sessions back.",
    ]
    assert len(_active(session)) == 4


def test_the_deed_is_done_as_asked_and_can_be_undone(
    root_browser: Browser, root: User, people: list[User], session: Session
) -> None:
    ask = _ask(root_browser, "deactivate", [*people, root], next="/dashboard/users?search=zed")
    page = root_browser.press(ask, "Deactivate 3 users")
    assert page.address == "/dashboard/users?search=zed"
    assert page.toast == "3 users are deactivated. 1 session ended, which Undo does not bring back."
    assert _active(session) == ["root"]
    ids = [field["value"] for field in page.form("Undo").all("input", name="id")]
    assert sorted(ids) == [str(user.id) for user in people[:3]]  # not zed3, which was inactive before
    data = {"id": ids, "next": "/dashboard/users", "csrf_token": _token(page)}
    page = root_browser.open("/dashboard/users/undo/deactivate", "POST", data=data)
    assert page.toast == "Undone: 3 users are active again."
    assert _active(session) == ["root", "zed0", "zed1", "zed2"]


def test_activating_the_selected_asks_too(root_browser: Browser, people: list[User], session: Session) -> None:
    ask = _ask(root_browser, "activate", people[2:])
    assert ask.heading == "Activate 1 user?"
    assert _lines(ask) == [
        "zed3 can log in again, if they have a password.",
        "1 is active already, and stays so.",
        "You can undo it afterwards.",
    ]
    assert root_browser.press(ask, "Activate 1 user").toast == "zed3 is active again."
    assert "zed3" in _active(session)


def test_nobody_to_change_is_said_and_nothing_offered(root_browser: Browser, people: list[User]) -> None:
    page = _ask(root_browser, "deactivate", people[3:], next="/dashboard/users?search=zed")
    assert (page.status, page.heading) == (200, "Nobody to deactivate")
    assert page.root.one("section").one("a")["href"] == "/dashboard/users?search=zed"
    assert not list(page.root.one("section").all("form"))


def test_many_names_are_cut_short(root_browser: Browser, make_user: Callable[..., User]) -> None:
    ask = _ask(root_browser, "deactivate", [make_user(username=f"many{number}") for number in range(8)])
    assert _lines(ask)[0].startswith("many0 , many1 , many2 , many3 , many4 and 3 others cannot")


def test_those_who_are_gone_are_counted(root_browser: Browser, people: list[User]) -> None:
    ask = _ask(root_browser, "deactivate", [people[1], User(id=987_654_321), User(id=2**63 - 1)])
    assert "2 have been deleted meanwhile." in _lines(ask)


def test_nobody_selected_is_said_in_the_list(root_browser: Browser) -> None:
    for path in ("activate", "deactivate", "export"):
        page = root_browser.open(f"/dashboard/users/selected/{path}?next=/dashboard/users%3Fsearch=ro")
        assert page.address == "/dashboard/users?search=ro"
        assert "No users are selected" in page.root.one("div", role="alert").text


@pytest.mark.parametrize("path", ["selected/deactivate", "selected/export", "undo/deactivate"])
@pytest.mark.parametrize("given", ["x", "-1", "0", "1.5", "1" + "0" * 30, str(2**63), "٣", "1\0", "", " 1", "%ff", "true"])
def test_what_is_no_id_is_refused(root_browser: Browser, path: str, given: str) -> None:
    data: dict[str, Any] = {"query_string": {"id": ["1", given]}}
    if path.startswith("undo"):
        token = _token(root_browser.open("/dashboard"))
        data = {"method": "POST", "data": {"id": ["1", given], "csrf_token": token}}
    assert root_browser.open(f"/dashboard/users/{path}", **data).status == 422


def test_a_hundred_is_what_can_be_selected(root_browser: Browser, people: list[User]) -> None:
    ids = range(1, 102)
    assert root_browser.open("/dashboard/users/selected/deactivate", query_string={"id": ids}).status == 422
    page = root_browser.open("/dashboard/users/selected/deactivate", query_string={"id": [*ids[:100], *ids[:100]]})
    assert page.status == 200


def test_the_same_id_twice_is_one_user(root_browser: Browser, people: list[User]) -> None:
    assert "1 user is selected." in _ask(root_browser, "deactivate", [people[1]] * 3).text


@pytest.mark.parametrize(
    ("query", "heading", "said"),
    [
        ("", "Deactivate 3 users?", "That is everybody: 5 users."),
        ("?search=zed", "Deactivate 3 users?", "4 users match “zed” ."),
        (
            "?search=zed&is_superuser=false&is_active=true",
            "Deactivate 2 users?",
            "2 users match “zed” , Active , Not superusers .",
        ),
        ("?search=zed1", "Deactivate 1 user?", "1 user matches “zed1” ."),
        ("?is_active=false", "Nobody to deactivate", "1 user matches Inactive ."),
    ],
)
def test_all_that_match_are_counted_first(root_browser: Browser, people: list[User], query: str, heading: str, said: str) -> None:
    ask = root_browser.open(f"/dashboard/users/matching/deactivate{query}")
    assert ask.heading == heading
    assert said in ask.text


def test_the_list_offers_all_that_match_where_they_are_more_than_the_page(
    root_browser: Browser, people: list[User], session: Session
) -> None:
    page = root_browser.open("/dashboard/users?search=zed&size=2&is_superuser=false&sort_by=email&sort_order=asc")
    bar = page.root.one("form", id_="bulk")
    assert "All 3:" in bar.text
    links = {link.text: link["href"] for link in bar.all("a")}
    ask = root_browser.open(links["Deactivate all 3"])
    page = root_browser.press(ask, "Deactivate 2 users")
    assert page.toast == "2 users are deactivated."  # without an undo
    assert "Undo" not in [button.text for button in page.root.all("button")]
    assert page.address == "/dashboard/users?search=zed&size=2&is_superuser=false&sort_by=email&sort_order=asc"
    assert _active(session) == ["root", "zed0"]


def test_all_that_match_are_exact_where_the_total_is_a_bound(root_browser: Browser, session: Session) -> None:
    session.add_all(User(username=f"many{number}", email=f"many{number}@example.org") for number in range(1001))
    session.commit()
    page = root_browser.open("/dashboard/users?search=many")
    assert "All that match:" in page.text
    link = next(link for link in page.root.one("form", id_="bulk").all("a") if link.text.startswith("Deactivate"))
    assert root_browser.open(link["href"]).heading == "Deactivate 1,001 users?"


@pytest.mark.parametrize(
    "path", ["/dashboard/users/selected/deactivate?id=2&id=3", "/dashboard/users/matching/deactivate?search=zed"]
)
def test_others_than_were_confirmed_are_asked_about_anew(
    root_browser: Browser, root: User, people: list[User], as_root: Any, session: Session, path: str
) -> None:
    ask = root_browser.open(path)
    before = int(ask.value("expected") or 0)
    as_root.patch(f"/users/{people[1].id}", json={"is_active": False})
    page = root_browser.press(ask, ask.heading.removesuffix("?"))
    assert page.status == 409
    assert "The selection has changed since you were asked" in page.root.one(class_="problems").text
    assert int(page.value("expected") or 0) == before - 1
    assert _active(session) == ["root", "zed0", "zed2"]
    assert root_browser.press(page, page.heading.removesuffix("?")).status == 200
    assert "zed0" not in _active(session)


@pytest.mark.parametrize("number", ["", "x", "-1", "1e3", "9" * 5000, "٣", "3.0", "\0"])
def test_a_number_that_nobody_confirmed_changes_nobody(
    root_browser: Browser, people: list[User], session: Session, number: str
) -> None:
    ask = root_browser.open("/dashboard/users/matching/deactivate?search=zed")
    assert root_browser.press(ask, "Deactivate 3 users", expected=number).status == 409
    assert len(_active(session)) == 4


def test_too_many_are_explained(
    root_browser: Browser, people: list[User], session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = root_browser.open("/dashboard/users/matching/deactivate")
    monkeypatch.setattr(bulk_changes, "AT_MOST", 4)
    page = root_browser.open("/dashboard/users/matching/deactivate")
    assert (page.status, page.heading) == (200, "Too many users at once")
    assert "Narrow the list down first" in page.text
    assert not list(page.root.one("section").all("form"))
    assert root_browser.press(ask, "Deactivate 3 users").status == 409
    assert len(_active(session)) == 4


@pytest.mark.parametrize(
    "query", ["is_active=yes", "search=%00", "search=", "role=x", "search=a&search=b", "page=2", "id=1", "search=" + "x" * 101]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_filter_that_is_not_understood_changes_nobody(
    root_browser: Browser, people: list[User], session: Session, query: str, method: str
) -> None:
    data = {"csrf_token": _token(root_browser.open("/dashboard")), "expected": "3"}
    page = root_browser.open(f"/dashboard/users/matching/deactivate?{query}", method, data=data)
    assert (page.status, page.heading) == (422, "This did not work")
    assert len(_active(session)) == 4


@pytest.mark.parametrize("path", ["selected/delete?id=1", "matching/delete", "all/activate", "undo/delete"])
def test_there_is_no_other_deed(root_browser: Browser, path: str) -> None:
    assert root_browser.open(f"/dashboard/users/{path}").status == 404


@pytest.mark.parametrize("path", ["selected/deactivate?id=1", "matching/deactivate"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_superusers_may(ann_browser: Browser, root: User, session: Session, path: str, method: str) -> None:
    data = {"csrf_token": _token(ann_browser.open("/profile")), "expected": "1"}
    assert ann_browser.open(f"/dashboard/users/{path}", method, data=data).status == 403
    assert "root" in _active(session)


def test_nothing_is_done_without_the_token_of_the_form(root_browser: Browser, people: list[User], session: Session) -> None:
    page = root_browser.open("/dashboard/users/matching/deactivate", "POST", data={"expected": "3"})
    assert page.status == 400
    assert len(_active(session)) == 4


def test_who_was_demoted_meanwhile_deactivates_nobody(
    browser_of: Callable[[User], Browser], people: list[User], as_root: Any, session: Session
) -> None:
    browser = browser_of(people[0])
    ask = _ask(browser, "deactivate", people[1:2])
    as_root.patch(f"/users/{people[0].id}", json={"is_superuser": False})
    assert browser.press(ask, "Deactivate 1 user").status == 403
    assert "zed1" in _active(session)


def test_it_may_take_longer_than_a_page(app: Flask) -> None:
    assert app.view_functions["web.change_many"].deadline_times == 10


def test_the_selected_are_a_file_in_the_order_of_the_list(root_browser: Browser, people: list[User]) -> None:
    chosen = [people[2], people[0], people[3]]
    page = root_browser.open("/dashboard/users/selected/export", query_string={"id": [user.id for user in chosen]})
    assert page.response.headers["Content-Disposition"].startswith("attachment; filename=users-")
    rows = list(csv.DictReader(io.StringIO(page.html)))
    assert [row["username"] for row in rows] == ["zed2", "zed0", "zed3"]
    assert page.html.splitlines()[0] == root_browser.open("/dashboard/users/export").html.splitlines()[0]


def test_a_file_of_users_who_are_gone_is_empty(root_browser: Browser) -> None:
    page = root_browser.open("/dashboard/users/selected/export?id=987654321")
    assert (page.status, len(page.html.splitlines())) == (200, 1)
