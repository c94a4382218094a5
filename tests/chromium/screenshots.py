"""Takes the pictures in docs/images of the real service with plausible people: ``make screenshots``.

Names are from many scripts; a machine without their letters shows boxes (apt-get install fonts-noto-core fonts-wqy-microhei).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import servers
from chromium.screen import FLAGS, PATIENCE, Site
from chromium.states import PEOPLE, STATES, show
from chromium.studio import CHROMIUM, studio
from rollcall.infra.runtime import utc_now

FOLDER = servers.ROOT / "docs/images"
USERS = 1_319
LARGEST = 200 * 1024
DESK = {"width": 1280, "height": 800}
TELEPHONE = {"width": 360, "height": 740}


@dataclass(frozen=True)
class Shot:
    """A picture: of which state, and how."""

    file: str
    state: str
    dark: bool = False
    telephone: bool = False


SHOTS = [
    Shot("set-up", "set-up"),
    Shot("log-in", "log-in"),
    Shot("dashboard", "dashboard"),
    Shot("dashboard-dark", "dashboard, a year", dark=True),
    Shot("dashboard-telephone", "dashboard", telephone=True),
    Shot("found", "found from any page"),
    Shot("users", "users"),
    Shot("users-menu", "users, a menu"),
    Shot("users-filtered", "users, all filters"),
    Shot("users-dark", "users, all filters", dark=True),
    Shot("users-telephone", "users", telephone=True, dark=True),
    Shot("users-no-match", "users, no match"),
    Shot("deactivate-all", "deactivate all?"),
    Shot("import", "import, checked"),
    Shot("import-bad-rows", "import, bad rows"),
    Shot("import-under-way", "import, under way", dark=True),
    Shot("user", "one user, changed lately"),
    Shot("user-telephone", "one user, changed lately", telephone=True),
    Shot("user-edited", "one user, edited"),
    Shot("user-dark", "one user, changed lately", dark=True),
    Shot("new-user-refused", "new user, refused"),
    Shot("deactivate", "deactivate?"),
    Shot("password", "set a password"),
    Shot("profile", "profile"),
    Shot("system", "system"),
    Shot("system-dark", "system, Redis away", dark=True),
    Shot("keys", "users, keys"),
    Shot("not-found", "404"),
    Shot("api", "documentation"),
]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with studio() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for shot in SHOTS:
            context = browser.new_context(
                base_url=site.url,
                locale="en-GB",
                timezone_id="UTC",
                viewport=TELEPHONE if shot.telephone else DESK,
                color_scheme="dark" if shot.dark else "light",
                reduced_motion="reduce",
            )
            context.set_default_timeout(PATIENCE)
            size = take(context.new_page(), shot, site).stat().st_size
            context.close()
            print(f"{shot.file}: {size // 1024} kB")
            if size > LARGEST:
                sys.exit(f"{shot.file}.png is larger than {LARGEST // 1024} kB.")
        browser.close()


def take(page: Page, shot: Shot, site: Site) -> Path:
    """Lead a page to the state, with everybody anew, and picture it."""
    long_ago = utc_now() - timedelta(days=40)
    site.empty()
    site.add(username="root", email="root@example.org", full_name="Ada Root", is_superuser=True, created_at=long_ago)
    site.seed(USERS)
    [state] = [state for state in STATES if state.name == shot.state]
    show(state, page, site, [{"created_at": long_ago, **person} for person in PEOPLE])
    page.wait_for_load_state("networkidle")
    file = FOLDER / f"{shot.file}.png"
    page.screenshot(path=file)
    return file


if __name__ == "__main__":
    main()
