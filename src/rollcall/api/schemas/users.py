"""Users, lists of them, and the parameters of a list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import marshmallow as ma

from rollcall.api.parsing import Problem
from rollcall.api.schemas.base import ID_MAX, Choice, Flag, Moment, Number, Schema, Text
from rollcall.errors import FieldError, ValidationFailed
from rollcall.infra import runtime
from rollcall.models import User, UserRecord
from rollcall.services.search import filters, terms
from rollcall.services.users import fields
from rollcall.services.users.fields import NewUser
from rollcall.services.users.guards import NEEDS_PASSWORD
from rollcall.services.users.new_passwords import require_impersonal

EXAMPLE = {
    "id": 1,
    "email": "ann@example.org",
    "username": "ann",
    "full_name": "Ann Lee",
    "is_active": True,
    "is_superuser": False,
    "created_at": "2026-11-23T09:30:00+00:00",
    "updated_at": "2026-11-23T09:30:00+00:00",
    "last_login_at": "2026-11-24T08:15:00+00:00",
}
# 10⁹ pages are more users than a BIGINT sequence gives out in a lifetime; larger numbers would overflow OFFSET.
_MUST_CHANGE = "With a `password`: the user has to choose another one at the next log-in."
PAGE_MAX = 1_000_000_000


def _email(**kwargs: Any) -> Text:
    return Text(fields.email, metadata={"format": "email", "maxLength": 254, "examples": [EXAMPLE["email"]]}, **kwargs)


def _username(**kwargs: Any) -> Text:
    metadata = {"minLength": 2, "maxLength": 254, "pattern": fields.USERNAME_PATTERN, "examples": ["ann"]}
    return Text(fields.username, metadata=metadata, **kwargs)


def _full_name(**kwargs: Any) -> Text:
    return Text(fields.full_name, allow_none=True, metadata={"maxLength": 100, "examples": ["Ann Lee"]}, **kwargs)


def _password(**kwargs: Any) -> Text:
    metadata = {"format": "password", "minLength": 8, "maxLength": 128, "examples": ["correct-horse-battery"]}
    return Text(fields.password, metadata=metadata, load_only=True, **kwargs)


def _stored_hash(value: str) -> str:
    found = fields.password_hash(value)
    if found is None:  # in a file a word such as "!" says that there is no password; here it is a mistake
        raise FieldError("invalid_format", "This is not a password hash. Leave the field out if the user has no password.")
    return found


def _sign_up_time(value: str) -> datetime:
    return fields.sign_up_time(value, now=runtime.now())


def _exactly(description: str) -> Text:
    metadata = {"minLength": 1, "maxLength": filters.NAME_MAX, "description": description, "examples": [EXAMPLE["username"]]}
    return Text(filters.exact_name, metadata=metadata)


class UserSchema(Schema):
    """A user as it is answered; never with a password or its hash."""

    id = ma.fields.Integer(metadata={"examples": [1]})
    email = ma.fields.String(metadata={"examples": [EXAMPLE["email"]]})
    username = ma.fields.String(metadata={"examples": [EXAMPLE["username"]]})
    full_name = ma.fields.String(allow_none=True, metadata={"examples": [EXAMPLE["full_name"]]})
    is_active = ma.fields.Boolean()
    is_superuser = ma.fields.Boolean()
    created_at = ma.fields.DateTime(metadata={"examples": [EXAMPLE["created_at"]]})
    updated_at = ma.fields.DateTime(metadata={"examples": [EXAMPLE["updated_at"]]})
    last_login_at = ma.fields.DateTime(
        allow_none=True, metadata={"description": "`null`: never.", "examples": [EXAMPLE["last_login_at"]]}
    )


def represented(user: User | UserRecord) -> dict[str, Any]:
    """Return what ``UserSchema`` makes of a user, in a tenth of the time."""
    created_at = user.created_at.isoformat()
    # Most users have never been changed, and to write two times for each takes a tenth of a list's time.
    updated_at = created_at if user.updated_at == user.created_at else user.updated_at.isoformat()
    return {
        "id": user.id,
        "email": user.email,
        "username": user.username,
        "full_name": user.full_name,
        "is_active": user.is_active,
        "is_superuser": user.is_superuser,
        "created_at": created_at,
        "updated_at": updated_at,
        "last_login_at": user.last_login_at.isoformat() if user.last_login_at else None,
    }


class RegistrationSchema(Schema):
    """Anyone's own account."""

    email = _email(required=True)
    username = _username(required=True)
    full_name = _full_name()
    password = _password(required=True)

    @ma.validates_schema
    def _own_address(self, data: dict[str, Any], **_: Any) -> None:
        try:
            fields.own_username(data["username"], data["email"])
        except FieldError as error:
            raise ma.ValidationError({"username": [Problem(str(error), error.type)]}) from error

    @ma.validates_schema
    def _impersonal_password(self, data: dict[str, Any], **_: Any) -> None:
        try:
            require_impersonal(data.get("password"), (data["username"], data["email"], data.get("full_name")))
        except ValidationFailed as error:
            raise ma.ValidationError({each.field: [Problem(each.message, each.type)] for each in error.problems}) from error

    @ma.post_load
    def _make(self, data: dict[str, Any], **_: Any) -> NewUser:
        return NewUser(**data)


class NewUserSchema(RegistrationSchema):
    """A user whom a superuser creates: with a password, or a hash of one, or neither (who cannot log in until one is set)."""

    password = _password()
    password_hash = Text(
        _stored_hash,
        load_only=True,
        metadata={"description": "The hash of another system, in a known format (docs/HASHES.md)", "maxLength": 512},
    )
    is_active = Flag()
    is_superuser = Flag()
    created_at = Text(
        _sign_up_time,
        metadata={
            "format": "date-time",
            "description": "When the user signed up elsewhere, with an offset. By default now.",
            "examples": [EXAMPLE["created_at"]],
        },
    )
    must_change_password = Flag(metadata={"description": _MUST_CHANGE})

    @ma.validates_schema
    def _only_with_a_password(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("must_change_password") and "password" not in data:
            raise ma.ValidationError({"must_change_password": [Problem(NEEDS_PASSWORD.message, NEEDS_PASSWORD.type)]})

    @ma.validates_schema
    def _one_secret(self, data: dict[str, Any], **_: Any) -> None:
        if "password" in data and "password_hash" in data:
            problem = Problem("Give a password or a password hash, not both.", "not_both")
            raise ma.ValidationError({"password_hash": [problem]})


class NewUserFormSchema(NewUserSchema):
    """The form of the page for one user, which asks for a password."""

    class Meta:
        exclude = ("password_hash", "created_at")

    password = _password(required=True)


class UserChangeSchema(Schema):
    """Fields to change; those left out stay as they are."""

    email = _email()
    username = _username()
    full_name = _full_name()
    password = _password()
    current_password = Text(
        str, load_only=True, metadata={"format": "password", "description": "Needed to change one's own password."}
    )
    is_active = Flag(metadata={"description": "Superusers only."})
    is_superuser = Flag(metadata={"description": "Superusers only."})
    must_change_password = Flag(metadata={"description": f"{_MUST_CHANGE} Superusers only, for others."})


class FilterSchema(Schema):
    """Which users, in which order."""

    is_active = Flag(metadata={"in_query": True, "description": "Only active (`true`) or inactive (`false`) users."})
    is_superuser = Flag(metadata={"in_query": True, "description": "Only superusers, or only the others."})
    search = Text(
        terms.term,
        metadata={
            "minLength": 1,
            "maxLength": 100,
            "description": "Every word of the term is a part of username, e-mail address or full name, in any order, without "
            "regard to case, accents and widths. `%` and `_` match literally. `Name <address>` is searched as the address.",
        },
    )
    email = _exactly("Exactly this address, in any case.")
    username = _exactly("Exactly this username, in any case.")
    created_after = Moment("Created at this time or later.")
    created_before = Moment("Created before this time.")
    last_login_after = Moment("Last log-in at this time or later.")
    last_login_before = Moment("Last log-in before this time. Users who never logged in are left out.")
    never_logged_in = Flag(
        metadata={"in_query": True, "description": "Only users who never logged in (`true`), or who have (`false`)."}
    )
    has_password = Flag(metadata={"in_query": True, "description": "Only users with (`true`) or without (`false`) a password."})
    import_id = Number(
        1,
        ID_MAX,
        data_key="import",
        metadata={"description": "Only users whom this import, or other operation, has created or changed."},
    )
    sort_by = Choice(
        *("created_at", "username", "email", "last_login_at", "relevance"),
        metadata={
            "description": "By default `relevance` with a search, else `created_at`. By `relevance`, the user whose username, "
            "e-mail address or id is the whole term comes first, and all others follow, newest first. By `last_login_at`, users "
            "who never logged in are older than anyone.",
        },
    )
    sort_order = Choice("asc", "desc", metadata={"default": "desc", "description": "Ties are broken by id."})

    @ma.validates_schema
    def _relevance_of_a_search(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("sort_by") == "relevance" and "search" not in data:
            problem = Problem("Only a search can be sorted by relevance.", "needs_search")
            raise ma.ValidationError({"sort_by": [problem]})


class ListQuerySchema(FilterSchema):
    """A list's parameters."""

    page = Number(1, PAGE_MAX, metadata={"default": 1})
    size = Number(1, 100, load_default=50)
    cursor = ma.fields.String(metadata={"description": "`next_cursor` or `prev_cursor` of a page; instead of `page`."})


class ExportQuerySchema(FilterSchema):
    """What to export, and as what."""

    format = Choice("csv", "ndjson", load_default="csv")


class UserPageSchema(Schema):
    """One page of a list."""

    items = ma.fields.List(ma.fields.Nested(UserSchema))
    total = ma.fields.Integer(metadata={"description": "How many users match."})
    total_is_exact = ma.fields.Boolean(metadata={"description": "`false`: more users match than `total`."})
    page = ma.fields.Integer()
    size = ma.fields.Integer()
    pages = ma.fields.Integer(metadata={"description": "`total` in pages of `size`."})
    next_cursor = ma.fields.String(allow_none=True)
    prev_cursor = ma.fields.String(allow_none=True)
