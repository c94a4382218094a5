"""What holds for every page: nothing inline, every form protected, every field labelled, no link that leads nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from flask import Flask

from browser import PASSWORD, Browser, Page
from rollcall.models import User
from rollcall.services.users import first_superuser

# A name that breaks out of every context it is not escaped in.
EVIL = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>{{7*7}}"""


def token_of(page: Page) -> str:
    return next(page.root.all("input", name="csrf_token"))["value"]


def _as_root(people: dict[str, Browser]) -> Iterator[Page]:
    browser = people["root"]
    for path in (
        "/dashboard",
        "/dashboard?days=365",
        "/dashboard/operations",
        "/dashboard/system",
        "/dashboard/users",
        "/dashboard/users?search=%3Cscript%3E&is_active=true",
        "/dashboard/users?search=nobody-like-this",
        "/dashboard/users?page=0&size=2",
        "/dashboard/users/import",
        "/dashboard/users/new",
        "/dashboard/users/1",
        "/dashboard/users/2",
        "/dashboard/users/3",
        "/dashboard/users/2/password",
        "/dashboard/users/1/delete",
        "/dashboard/users/2/delete",
        "/dashboard/users/2/deactivate",
        "/dashboard/users/2/end-sessions",
        "/dashboard/users/selected/deactivate?id=1&id=2&id=3",
        "/dashboard/users/selected/password-links?id=1&id=2&id=3",
        "/dashboard/users/matching/password-links?search=%3Cscript%3E",
        "/dashboard/users/matching/activate?search=%3Cscript%3E&is_active=true",
        "/profile",
        "/profile/password",
        "/no-such-page",
    ):
        yield browser.open(path)
    yield browser.press(browser.open("/dashboard/users/new"), "Create the user", username="<b>", full_name=EVIL, email="")
    yield browser.press(browser.open("/dashboard/users/2"), "Save", username=EVIL, email=EVIL)
    for content in (f"{EVIL},email\n", "email,username\na@b.de,b\n", "email,username\na@b.de,ann-2\n"):
        fields = {"csrf_token": token_of(browser.open("/dashboard/users/import")), "file": (BytesIO(content.encode()), EVIL)}
        checked = browser.open("/dashboard/users/import", "POST", data=fields, content_type="multipart/form-data")
        yield checked
    yield browser.open(next(checked.root.all("button", value="import"))["data-run"])
    made = browser.press(browser.open("/dashboard/users/2"), "Make a password link")
    yield made
    yield people["stranger"].press(people["stranger"].open("/password"), "Continue", token=made.root.one("code").text)
    yield browser.press(browser.open("/dashboard/users/2/password"), "Set the password", password="x")
    yield browser.press(browser.open("/profile/password"), "Change the password")


def _others(people: dict[str, Browser]) -> Iterator[Page]:
    stranger, ann = people["stranger"], people["ann"]
    yield stranger.open("/login?next=/dashboard/users%3Fsearch=%3Cscript%3E")
    yield stranger.press(stranger.open("/password"), "Continue", token=EVIL)
    yield stranger.log_in(EVIL, "wrong")
    yield ann.open("/profile")
    yield ann.open("/dashboard")


@pytest.fixture
def fresh_pages(
    app: Flask, stranger: Browser, make_user: Callable[..., User], browser_of: Callable[[User], Browser]
) -> list[Page]:
    """Every page, in every state, with a name on it that attacks."""
    set_up = stranger.open(first_superuser.link_path(str(app.secret_key)))
    refused = stranger.press(set_up, "Create the first administrator", full_name=EVIL)
    root = make_user(username="root", email="root@example.org", full_name=EVIL, is_superuser=True)
    ann = make_user(username="ann", email="ann@example.org", full_name=EVIL)
    make_user(username="off", full_name="", is_active=False, password_hash=None)
    people = {"root": browser_of(root), "ann": browser_of(ann), "stranger": stranger}
    program = {"User-Agent": EVIL}
    stranger.client.post("/api/v1/auth/login", json={"username": "ann", "password": PASSWORD}, headers=program)
    people["ann"].press(people["ann"].open("/profile"), "Save", full_name=f"{EVIL} once more")
    people["ann"].press(people["ann"].open("/profile"), "Save", full_name=EVIL)
    return [set_up, refused, *_as_root(people), *_others(people)]


_read_once: list[Page] = []


@pytest.fixture
def pages(request: pytest.FixtureRequest) -> list[Page]:
    """The same, opened once for all tests that only read them."""
    if not _read_once:
        _read_once.extend(request.getfixturevalue("fresh_pages"))
    return _read_once


def test_nothing_is_inline(pages: list[Page]) -> None:
    for page in pages:
        for element in page.root.all():
            assert element.tag != "style", page.address
            assert not {"style", *(name for name in element.attributes if name.startswith("on"))} & element.attributes.keys()
            if element.tag == "script":
                assert element["src"].startswith("/static/")
                assert not element.text


def test_names_stay_text(pages: list[Page]) -> None:
    for page in pages:
        assert not [each for each in page.root.all("img") if each["src"] == "x"], page.address
        # The name as it would be, had it been taken for a template; a page has other numbers, such as process ids.
        assert EVIL.replace("{{7*7}}", "49") not in page.text
    assert sum(EVIL in page.text for page in pages) > 8


def test_every_form_that_changes_something_carries_a_token(pages: list[Page]) -> None:
    for page in pages:
        for form in page.root.all("form", method="post"):
            assert form.one("input", name="csrf_token", type="hidden")["value"], page.address
        for form in page.root.all("form", method="get"):
            assert not list(form.all("input", name="csrf_token")), "a token in an address would be shown around"


def test_every_field_has_a_label(pages: list[Page]) -> None:
    for page in pages:
        labels = list(page.root.all("label"))
        named = {label["for"] for label in labels if "for" in label.attributes}
        inside = [field for label in labels for field in label.all()]
        for field in page.root.all():
            if field.tag not in ("input", "select") or field.get("type") == "hidden" or "hidden" in field.attributes:
                continue
            assert field.get("id") in named or field in inside, (page.address, field)


def test_every_page_has_one_heading_a_title_and_a_way_past_the_head(pages: list[Page]) -> None:
    for page in pages:
        assert page.heading
        assert next(page.root.all("title")).text.endswith(" · Rollcall")
        assert page.root.one("html")["lang"] == "en"
        assert page.root.one("main")["id"] == page.root.one("a", class_="skip")["href"].removeprefix("#")
        levels = [int(each.tag[1]) for each in page.root.all() if each.tag in ("h1", "h2", "h3")]
        assert levels[0] == 1


def test_ids_are_unique_and_what_points_to_them_finds_them(pages: list[Page]) -> None:
    for page in pages:
        ids = [element["id"] for element in page.root.all() if "id" in element.attributes]
        assert len(ids) == len(set(ids)), (page.address, sorted(ids))
        for element in page.root.all():
            for name in ("for", "aria-labelledby", "aria-describedby"):
                assert set((element.get(name) or "").split()) <= set(ids), (page.address, name, element)
            if (element.get("href") or "").startswith("#"):
                assert element["href"][1:] in ids


def test_every_table_names_its_columns_and_rows(pages: list[Page]) -> None:
    for page in pages:
        for head in page.root.all("th"):
            assert head["scope"] in ("col", "row")


def test_no_link_leads_nowhere_or_elsewhere(
    fresh_pages: list[Page], browser_of: Callable[[User], Browser], make_user: Callable[..., User]
) -> None:
    browser = browser_of(make_user(username="crawler", is_superuser=True))
    links = {
        element[name].split("#")[0]
        for page in fresh_pages
        for element in page.root.all()
        for name in ("href", "src")
        if name in element.attributes and not element[name].startswith("#") and element[name] != "x"
    }
    assert len(links) > 30
    for link in sorted(links):
        assert link.startswith("/"), link
        assert browser.open(link).status in (200, 422), link


def test_pages_are_kept_by_no_cache_and_their_files_for_long(pages: list[Page], stranger: Browser) -> None:
    assert {page.response.headers["Cache-Control"] for page in pages} == {"no-store"}
    style = pages[0].root.one("link", rel="stylesheet")["href"]
    assert "immutable" in stranger.open(style).response.headers["Cache-Control"]
    assert "immutable" not in stranger.open(style.split("?")[0]).response.headers["Cache-Control"]


def test_what_went_well_is_a_status_and_what_did_not_stays(root_browser: Browser, ann: User) -> None:
    page = root_browser.press(root_browser.open(f"/dashboard/users/{ann.id}"), "Save")
    assert page.root.one("div", role="status").text == "ann is saved."
    assert not list(page.root.all("div", role="alert"))
    page = root_browser.open("/profile")
    root_browser.client.delete_cookie("rollcall")
    page = root_browser.press(page, "Save")
    failure = page.root.one("div", role="alert")
    assert failure.one("button").text == "Dismiss"
    assert {"type": "button", "hidden": ""}.items() <= failure.one("button").attributes.items()  # a script shows it
    assert page.root.one("div", role="status").text == ""


def test_the_script_is_a_module_of_ours(pages: list[Page]) -> None:
    for page in pages:
        assert {script["type"] for script in page.root.all("script")} == {"module"}
