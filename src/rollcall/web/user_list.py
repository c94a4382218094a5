"""The contents of the list page. Its URL holds the search, the filters, the order and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import url_for
from sqlalchemy.orm import Session

from rollcall.api import paging
from rollcall.api.schemas.base import parameters
from rollcall.api.schemas.users import FilterSchema, ListQuerySchema
from rollcall.errors import ValidationFailed
from rollcall.models import UserRecord
from rollcall.web import list_query
from rollcall.web.wording import number

_SCHEMA = ListQuerySchema()
_PARAMETERS = parameters(_SCHEMA)
_FILTERS = parameters(FilterSchema())
_PLACE = ("page", "cursor")
SIZES = (25, 50, 100)
_IN_THE_MAIN_ROW = ("search", "is_active", "is_superuser", "sort_by", "sort_order")


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter.

    :ivar without: the address of the list without it.
    """

    label: str
    without: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A column that the list may be sorted by.

    :ivar order: ``ascending``, ``descending`` or ``none``, as ``aria-sort`` has it.
    """

    label: str
    href: str
    order: str


@dataclass(frozen=True, slots=True)
class Size:
    """A number of users that a page may show.

    :ivar href: the address of the list with this number; from its first page.
    """

    number: int
    href: str
    chosen: bool


class UserList:
    """One page of the list.

    :ivar values: the parameters as they are in the address, those that are not valid left out.
    :ivar problems: what is wrong with the others.
    """

    def __init__(self, session: Session, given: Mapping[str, str]) -> None:
        typed = {name: value for name, value in list_query.canonical(given.items()).items() if name in _PARAMETERS}
        wrong = _SCHEMA.validate(typed)
        self.problems = [str(message) for messages in wrong.values() for message in messages]
        self.values = {name: value for name, value in typed.items() if name not in wrong}
        try:
            found, _links = paging.user_page(session, _SCHEMA.load(self.values))
        except ValidationFailed as error:  # an old cursor: the list begins anew
            self.problems += [problem.message for problem in error.problems]
            self.values = {name: value for name, value in self.values.items() if name not in _PLACE}
            found, _links = paging.user_page(session, _SCHEMA.load(self.values))
        self.users: Sequence[UserRecord] = found["items"]
        self._found = found

    @property
    def status(self) -> int:
        return 422 if self.problems else 200

    @property
    def range(self) -> str:
        """``1–50 of 1,320``, or ``1–50 of more than 200`` where a search has stopped counting."""
        if not self.users:
            return "No users"
        total, exact = self._total
        return f"{number(self._first)}–{number(self._last)} of {'' if exact else 'more than '}{number(total)}"

    @property
    def everybody(self) -> str | None:
        """Return what all users that match are called, if there are more of them than this page shows."""
        if not (self.previous or self.following):
            return None
        total, exact = self._total
        return f"all {number(total)}" if exact else "all that match"

    @property
    def _first(self) -> int:
        return int((self._found["page"] - 1) * self._found["size"] + 1)

    @property
    def _last(self) -> int:
        return self._first + len(self.users) - 1

    @property
    def _total(self) -> tuple[int, bool]:
        """Return how many users match, and whether that is exact. On the last page it always is: its last row ends the list."""
        if self._found["total_is_exact"]:
            return max(self._found["total"], self._last), True  # a user may have been created between the two queries
        if self.following is None:
            return self._last, True
        return max(self._found["total"], self._last), False

    def is_only(self, user: UserRecord) -> bool:
        """Return whether there is nobody in Rollcall but this user."""
        return not self.chips and self._found["total"] == 1 and [person.id for person in self.users] == [user.id]

    @property
    def previous(self) -> str | None:
        return self._to_cursor("prev_cursor")

    @property
    def following(self) -> str | None:
        return self._to_cursor("next_cursor")

    @property
    def first(self) -> str | None:
        return self._href() if self.previous else None

    @property
    def last(self) -> str | None:
        """Return the address of the last page, where it is known which one that is."""
        total, exact = self._total
        return self._href(page=-(-total // self._found["size"])) if self.following and exact else None

    @property
    def sizes(self) -> list[Size]:
        """Return how many users a page may show, if there is anything to choose."""
        total, exact = self._total
        size = self._found["size"]
        if exact and total <= min(SIZES) and size >= total:
            return []
        return [Size(choice, self._href(size=choice), choice == size) for choice in SIZES]

    @property
    def is_arrived_at(self) -> bool:
        """Return whether its reader has just come, to search. Whoever turns pages, sorts or filters goes on from there."""
        return not any(name in self.values for name in (*_PLACE, "sort_by"))

    @property
    def export(self) -> str:
        """Return the address of the whole list as a file."""
        return url_for("web.export_users", **self._filters)

    @property
    def chips(self) -> list[Chip]:
        return [Chip(label, self._href(**dict.fromkeys(names))) for names, label in list_query.labels(self.values)]

    @property
    def form_days(self) -> dict[str, str]:
        """Return the values of the date fields."""
        return list_query.form_days(self.values)

    @property
    def has_further_filters(self) -> bool:
        return any(name in _FILTERS and name not in _IN_THE_MAIN_ROW for name in self.values)

    @property
    def kept_by_form(self) -> list[tuple[str, str]]:
        """Return the filters for which the form has no field."""
        with_field = {*_IN_THE_MAIN_ROW, "never_logged_in", "has_password"}
        with_field |= {name for field, name in list_query.MOMENTS.items() if field in self.form_days}
        return [(name, value) for name, value in self._filters.items() if name not in with_field]

    def change_all(self, deed: str) -> str:
        """Return the address of the question whether to do something to all that match."""
        return url_for("web.ask_many", whom="matching", deed=deed, **self._kept)

    @property
    def links_for_all(self) -> str:
        """Return the address of the question whether to make a password link for everybody who matches."""
        return url_for("web.ask_links", whom="matching", **self._kept)

    def heading(self, label: str, column: str) -> Heading:
        """Return the head of a column, linked to the list in its order, or the other way round if it is in it already."""
        current = self.values.get("sort_by", "created_at")
        order = self.values.get("sort_order", "desc")
        usual = "desc" if column in ("created_at", "last_login_at") else "asc"
        if column != current:
            return Heading(label, self._href(sort_by=column, sort_order=usual), "none")
        turned = "asc" if order == "desc" else "desc"
        return Heading(label, self._href(sort_by=column, sort_order=turned), f"{order}ending")

    @property
    def _filters(self) -> dict[str, Any]:
        return {name: value for name, value in self.values.items() if name in _FILTERS}

    @property
    def _kept(self) -> dict[str, Any]:
        """Return the parameters without the place in the list."""
        return {name: value for name, value in self.values.items() if name not in _PLACE}

    def _to_cursor(self, name: str) -> str | None:
        return self._href(cursor=self._found[name]) if self._found[name] else None

    def _href(self, **changes: Any) -> str:
        """Return the address of this list with other parameters; unless they say so, from its first page."""
        return url_for("web.list_users", **(self._kept | changes))
