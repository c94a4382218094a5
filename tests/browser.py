"""A browser without a screen: it follows links, fills in forms as they stand on the page, and reads what is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PASSWORD = "correct-horse-battery"
"""Everybody's whom the fixtures make."""

_VOID = frozenset({"br", "col", "hr", "img", "input", "line", "link", "meta", "path", "rect"})


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def get(self, name: str) -> str | None:
        return self.attributes.get(name)

    def all(self, tag: str | None = None, **attributes: str) -> Iterator[Element]:
        """Elements below this one, in the order of the page; ``id_`` and the like for reserved words."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        for child in self.children:
            if isinstance(child, Element):
                if tag in (None, child.tag) and wanted.items() <= child.attributes.items():
                    yield child
                yield from child.all(tag, **attributes)

    def one(self, tag: str | None = None, **attributes: str) -> Element:
        [found] = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return " ".join(" ".join(parts).split())


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("page", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            # What is closed in another order than it was opened is no valid page.
            assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Element:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is not closed"
    return reader.open[0]


@dataclass
class Page:
    """An answer, read."""

    response: TestResponse

    def __post_init__(self) -> None:
        self.status = self.response.status_code
        self.html = self.response.get_data(as_text=True)
        # Werkzeug's own page of a redirect leaves its elements open.
        readable = self.response.mimetype == "text/html" and self.response.location is None
        self.root = parse(self.html) if readable else Element("page", {})
        # Where redirects have led.
        self.address = self.response.request.full_path.rstrip("?")

    @property
    def text(self) -> str:
        return self.root.text

    @property
    def heading(self) -> str:
        return self.root.one("h1").text

    @property
    def toast(self) -> str:
        return " ".join(found.text for found in self.root.one(class_="toasts").all("p"))

    def problem(self, name: str) -> str:
        """What is said beside a field."""
        return self.root.one("p", id_=f"{name}-problem").text

    def value(self, name: str) -> str | None:
        return self.root.one("input", name=name).get("value")

    def form(self, button: str) -> Element:
        """The form with this button."""
        [found] = [form for form in self.root.all("form") if button in [each.text for each in form.all("button")]]
        return found


class Browser:
    """A client that keeps cookies, accepts HTML and follows redirects."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def open(self, path: str, method: str = "GET", *, follow: bool = True, **options: Any) -> Page:
        headers = {"Accept": "text/html,*/*;q=0.8", **options.pop("headers", {})}
        return Page(self.client.open(path, method=method, headers=headers, follow_redirects=follow, buffered=True, **options))

    def press(self, page: Page, button: str, *, follow: bool = True, headers: Any = (), **typed: str | None) -> Page:
        """Fill in the form with this button and send it; ``None`` leaves a value out, or a box empty."""
        form = page.form(button)
        values = {}
        for each in form.all("input"):
            if each.get("type") != "checkbox" or "checked" in each.attributes:
                values[each["name"]] = each.get("value") or ""
        unknown = typed.keys() - {each["name"] for each in form.all("input")}
        assert not unknown, f"the form has no {unknown}"
        sent = {name: value for name, value in (values | typed).items() if value is not None}
        method = (form.get("method") or "get").upper()
        data = {"data": sent} if method == "POST" else {"query_string": sent}
        return self.open(form.get("action") or page.address, method, follow=follow, headers=dict(headers), **data)

    def log_in(self, username: str, password: str) -> Page:
        return self.press(self.open("/login"), "Log in", username=username, password=password)
