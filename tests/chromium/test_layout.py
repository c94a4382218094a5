"""How pages stand on screens and paper of any kind."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect


@pytest.mark.parametrize("width", [1280, 360])
def test_the_head_stays_and_covers_nothing_that_is_gone_to(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 500})
    page.goto("/dashboard")
    page.get_by_role("link", name="90 days").click()
    expect(page).to_have_url(re.compile("#sign-ups"))
    head = page.get_by_role("banner").bounding_box()
    assert head
    assert head["y"] == 0
    target = page.get_by_role("heading", name="Sign-ups").bounding_box()
    assert target
    assert target["y"] >= head["height"]


def test_going_back_by_tab_leaves_nothing_under_the_head(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 400})
    page.goto("/dashboard/users")
    page.get_by_role("link", name="Next").focus()
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        top = page.evaluate("document.activeElement.getBoundingClientRect().top")
        assert top >= page.evaluate("document.querySelector('.top').getBoundingClientRect().bottom")


def _background(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return colour


def test_dark_and_light_follow_the_reader(either: Page) -> None:
    either.goto("/login")
    either.emulate_media(color_scheme="light")
    assert _background(either) == "rgb(245, 246, 249)"
    either.emulate_media(color_scheme="dark")
    assert _background(either) == "rgb(18, 20, 26)"


def test_nothing_moves_for_those_who_want_no_motion(page: Page) -> None:
    page.goto("/dashboard/users")
    moving = """() => [...document.querySelectorAll("*")].filter((each) =>
        getComputedStyle(each).transitionDuration !== "0s" || getComputedStyle(each).animationName !== "none").length"""
    assert page.evaluate(moving) > 0
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == 0


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/users", "/dashboard/system", "/profile"])
def test_on_paper_there_is_only_what_paper_can_hold(page: Page, path: str) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(path)
    assert _background(page) == "rgb(255, 255, 255)"
    expect(page.get_by_role("banner")).to_be_hidden()
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_long_table_on_paper_is_whole(page: Page) -> None:
    page.emulate_media(media="print")
    page.goto("/dashboard?days=90")
    page.get_by_text("The same as a table").click()
    table = page.get_by_role("group", name="Sign-ups by day")
    assert table.evaluate("(each) => each.scrollHeight <= each.clientHeight")


def test_every_target_is_large_enough_for_a_finger(page: Page) -> None:
    """44 px, as buttons and fields have them; links in text and in tables are their line's height (WCAG 2.5.8)."""
    page.set_viewport_size({"width": 360, "height": 640})
    for path in ("/dashboard", "/dashboard/users", "/dashboard/users/new", "/profile"):
        page.goto(path)
        for button in page.locator("main button:visible, main .button:visible, main input:visible, main select:visible").all():
            box = button.bounding_box()
            assert box
            if button.get_attribute("type") != "checkbox" and "plain" not in (button.get_attribute("class") or ""):
                assert box["height"] >= 44, button.evaluate("(each) => each.outerHTML")
