"""Every page in every state that it can be in, to be looked at as a whole: by axe, at 360 pixels, and for screenshots.

A new page is one more line in ``STATES``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page
from sqlalchemy import create_engine, text

from chromium.screen import Site

LONG_NAME = "Maximiliane Theodora Alexandrina Freifrau von Hohenstein-Wolkersdorf zu Unterlangenfeld-Obermayrhofen"[:100]
PEOPLE = [
    {"username": "m" * 50, "email": f"{'maximiliane' * 5}@{'unterlangenfeld.' * 9}example.org", "full_name": LONG_NAME},
    {"username": "noor", "email": "noor@example.org", "full_name": "نور الهدى بنت عبد الرحمن"},
    {"username": "tanaka", "email": "tanaka@example.org", "full_name": "田中太郎左衛門之介"},
    {"username": "formula", "email": "formula@example.org", "full_name": "=HYPERLINK(1)", "is_active": False},
    {"username": "nameless", "email": "nameless@example.org", "password_hash": None},
    {"username": "second", "email": "second@example.org", "full_name": "Second Root", "is_superuser": True},
]
"""Beside the seeded ones: who strains a page."""


@dataclass(frozen=True)
class State:
    """A page in a state.

    :ivar open: leads a page to it; what it did to the service is undone when it returns.
    :ivar who: the username of who looks at it, or ``None`` for a visitor.
    :ivar people: whether there is anybody beside ``root``.
    """

    name: str
    open: Callable[[Page, Site], object]
    who: str | None = "root"
    people: bool = True

    def __str__(self) -> str:
        return self.name


def at(path: str) -> Callable[[Page, Site], object]:
    """Open a path; ``{noor}`` in it is that user's id."""

    def go(page: Page, site: Site) -> None:
        names = ["root", *(str(person["username"]) for person in PEOPLE)]
        page.goto(path.format(**{name: site.find(name).id for name in names if f"{{{name}}}" in path}))

    return go


def pressed(path: str, button: str, **typed: str) -> Callable[[Page, Site], object]:
    """Open a path, fill in fields by their names, and press a button."""

    def press(page: Page, site: Site) -> None:
        at(path)(page, site)
        for name, value in typed.items():
            page.locator(f"[name={name}]").fill(value)
        page.get_by_role("button", name=button).first.click()
        page.wait_for_load_state()

    return press


def set_up(page: Page, site: Site) -> None:
    site.empty()
    page.goto(site.set_up_path())


def set_up_refused(page: Page, site: Site) -> None:
    set_up(page, site)
    page.get_by_role("button", name="Make the first superuser").click()


def keys(page: Page, site: Site) -> None:
    page.goto("/dashboard/users")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()


def chart_as_table(page: Page, site: Site) -> None:
    page.goto("/dashboard?days=90")
    page.get_by_text("The same as a table").click()


def logged_out_meanwhile(page: Page, site: Site) -> None:
    page.goto("/profile")
    site.end_sessions()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Dismiss").wait_for()


def ten_million(path: str) -> Callable[[Page, Site], object]:
    """A page whose counts have as many digits as they will ever have, in the tally that they are taken from."""

    def go(page: Page, site: Site) -> None:
        with site.engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO user_tally_deltas SELECT day, is_active, is_superuser, users * 87000 FROM"
                    " (SELECT * FROM user_tally UNION ALL SELECT * FROM user_tally_deltas) AS counts"
                )
            )
        page.goto(path)
        page.get_by_text(re.compile(r"\b1\d,\d{3},\d{3}")).first.wait_for()

    return go


def nothing_answered(page: Page, site: Site) -> None:
    """The system page after a refresh that failed."""
    page.clock.install()
    page.goto("/dashboard/system")
    page.route("**/dashboard/system", lambda route: route.fulfill(status=503))
    page.clock.run_for(11_000)
    page.get_by_text("There was no answer").wait_for()


def redis_away(page: Page, site: Site) -> None:
    site.redis.stop()
    try:
        page.goto("/dashboard/system")
    finally:
        site.redis.start()


def broken(page: Page, site: Site) -> None:
    """A 500: what the service needs of its database is not there."""
    with site.engine.begin() as connection:
        connection.execute(text("ALTER TABLE users RENAME updated_at TO elsewhere"))
    try:
        page.goto("/dashboard/users")
    finally:
        with site.engine.begin() as connection:
            connection.execute(text("ALTER TABLE users RENAME elsewhere TO updated_at"))


def database_away(page: Page, site: Site) -> None:
    """A 503: nobody can connect to the database, and whoever was connected no longer is."""
    with closed(site):
        page.goto("/dashboard/users")


@contextmanager
def closed(site: Site) -> Iterator[None]:
    """The service's database takes no connections."""
    name = site.engine.url.database
    site.engine.dispose()
    server = create_engine(site.engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        ).all()
        try:
            yield
        finally:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    server.dispose()


def too_late(page: Page, site: Site) -> None:
    """A 504: somebody holds the table for longer than this request may take."""
    page.set_extra_http_headers({"X-Request-Timeout": "0.3"})
    with site.engine.connect() as connection:
        connection.execute(text("LOCK TABLE users IN ACCESS EXCLUSIVE MODE"))
        page.goto("/dashboard/users")
        connection.rollback()
    page.set_extra_http_headers({})


def documentation(page: Page, site: Site) -> None:
    page.goto("/docs")
    page.get_by_text("/api/v1/auth/login").wait_for()


STATES = [
    State("set-up", set_up, who=None),
    State("set-up, refused", set_up_refused, who=None),
    State("log-in", at("/login"), who=None),
    State("log-in, nothing typed", pressed("/login", "Log in"), who=None),
    State("log-in, refused", pressed("/login", "Log in", username="root", password="not-the-password"), who=None),
    State("log-in, session ended", logged_out_meanwhile),
    State("dashboard", at("/dashboard")),
    State("dashboard, alone", at("/dashboard"), people=False),
    State("dashboard, 7 days", at("/dashboard?days=7")),
    State("dashboard, a year", at("/dashboard?days=365")),
    State("dashboard, ten million", ten_million("/dashboard?days=90")),
    State("dashboard, chart as a table", chart_as_table),
    State("dashboard, refreshed", pressed("/dashboard", "Refresh")),
    State("users", at("/dashboard/users")),
    State("users, alone", at("/dashboard/users"), people=False),
    State("users, ten million", ten_million("/dashboard/users?size=5")),
    State(
        "users, all filters", at("/dashboard/users?search=e&is_active=true&is_superuser=false&sort_by=username&sort_order=asc")
    ),
    State("users, the next page", at("/dashboard/users?page=2&size=20")),
    State("users, no match", at("/dashboard/users?search=nobody-like-this")),
    State("users, no such page", at("/dashboard/users?page=99")),
    State("users, by id", at("/dashboard/users?search={noor}")),
    State("users, not valid", at("/dashboard/users?size=0&is_active=perhaps")),
    State("users, keys", keys),
    State("new user", at("/dashboard/users/new")),
    State("new user, refused", pressed("/dashboard/users/new", "Create", username="no", email="nobody", password="x")),
    State("one user", at("/dashboard/users/{noor}")),
    State("one user, long names", at("/dashboard/users/{" + "m" * 50 + "}")),
    State("one user, inactive", at("/dashboard/users/{formula}")),
    State("one user, without a password", at("/dashboard/users/{nameless}")),
    State("one user, saved", pressed("/dashboard/users/{noor}", "Save")),
    State("one user, refused", pressed("/dashboard/users/{noor}", "Save", username="root", email="")),
    State("oneself, the last superuser", at("/dashboard/users/{root}"), people=False),
    State("oneself", at("/dashboard/users/{root}")),
    State("deactivate?", at("/dashboard/users/{noor}/deactivate")),
    State("delete?", at("/dashboard/users/{" + "m" * 50 + "}/delete")),
    State("delete the last superuser?", at("/dashboard/users/{root}/delete"), people=False),
    State("end sessions?", at("/dashboard/users/{root}/end-sessions")),
    State("set a password", at("/dashboard/users/{noor}/password")),
    State("set a password, refused", pressed("/dashboard/users/{noor}/password", "Set", password="x")),
    State("profile", at("/profile")),
    State("profile, a plain user's", at("/profile"), who="noor"),
    State("profile, refused", pressed("/profile", "Save", username="second")),
    State("own password", at("/profile/password")),
    State("system", at("/dashboard/system")),
    State("system, Redis away", redis_away),
    State("system, no answer", nothing_answered),
    State("403", at("/dashboard"), who="noor"),
    State("404", at("/no-such-page")),
    State("404, a visitor's", at("/no-such-page"), who=None),
    State("500", broken),
    State("503", database_away),
    State("504", too_late),
    State("documentation", documentation, who=None),
]


def show(state: State, page: Page, site: Site, people: Sequence[Mapping[str, object]] = PEOPLE) -> None:
    """Lead a page to a state, with these people there."""
    if state.people:
        for person in people:
            site.add(**person)
    else:
        site.empty()
        site.add(username="root", email="root@example.org", full_name="Ada Root", is_superuser=True)
    if state.who:
        site.sign_in(page.context, site.find(state.who))
    state.open(page, site)
