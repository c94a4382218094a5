"""The list of users: search, filters, order and place are in its address, and an answer that is outdated is never shown."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, Route, expect

from chromium.screen import Open, Site, Watch
from rollcall.infra.runtime import utc_now

USERS = "/dashboard/users"
FOUND = "Tove Ünïque"


@pytest.fixture
def tove(site: Site) -> int:
    """Somebody who is found by each of her names."""
    return site.add(username="tove-77", email="tove@nowhere.example", full_name=FOUND).id


def search_box(page: Page):
    return page.get_by_role("searchbox", name="Search")


def range_of(page: Page):
    return page.locator("#range")


def names(page: Page):
    return page.get_by_role("table").locator("tbody th a")


def held(page: Page, term: str) -> list[Route]:
    """Keep back what the server would say to a search; the request is in the list once it was made."""
    kept: list[Route] = []
    page.route(re.compile(rf"search={term}(&|$)"), lambda route: kept.append(route))  # noqa: PLW0108  (Playwright looks into a function)
    return kept


# 1. The address


def test_reload_restores_search_filter_and_order(page: Page) -> None:
    page.goto(f"{USERS}?sort_by=username&sort_order=asc")
    page.get_by_label("State").select_option("Active")
    search_box(page).fill("example")
    expect(page).to_have_url(re.compile(r"search=example.*is_active=true.*sort_by=username.*sort_order=asc"))
    shown = names(page).all_inner_texts()
    page.reload()
    expect(search_box(page)).to_have_value("example")
    expect(page.get_by_label("State")).to_have_value("true")
    expect(names(page)).to_have_text(shown)


def test_back_from_a_user_restores_the_search(page: Page, tove: int) -> None:
    page.goto(USERS)
    search_box(page).fill("tove")
    expect(range_of(page)).to_have_text("1–1 of 1")
    page.get_by_role("link", name=FOUND, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(FOUND)
    page.go_back()
    expect(search_box(page)).to_have_value("tove")
    expect(range_of(page)).to_have_text("1–1 of 1")


def test_the_address_shows_somebody_else_the_same(page: Page, open_browser: Open, site: Site, tove: int) -> None:
    page.goto(USERS)
    search_box(page).fill("tove")
    expect(range_of(page)).to_have_text("1–1 of 1")
    other = open_browser(site.find("root"), java_script_enabled=False).new_page()
    other.goto(page.url)
    expect(search_box(other)).to_have_value("tove")
    expect(range_of(other)).to_have_text("1–1 of 1")


def test_a_search_begins_on_the_first_page(either: Page) -> None:
    either.goto(USERS)
    either.get_by_role("link", name="Next").click()
    expect(range_of(either)).to_have_text("51–100 of 121")
    search_box(either).fill("example")
    search_box(either).press("Enter")
    expect(range_of(either)).to_have_text(re.compile("^1–50 of"))
    assert "cursor" not in either.url


def test_a_heading_sorts_and_a_second_press_turns_the_order(either: Page) -> None:
    either.goto(f"{USERS}?search=example")
    heading = either.get_by_role("columnheader", name="E-mail address")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("link").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(search_box(either)).to_have_value("example")
    emails = either.locator("tbody td.mail").all_inner_texts()
    assert emails == sorted(emails, reverse=True)


# 2. The search box


@pytest.mark.parametrize("term", ["TOVE-7", "@nowhere", "ünïq", "{id}"])
def test_one_box_finds_by_username_address_name_and_id(page: Page, tove: int, term: str) -> None:
    page.goto(USERS)
    search_box(page).fill(term.format(id=tove))
    expect(page.locator("#results").get_by_text(re.compile(f"{FOUND}|tove-77")).first).to_be_visible()
    expect(page).to_have_url(re.compile("search="))


def test_typing_searches_once_it_pauses(page: Page, tove: int) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "search=" in request.url else None)
    page.clock.install()
    page.goto(USERS)
    search_box(page).press_sequentially("tov")
    page.clock.run_for(249)
    assert asked == []
    page.clock.run_for(1)
    expect(range_of(page)).to_have_text("1–1 of 1")
    assert [url.partition("?")[2] for url in asked] == ["search=tov"]
    expect(search_box(page)).to_be_focused()


def test_enter_does_not_wait_for_the_pause(page: Page, tove: int) -> None:
    page.clock.install()
    page.goto(USERS)
    search_box(page).fill("tove")
    search_box(page).press("Enter")
    expect(range_of(page)).to_have_text("1–1 of 1")


def test_an_outdated_answer_is_never_shown(page: Page, tove: int) -> None:
    page.goto(USERS)
    late = held(page, "a")
    with page.expect_request(re.compile("search=a$")):
        search_box(page).fill("a")
    search_box(page).fill("tove")
    expect(range_of(page)).to_have_text("1–1 of 1")
    for route in late:
        route.fulfill(content_type="text/html", body='<div id="results"><p id="range">outdated</p></div>')
    page.evaluate("fetch('/health/live').then((answer) => answer.text())")  # an answer after that one has come
    expect(range_of(page)).to_have_text("1–1 of 1")
    assert page.url.endswith("search=tove")


def test_the_list_is_busy_while_it_is_searched(page: Page) -> None:
    page.goto(USERS)
    late = held(page, "tove")
    search_box(page).fill("tove")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")
    for route in late:
        route.continue_()
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")


def test_a_search_that_fails_shows_the_page_of_the_failure(page: Page, site: Site) -> None:
    page.goto(USERS)
    site.end_sessions()
    search_box(page).fill("tove")
    expect(page).to_have_title("Log in · Rollcall")
    assert page.url.endswith("next=/dashboard/users?search%3Dtove")


@pytest.mark.parametrize("way", ["offline", "aborted"])
def test_a_search_without_an_answer_keeps_the_page_and_says_so(page: Page, tove: int, watch: Watch, way: str) -> None:
    watch.allow("Failed to load resource")
    page.goto(USERS)
    if way == "offline":
        page.context.set_offline(True)
    else:
        page.route("**/dashboard/users?search=*", lambda route: route.abort())
    search_box(page).fill("tove")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Rollcall did not answer, so the list is not the one that you searched for.")
    expect(search_box(page)).to_have_value("tove")
    expect(range_of(page)).to_have_text(re.compile("^1–50 of"))
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    assert page.url.endswith(USERS)
    page.context.set_offline(False)
    page.unroute("**/dashboard/users?search=*")
    search_box(page).press("Enter")
    expect(range_of(page)).to_have_text("1–1 of 1")
    expect(alert).to_have_count(0)


def test_a_deed_on_a_users_page_leads_back_to_the_list_as_it_was_searched(either: Page, tove: int) -> None:
    either.goto(USERS)
    search_box(either).fill("tove")
    search_box(either).press("Enter")
    expect(range_of(either)).to_have_text("1–1 of 1")
    either.get_by_role("link", name=FOUND, exact=True).click()
    either.get_by_role("link", name="Deactivate").click()
    either.get_by_role("button", name="Deactivate tove-77").click()
    expect(either.locator(".toasts")).to_contain_text("tove-77 is deactivated.")
    either.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Users").click()
    expect(range_of(either)).to_have_text("1–1 of 1")
    expect(search_box(either)).to_have_value("tove")


def test_enter_searches_without_javascript(plain_page: Page, tove: int) -> None:
    plain_page.goto(USERS)
    search_box(plain_page).fill("tove")
    search_box(plain_page).press("Enter")
    expect(range_of(plain_page)).to_have_text("1–1 of 1")


# 3. What is shown


def test_the_range_knows_the_filter(either: Page, site: Site) -> None:
    for _ in range(3):
        site.add(is_active=False, is_superuser=True)
    either.goto(f"{USERS}?is_active=false&is_superuser=true&size=2")
    expect(range_of(either)).to_have_text("1–2 of 3")
    either.get_by_role("link", name="Next").click()
    expect(range_of(either)).to_have_text("3–3 of 3")


def test_a_total_that_is_a_bound_says_so(page: Page, site: Site) -> None:
    site.seed(2_000)
    page.goto(f"{USERS}?search=e")
    expect(range_of(page)).to_have_text(re.compile(r"^1–50 of more than [\d,]+$"))


def test_filters_are_chips_to_take_away_one_by_one(either: Page) -> None:
    either.goto(f"{USERS}?search=example&is_active=true&sort_by=username&sort_order=asc")
    chips = either.get_by_role("list", name="Filters").get_by_role("listitem")
    expect(chips).to_have_count(3)
    either.get_by_role("link", name="Remove the filter Active").click()
    expect(chips).to_have_count(1)
    expect(either).to_have_url(re.compile(r"search=example.*sort_by=username"))
    either.get_by_role("link", name="Remove the filter “example”").click()
    expect(range_of(either)).to_have_text("1–50 of 121")


def test_clear_all_clears_all(either: Page) -> None:
    either.goto(f"{USERS}?search=example&is_active=true")
    either.get_by_role("link", name="Clear all").click()
    expect(range_of(either)).to_have_text("1–50 of 121")
    expect(search_box(either)).to_have_value("")


def test_chips_that_come_with_an_instant_search_work(page: Page) -> None:
    page.goto(USERS)
    page.get_by_label("Role").select_option("Superusers")
    page.get_by_role("link", name="Remove the filter Superusers").click()
    expect(range_of(page)).to_have_text("1–50 of 121")
    expect(page.get_by_label("Role")).to_have_value("")


# 11. Nothing to show


def test_nobody_matches(either: Page) -> None:
    either.goto(f"{USERS}?search=nobody-like-this")
    expect(either.get_by_text("Nobody matches.")).to_be_visible()
    either.get_by_role("link", name="Clear all").click()
    expect(range_of(either)).to_have_text("1–50 of 121")


def test_nobody_but_oneself(either: Page, site: Site, open_browser: Open) -> None:
    site.empty()
    site.sign_in(either.context, site.add(username="alone", is_superuser=True))
    either.goto(USERS)
    expect(either.get_by_text("You are the only user so far.")).to_be_visible()
    either.get_by_role("link", name="Create the first one").click()
    expect(either).to_have_title("New user · Rollcall")


# 12. The file


def test_the_exported_file_holds_the_filtered_list_and_no_formula(either: Page, site: Site) -> None:
    site.add(username="evil", email="evil@example.org", full_name="=HYPERLINK(1)")
    either.goto(f"{USERS}?search=evil@")
    with either.expect_download() as started:
        either.get_by_role("link", name="Export CSV").click()
    assert re.fullmatch(r"users-\d{4}-\d\d-\d\d\.csv", started.value.suggested_filename)
    head, *people = started.value.path().read_text("utf-8-sig").splitlines()
    assert head.startswith("id,email,username,full_name,")
    assert len(people) == 1
    assert ",evil,'=HYPERLINK(1)," in people[0]


# 7. The table


def test_rows_are_forty_pixels_and_as_wide_as_the_window(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    site.add(username="m" * 60, email=f"{'m' * 60}@{'unterlangenfeld.' * 9}example.org", full_name="M" * 100, is_superuser=True)
    page.goto(USERS)
    heights = page.locator("tbody tr").evaluate_all("(rows) => [...new Set(rows.map((row) => row.offsetHeight))]")
    assert heights == [40]
    table = page.get_by_role("table").bounding_box()
    assert table
    assert table["width"] >= 1200
    visible = page.locator("tbody tr").evaluate_all(
        "(rows) => rows.filter((row) => row.getBoundingClientRect().bottom <= innerHeight)"
    )
    assert len(visible) >= 11


def test_the_heads_of_columns_stay_in_sight(page: Page) -> None:
    page.goto(f"{USERS}?size=100")
    page.locator("tbody tr").last.scroll_into_view_if_needed()
    head = page.get_by_role("columnheader", name="E-mail address")
    expect(head).to_be_in_viewport(ratio=1)
    assert page.evaluate("(th) => document.elementFromPoint(th.x + 5, th.y + 20)?.closest('th') !== null", head.bounding_box())


def test_columns_keep_their_widths_while_one_types(page: Page, tove: int) -> None:
    page.goto(USERS)
    widths = "(heads) => heads.map((head) => head.getBoundingClientRect().width)"
    before = page.locator("thead th").evaluate_all(widths)
    search_box(page).fill("tove")
    expect(range_of(page)).to_have_text("1–1 of 1")
    assert page.locator("thead th").evaluate_all(widths) == before


def test_a_telephone_has_cards(either: Page, site: Site) -> None:
    either.set_viewport_size({"width": 360, "height": 740})
    either.goto(f"{USERS}?size=25")
    assert either.evaluate("document.documentElement.scrollWidth") == 360
    card = either.locator("tbody tr").nth(1)  # the first is the reader's own
    box = card.bounding_box()
    assert box
    assert box["width"] >= 300
    for part in (".name", ".mail", ".status", ".time", "summary"):
        card.locator(part).first.scroll_into_view_if_needed()
        expect(card.locator(part).first).to_be_in_viewport(ratio=1)
    expect(card.locator(".time.created")).to_contain_text("Created ")
    card.locator("summary").click()
    expect(card.get_by_role("link", name=re.compile("^Set a password for "))).to_be_in_viewport(ratio=1)


def test_a_search_that_takes_long_is_mentioned(page: Page, tove: int) -> None:
    page.clock.install()
    page.goto(USERS)
    page.clock.pause_at(utc_now() + timedelta(hours=1))
    late = held(page, "tove")
    with page.expect_request(re.compile("search=tove$")):
        search_box(page).fill("tove")
        search_box(page).press("Enter")
    working = page.locator("#working")
    page.clock.run_for(299)
    expect(working).to_have_text("")
    page.clock.run_for(1)
    expect(working).to_have_text("Searching…")
    late[0].continue_()
    expect(working).to_have_text("")
    expect(range_of(page)).to_have_text("1–1 of 1")


def test_a_page_that_takes_long_is_mentioned(page: Page) -> None:
    watcher = page.context.new_page()  # Playwright asks nothing of a page that is about to be left
    watcher.goto("/profile")
    watcher.evaluate(
        "() => { window.heard = new Promise((done) => addEventListener('storage', (event) => done(event.newValue))) }"
    )
    page.goto(USERS)
    page.evaluate("""() => new MutationObserver(([{ target }]) => (localStorage.working = target.textContent))
        .observe(document.getElementById("working"), { childList: true })""")
    kept: list[Route] = []
    page.route("**/dashboard/users?cursor=*", lambda route: kept.append(route))  # noqa: PLW0108  (Playwright looks into a function)
    page.get_by_role("link", name="Next").evaluate("(link) => link.click()")
    assert watcher.evaluate("window.heard") == "Loading…"
    kept[0].continue_()
    expect(range_of(page)).to_have_text("51–100 of 121")


def test_the_arrows_lead_into_the_list_and_enter_opens(page: Page, site: Site) -> None:
    for number in range(3):
        site.add(username=f"zed{number}")
    page.goto(USERS)
    expect(search_box(page)).to_be_focused()
    page.keyboard.type("zed")
    expect(range_of(page)).to_have_text("1–3 of 3")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="zed1", exact=True)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(search_box(page)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("zed2")


def test_enter_opens_the_only_hit_of_a_search_that_is_done(page: Page, tove: int) -> None:
    page.goto(USERS)
    page.keyboard.type("tove")
    expect(range_of(page)).to_have_text("1–1 of 1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(FOUND)


def test_a_tap_shows_the_exact_time(open_browser: Open, site: Site) -> None:
    moment = utc_now() - timedelta(days=3, hours=1)
    site.add(username="tapped", created_at=moment)
    page = open_browser(site.find("root"), has_touch=True, viewport={"width": 360, "height": 740}).new_page()
    page.goto(f"{USERS}?search=tapped")
    time = page.locator("tbody time").first
    exact = time.locator(".exact")
    expect(time).to_contain_text("3 days ago")
    expect(exact).to_be_hidden()
    time.tap()
    expect(exact).to_be_visible()
    expect(exact).to_have_text(f"{moment.day} {moment:%b %Y, %H:%M} UTC")
    time.tap()
    expect(exact).to_be_hidden()


def test_paper_has_the_exact_time(either: Page, site: Site) -> None:
    either.emulate_media(media="print")
    either.goto(USERS)
    expect(either.locator("tbody time .exact").first).to_be_visible()
    expect(either.locator("tbody time > :first-child").first).to_be_hidden()
