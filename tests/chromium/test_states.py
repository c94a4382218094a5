"""What holds for every page in every state: axe finds nothing, light or dark, on a desk or a telephone, and it fits on both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from chromium.screen import Site
from chromium.states import STATES, State, show

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    # Off by default.
    "rules": {"label-content-name-mismatch": {"enabled": True}, "target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
# What is wrong, and where, without all the rest that axe tells.
RUN = """
async (options) => (await axe.run(document, options)).violations.map(({ id, help, nodes }) =>
  `${id}: ${help}: ` + nodes.map((node) => `${node.target} ${node.html.slice(0, 120)} ${node.failureSummary}`).join(" | "))
"""
WIDER_THAN_THE_SCREEN = """
() => [...document.querySelectorAll("body *")]
  .filter((each) => !each.closest(".scroll, .skip, .hidden") && each.getBoundingClientRect().right > innerWidth + 0.5)
  .map((each) => each.outerHTML.slice(0, 150))
  .concat(document.documentElement.scrollWidth > innerWidth ? ["the page as a whole"] : [])
"""


@pytest.fixture(scope="module")
def axe() -> str:
    assert AXE.exists(), "axe-core comes from npm: make browser"
    return AXE.read_text()


def test_axe_finds_what_is_wrong(page: Page, axe: str) -> None:
    page.goto("/profile")
    page.evaluate(axe)
    page.evaluate("document.querySelector('label[for=email]').remove()")
    assert [each.partition(":")[0] for each in page.evaluate(RUN, OPTIONS)] == ["label"]


@pytest.mark.parametrize("state", STATES, ids=str)
def test_a_page_is_for_everybody(state: State, visitor: Page, site: Site, axe: str) -> None:
    visitor.emulate_media(reduced_motion="reduce")  # no colours half-way
    show(state, visitor, site)
    visitor.evaluate(axe)
    found: dict[str, Any] = {}
    for width in (1280, 360):
        visitor.set_viewport_size({"width": width, "height": 800})
        found[f"wider than {width}"] = visitor.evaluate(WIDER_THAN_THE_SCREEN)
        visitor.evaluate("scrollTo(0, 0)")  # what has scrolled half under the head is no small target
        for scheme in ("light", "dark"):
            visitor.emulate_media(color_scheme=scheme)
            found[f"at {width}, {scheme}"] = visitor.evaluate(RUN, OPTIONS)
    assert {where: what for where, what in found.items() if what} == {}
