"""Fixtures of the tests in a real browser: Debian's Chromium, driven by Playwright, on the service as it is deployed.

They run by ``make browser`` and in .ci/run; ``make test`` says that it leaves them out where there is no Chromium.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rollcall.models import User
from rollcall.settings import Settings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = [
    what
    for what, found in (
        ("no Chromium (apt-get install chromium)", CHROMIUM),
        ("no Playwright (pip install -c constraints.txt -e '.[browser]')", find_spec("playwright")),
    )
    if not found
]
SMOKE = "test_smoke.py"

if TYPE_CHECKING or not MISSING:
    from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

    from chromium.screen import FLAGS, PATIENCE, Open, Site, Watch, serve


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without a browser only the smoke test is collected, to be skipped for them all."""
    return True if MISSING and collection_path.name.startswith("test_") and collection_path.name != SMOKE else None


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here:
            item.add_marker(
                pytest.mark.skip(f"the browser tests are left out: {', '.join(MISSING)}") if MISSING else pytest.mark.browser
            )


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the run; each test has its own cookies and pages in it."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def service(settings: Settings) -> Iterator[Site]:
    """The service for the run; tests take ``site``."""
    with serve(settings) as site:
        yield site


@pytest.fixture
def site(service: Site) -> Site:
    """The service with the superuser ``root`` and 120 seeded users, as if it had just started."""
    service.empty()
    service.add(username="root", email="root@example.org", full_name="Ada Root", is_superuser=True)
    service.seed()
    return service


@pytest.fixture
def watch(site: Site) -> Iterator[Watch]:
    """Fails the test afterwards for what no page may do; ``watch.allow(text)`` before an error that the test provokes."""
    watch = Watch(site.url)
    yield watch
    assert watch.faults == []


@pytest.fixture
def open_browser(chromium: Browser, site: Site, watch: Watch) -> Iterator[Open]:
    """A new browser: ``open_browser(user=…, viewport=…, color_scheme=…, java_script_enabled=…)``, by default nobody's."""
    with ExitStack() as opened:

        def make(user: User | None = None, **options: Any) -> BrowserContext:
            context = chromium.new_context(**{"base_url": site.url, "locale": "en-GB", "timezone_id": "UTC", **options})
            opened.callback(context.close)
            context.set_default_timeout(PATIENCE)
            watch.follow(context)
            if user:
                site.sign_in(context, user)
            return context

        yield make


@pytest.fixture
def page(open_browser: Open, site: Site) -> Page:
    """A page of the superuser ``root``."""
    return open_browser(site.find("root")).new_page()


@pytest.fixture
def plain_page(open_browser: Open, site: Site) -> Page:
    """The same without JavaScript."""
    return open_browser(site.find("root"), java_script_enabled=False).new_page()


@pytest.fixture(params=["page", "plain_page"], ids=["with JavaScript", "without"])
def either(request: pytest.FixtureRequest) -> Page:
    """The one, then the other: for what has to work both ways."""
    page: Page = request.getfixturevalue(request.param)
    return page


@pytest.fixture
def visitor(open_browser: Open) -> Page:
    """A page of somebody who is not logged in."""
    return open_browser().new_page()
