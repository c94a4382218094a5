"""How many statements each page sends: what it costs in round trips, and that none asks once for each row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from browser import Browser
from rollcall.models import User

PAGES = [
    ("/dashboard", 5),  # who asks, the statistics, the total and the page of the latest, the sign-ups
    ("/dashboard/users", 3),
    ("/dashboard/users?search=mail&sort_by=email", 4),
    ("/dashboard/find?search=mail", 4),
    ("/dashboard/users/{ann}", 4),
    ("/dashboard/users/{ann}/deactivate", 3),
    ("/dashboard/users/{ann}/delete", 3),
    ("/dashboard/users/{ann}/end-sessions", 3),
    ("/dashboard/users/{ann}/password", 2),
    ("/dashboard/users/selected/deactivate?id={ann}", 2),
    ("/dashboard/users/matching/deactivate?search=mail", 3),
    ("/dashboard/users/selected/export?id={ann}", 3),
    ("/dashboard/users/export", 3),
    ("/dashboard/users/selected/password-links?id={ann}", 2),
    ("/dashboard/users/matching/password-links?search=mail", 3),
    ("/dashboard/users/import", 2),
    ("/dashboard/users/import/template.csv", 1),
    ("/dashboard/users/new", 1),
    ("/dashboard/operations", 2),
    ("/dashboard/system", 2),
    ("/dashboard/tokens", 2),
    ("/profile", 4),
    ("/profile/tokens", 2),
    ("/profile/password", 1),
]

# Nobody has logged in, or there is nothing to show: who would ask is not there.
OTHERS = {
    "web.home",
    "web.forgot_password_form",
    "web.confirm_email_form",
    "web.password_link_form",
    "web.log_in_form",
    "web.set_up_form",
    "web.show_import",
}


@pytest.mark.parametrize(("path", "count"), PAGES)
def test_page_sends_these_statements(
    root_browser: Browser, make_user: Callable[..., User], ann: User, statements: list[str], path: str, count: int
) -> None:
    for number in range(20):
        make_user(email=f"mail{number}@example.org")
    page = root_browser.client.get(path.format(ann=ann.id))
    assert page.status_code == 200
    assert page.data
    assert len(statements) == count, "\n".join(statements)


def test_every_page_has_its_count(app: Flask) -> None:
    routes = app.url_map.bind("")
    counted = {routes.match(path.partition("?")[0].format(ann=1))[0] for path, _ in PAGES}
    pages = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert {page for page in pages if page.startswith("web.")} - OTHERS == counted
