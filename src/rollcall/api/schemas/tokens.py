"""API tokens: what is sent to create one, and how they are answered."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from rollcall.api.parsing import Problem
from rollcall.api.schemas.base import Choice, Items, Number, Schema, Text, Whole
from rollcall.services.identity import tokens
from rollcall.services.identity.scopes import Scope
from rollcall.services.identity.tokens import NewToken, TokenRecord

_ID_MAX = 2**63 - 1
_NAME = {"minLength": 1, "maxLength": tokens.NAME_MAX, "examples": ["Nightly import"]}
_TIME = "2026-11-23T09:30:00+00:00"


class NewApiTokenSchema(Schema):
    """An API token to create."""

    name = Text(tokens.valid_name, required=True, metadata={**_NAME, "description": "By which you know it again."})
    scopes = Items(
        Choice(*Scope),
        required=True,
        metadata={"minItems": 1, "maxItems": len(Scope), "examples": [["users:read", "statistics:read"]]},
    )
    expires_in_days = Whole(
        1,
        tokens.DAYS_MAX,
        allow_none=True,
        load_default=None,
        metadata={"description": "`null`, or left out: the token does not expire.", "examples": [90]},
    )

    @ma.validates("scopes")
    def _some(self, value: list[str], **_: Any) -> None:
        if not value:
            raise ma.ValidationError([Problem("Give the token at least one scope.", "too_short")])
        if len(value) > len(Scope):
            raise ma.ValidationError([Problem("Name each scope once.", "too_long")])

    @ma.post_load
    def _make(self, data: dict[str, Any], **_: Any) -> NewToken:
        return NewToken(**data)


class ApiTokenQuerySchema(Schema):
    """Whose tokens to list."""

    user_id = Number(1, _ID_MAX, metadata={"description": "This user's tokens, for superusers; by default one's own."})


class ApiTokenSchema(Schema):
    """An API token, without the token itself."""

    id = ma.fields.Integer(required=True, metadata={"examples": [1]})
    name = ma.fields.String(required=True, metadata={"examples": _NAME["examples"]})
    scopes = ma.fields.List(ma.fields.String(metadata={"enum": list(map(str, Scope))}), required=True)
    created_at = ma.fields.DateTime(required=True, metadata={"examples": [_TIME]})
    expires_at = ma.fields.DateTime(
        required=True, allow_none=True, metadata={"description": "`null`: never.", "examples": [_TIME]}
    )
    last_used_at = ma.fields.DateTime(
        required=True, allow_none=True, metadata={"description": "Exact to a minute; `null`: never.", "examples": [_TIME]}
    )


class CreatedApiTokenSchema(ApiTokenSchema):
    """A new API token."""

    token = ma.fields.String(
        required=True,
        metadata={"description": "Shown once. Send it as `Authorization: Bearer …`.", "examples": ["rct_…"]},
    )


class ApiTokensSchema(Schema):
    """The API tokens of a user, the newest first."""

    items = ma.fields.List(ma.fields.Nested(ApiTokenSchema), required=True)


def represented(token: TokenRecord) -> dict[str, Any]:
    """Return what ``ApiTokenSchema`` makes of a token."""
    times = {name: value.isoformat() if value else None for name, value in token._asdict().items() if name.endswith("_at")}
    return {"id": token.id, "name": token.name, "scopes": token.scopes, **times}
