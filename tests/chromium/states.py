"""Every page in every state that it can be in, to be looked at as a whole: by test_states.py, and for screenshots.

A new page is one more line in ``STATES``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from playwright.sync_api import Locator, Page
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from chromium.screen import Site
from rollcall.infra.runtime import utc_now
from rollcall.services.users import directory

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

GOOD_ROWS = "email;username;full_name\nann@example.org;ann;Ann Lee\nbob@example.org;bob;\n"
BAD_ROWS = f"email;username;full_name\nann@example.org;ann;\nnobody;x;{LONG_NAME * 2}\nroot@example.org;root;=1+1\n"
SOME_BAD_ROWS = "email;username\nbob@example.org;bob\nnobody;x\n"
EXISTING_ROWS = "email;username;full_name\nnoor@example.org;noor;Noor al-Huda\nbob@example.org;bob;\n"


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
        # The page sends the form itself, and goes where the answer leads; or it shows the answer in place.
        with page.expect_response(lambda answer: answer.request.is_navigation_request() or answer.status >= 400):
            page.get_by_role("button", name=button).first.click()
        page.wait_for_load_state()

    return press


def link_made(page: Page, site: Site) -> None:
    at("/dashboard/users/{noor}")(page, site)
    page.get_by_role("button", name="Make a password link").click()
    page.locator("#link").wait_for()


def token_made(page: Page, site: Site) -> None:
    page.goto("/profile/tokens")
    page.get_by_role("textbox", name="Name").fill("Nightly import on the server in the cellar")
    page.get_by_role("checkbox", name="users:read").check()
    page.get_by_role("button", name="Create the token").click()
    page.locator("#token").wait_for()


def own_tokens(page: Page, site: Site) -> None:
    token_made(page, site)
    page.goto("/profile/tokens")


def all_tokens(page: Page, site: Site) -> None:
    token_made(page, site)
    page.goto("/dashboard/tokens")


def link_opened(page: Page, site: Site) -> None:
    link_made(page, site)
    page.goto(page.locator("#link").inner_text())
    page.get_by_label("New password").wait_for()


def set_up(page: Page, site: Site) -> None:
    site.empty()
    page.goto(site.set_up_path())


def set_up_refused(page: Page, site: Site) -> None:
    set_up(page, site)
    page.get_by_role("button", name="Create the first administrator").click()


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


def selected(page: Page, site: Site) -> None:
    page.goto("/dashboard/users")
    for name in ("noor", "tanaka"):
        page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()


def menu(page: Page, username: str) -> Locator:
    """The button of the menu in a row."""
    return page.locator("tbody summary").filter(has_text=re.compile(rf"Actions for {username}$"))


def menu_open(page: Page, site: Site) -> None:
    page.goto("/dashboard/users")
    page.locator("tbody summary").nth(4).click()
    page.get_by_role("link", name=re.compile("^Delete ")).wait_for()


def found(page: Page, site: Site) -> None:
    """The search in the head, with hits of which one is chosen."""
    page.goto("/dashboard")
    page.keyboard.press("/")
    page.keyboard.type("example")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")


def nobody_found(page: Page, site: Site) -> None:
    page.goto("/dashboard")
    page.keyboard.press("/")
    page.keyboard.type("nobody-like-this")
    page.get_by_text("No user found.").wait_for()


def edited(page: Page, site: Site) -> None:
    at("/dashboard/users/{noor}")(page, site)
    page.get_by_text("Edit", exact=True).click()


def saved(page: Page, site: Site) -> None:
    edited(page, site)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("noor is saved.").wait_for()


def refused(page: Page, site: Site) -> None:
    edited(page, site)
    page.get_by_label("Username").fill("root")
    page.get_by_label("E-mail address").fill("")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").wait_for()


def asked_in_place(page: Page, site: Site) -> None:
    page.goto("/dashboard/users")
    menu(page, "noor").click()
    page.get_by_role("link", name="Deactivate noor", exact=True).click()
    page.get_by_role("dialog").get_by_role("heading").wait_for()


def done_in_place(page: Page, site: Site) -> None:
    page.goto("/dashboard/users")
    menu(page, "formula").click()
    page.get_by_role("button", name="Activate formula", exact=True).click()
    page.get_by_role("button", name="Undo").wait_for()


def asked_of_all(deed: str) -> Callable[[Page, Site], object]:
    """The question about all that a search finds, as a page of its own."""

    def ask(page: Page, site: Site) -> None:
        page.goto("/dashboard/users?search=example&is_active=true")
        link = page.locator(f"#bulk .all a[href*='/{deed}?']")
        page.goto(str(link.get_attribute("href")))

    return ask


def nothing_answered(page: Page, site: Site) -> None:
    """The system page after a refresh that failed."""
    page.clock.install()
    page.goto("/dashboard/system")
    page.route("**/dashboard/system", lambda route: route.fulfill(status=503))
    page.clock.run_for(11_000)
    page.get_by_text("Rollcall did not answer the last refresh").wait_for()


def changed_lately(page: Page, site: Site) -> None:
    """A user with two sessions and more changes than are shown at once."""
    noor, acting = site.find("noor"), site.acting("root")
    with Session(site.engine) as session:
        for number in range(12):
            change = (
                {"full_name": LONG_NAME} if number == 3 else {"email": f"noor.{number}@example.org", "full_name": noor.full_name}
            )
            by = acting if number % 2 else None
            directory.change_user(session, noor.id, change, by, utc_now() - timedelta(hours=20 - number))
        session.commit()
    site.add_session(noor, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "2001:db8::8a2e:370:7334")
    site.add_session(noor, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1")
    page.goto(f"/dashboard/users/{noor.id}")
    page.get_by_text("2 earlier changes").click()
    page.evaluate("scrollTo(0, 0)")


def checked(content: str, then: str = "", seen: str = "") -> Callable[[Page, Site], object]:
    """The import page after a file was checked, and after one more button was pressed."""

    def check(page: Page, site: Site) -> None:
        page.goto("/dashboard/users/import")
        page.get_by_label("File", exact=True).set_input_files(
            {"name": "new-colleagues.csv", "mimeType": "text/csv", "buffer": content.encode()}
        )
        page.get_by_role("button", name="Check the file").click()
        page.get_by_role("heading", name=re.compile("can be created|problems? in")).wait_for()
        if then:
            page.get_by_role("button", name=then).click()
            page.get_by_text(seen).wait_for()

    return check


def checked_again(content: str, existing: str, seen: str) -> Callable[[Page, Site], object]:
    """The import page after a choice was made for people who are there already."""

    def check(page: Page, site: Site) -> None:
        checked(content)(page, site)
        page.get_by_label("People who are there already").select_option(existing)
        page.get_by_role("button", name="Check again with these choices").click()
        page.get_by_role("heading", name=seen).wait_for()

    return check


def import_under_way(page: Page, site: Site) -> None:
    """Begun in another tab, and held as long as nothing can be written; this tab hears of nothing."""
    other = page.context.new_page()
    checked(GOOD_ROWS)(other, site)
    with site.engine.connect() as connection:
        connection.execute(text("LOCK TABLE users IN SHARE MODE"))
        other.get_by_role("button", name="Import 2 users").click()
        other.get_by_role("progressbar").wait_for()
        page.add_init_script("window.fetch = () => new Promise(() => {})")
        page.goto(f"/dashboard/users/import/{connection.execute(text('SELECT id FROM import_runs')).scalar_one()}")
        page.get_by_role("progressbar").wait_for()
        connection.rollback()
    other.get_by_text("2 users created.").wait_for()
    other.close()


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
    State("users", at("/dashboard/users")),
    State("tokens, none", at("/profile/tokens")),
    State("tokens, refused", pressed("/profile/tokens", "Create the token")),
    State("tokens, made", token_made),
    State("tokens, own", own_tokens),
    State("tokens of all users", all_tokens),
    State("users, alone", at("/dashboard/users"), people=False),
    State("users, ten million", ten_million("/dashboard/users?size=5")),
    State(
        "users, all filters", at("/dashboard/users?search=e&is_active=true&is_superuser=false&sort_by=username&sort_order=asc")
    ),
    State("users, more filters", at("/dashboard/users?created_from=2020-01-01&created_to=2030-01-01&has_password=true")),
    State("users, the next page", at("/dashboard/users?page=2&size=20")),
    State("users, no match", at("/dashboard/users?search=nobody-like-this")),
    State("users, no such page", at("/dashboard/users?page=99")),
    State("users, by id", at("/dashboard/users?search={noor}")),
    State("users, selected", selected),
    State("users, a menu", menu_open),
    State("found from any page", found),
    State("nobody found", nobody_found),
    State("users, asked in place", asked_in_place),
    State("users, done in place", done_in_place),
    State("deactivate all?", asked_of_all("deactivate")),
    State("activate all, who are active", asked_of_all("activate")),
    State("users, not valid", at("/dashboard/users?size=0&is_active=perhaps")),
    State("users, keys", keys),
    State("import", at("/dashboard/users/import")),
    State("import, nothing chosen", pressed("/dashboard/users/import", "Check the file")),
    State("import, checked", checked(GOOD_ROWS)),
    State("import, bad rows", checked(BAD_ROWS)),
    State("import, changes of people who are there", checked_again(EXISTING_ROWS, "update", "1 changed")),
    State("import, good rows done", checked(SOME_BAD_ROWS, "Import 1 good row", "1 bad row is left.")),
    State("import, under way", import_under_way),
    State("import, done", checked(GOOD_ROWS, "Import 2 users", "2 users created.")),
    State("new user", at("/dashboard/users/new")),
    State("new user, refused", pressed("/dashboard/users/new", "Create", username="no", email="nobody", password="x")),
    State("one user", at("/dashboard/users/{noor}")),
    State("one user, long names", at("/dashboard/users/{" + "m" * 50 + "}")),
    State("one user, inactive", at("/dashboard/users/{formula}")),
    State("one user, without a password", at("/dashboard/users/{nameless}")),
    State("one user, changed lately", changed_lately),
    State("one user, edited", edited),
    State("one user, saved", saved),
    State("one user, refused", refused),
    State("oneself, the last superuser", at("/dashboard/users/{root}"), people=False),
    State("oneself", at("/dashboard/users/{root}")),
    State("deactivate?", at("/dashboard/users/{noor}/deactivate")),
    State("delete?", at("/dashboard/users/{" + "m" * 50 + "}/delete")),
    State("delete the last superuser?", at("/dashboard/users/{root}/delete"), people=False),
    State("end sessions?", at("/dashboard/users/{root}/end-sessions")),
    State("set a password", at("/dashboard/users/{noor}/password")),
    State("set a password, refused", pressed("/dashboard/users/{noor}/password", "Set", password="x")),
    State("password link, made", link_made),
    State("password link, none", at("/password"), who=None),
    State("password link, refused", pressed("/password", "Continue", token="x"), who=None),
    State("password link, opened", link_opened),
    State("password links?", at("/dashboard/users/matching/password-links?has_password=false")),
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
