"""The system page: it keeps itself up to date while somebody looks at it, and says so when it cannot."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from chromium.screen import Site, Watch

SYSTEM = "/dashboard/system"
PERIOD = 10_000


@pytest.fixture
def watched(page: Page) -> Page:
    """The page, on a clock that the test moves, and with the times that it asked for news counted in ``asked``."""
    page.clock.install()
    page.goto(SYSTEM)
    page.evaluate("() => { const all = fetch; window.asked = 0; window.fetch = (...given) => (window.asked++, all(...given)) }")
    return page


def asked(page: Page) -> int:
    count: int = page.evaluate("asked")
    return count


def look_away(page: Page, hidden: bool) -> None:
    """A tab behind another one, or in front again: a browser without a screen has none, so it is told."""
    page.evaluate(
        "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')) }",
        hidden,
    )


def part(page: Page, name: str):
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def test_each_part_has_a_word_and_an_icon(either: Page) -> None:
    either.goto(SYSTEM)
    for name, word in (("Database", "✓ Works"), ("Cache", "✓ Works"), ("Rate limits", "– Off")):
        expect(part(either, name).locator(".badge")).to_have_text(word)
    expect(either.get_by_text("Everything works.")).to_be_visible()


def test_a_part_that_fails_is_told(either: Page, site: Site) -> None:
    site.redis.stop()
    try:
        either.goto(SYSTEM)
        expect(part(either, "Cache").locator(".badge")).to_have_text("✕ Does not work")
        expect(either.get_by_text("Cache: not reachable.")).to_be_visible()
    finally:
        site.redis.start()


def test_the_pool_of_every_worker_is_shown(either: Page) -> None:
    either.goto(SYSTEM)
    workers = either.get_by_role("group", name="Database connections of each worker").get_by_role("rowheader")
    expect(workers).to_have_text([re.compile(r"^Process \d+$"), re.compile(r"^Process \d+$"), "All"])


def test_it_refreshes_itself(watched: Page, site: Site) -> None:
    site.redis.stop()
    try:
        expect(part(watched, "Cache").locator(".badge")).to_have_text("✓ Works")
        watched.clock.run_for(PERIOD)
        expect(part(watched, "Cache").locator(".badge")).to_have_text("✕ Does not work")
        expect(watched.get_by_text("Cache: not reachable.")).to_be_visible()
    finally:
        site.redis.start()


def test_it_pauses_while_nobody_sees_it_and_goes_on_at_once(watched: Page) -> None:
    look_away(watched, hidden=True)
    watched.clock.run_for(5 * PERIOD)
    assert asked(watched) == 0
    look_away(watched, hidden=False)
    assert asked(watched) == 1


def test_it_stops_when_it_is_told_to(watched: Page) -> None:
    watched.get_by_label("Refresh every 10 s").uncheck()
    watched.clock.run_for(5 * PERIOD)
    assert asked(watched) == 0
    watched.get_by_label("Refresh every 10 s").check()
    assert asked(watched) == 1


def test_a_refresh_leaves_the_focus_where_it_is(watched: Page) -> None:
    watched.get_by_role("link", name="Reload").focus()
    with watched.expect_response(f"**{SYSTEM}"):
        watched.clock.run_for(PERIOD)
    expect(watched.get_by_role("link", name="Reload")).to_be_focused()


def test_a_refresh_without_an_answer_is_said_and_tried_again(watched: Page, watch: Watch) -> None:
    watch.allow("503")
    watched.route(f"**{SYSTEM}", lambda route: route.fulfill(status=503))
    watched.clock.run_for(PERIOD)
    expect(watched.get_by_role("alert")).to_contain_text("Rollcall did not answer the last refresh")
    watched.unroute_all()
    watched.clock.run_for(PERIOD)
    expect(watched.get_by_role("alert")).to_be_hidden()


def test_a_session_that_ended_leads_to_the_log_in(watched: Page, site: Site) -> None:
    site.end_sessions()
    watched.clock.run_for(PERIOD)
    expect(watched).to_have_title("Log in · Rollcall")


def test_without_javascript_there_is_a_link_and_no_promise(plain_page: Page) -> None:
    plain_page.goto(SYSTEM)
    expect(plain_page.get_by_text("Refresh every 10 s")).to_be_hidden()
    plain_page.get_by_role("link", name="Reload").click()
    expect(plain_page).to_have_title("System · Rollcall")
