"""Password links: for whom, as what file, and how one is answered."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from rollcall.api.parsing import Problem
from rollcall.api.schemas.base import ID_MAX, Choice, Flag, Items, Schema, Whole
from rollcall.api.schemas.users import FilterSchema

IDS_MAX = 1_000


class SelectionSchema(Schema):
    """Users by their ids, or all whom a filter lets through."""

    ids = Items(
        Whole(1, ID_MAX),
        metadata={"minItems": 1, "maxItems": IDS_MAX, "description": "Ids of nobody are left out.", "examples": [[2, 3]]},
    )
    filter = ma.fields.Nested(
        FilterSchema(exclude=("sort_by", "sort_order")),
        metadata={
            "description": "Filters of a list, as JSON values. `{}`: everybody.",
            "examples": [{"has_password": False}],
        },
    )
    expected = Whole(
        0,
        10**9,
        metadata={"description": "Needed with `filter`: how many users match, without the caller.", "examples": [3]},
    )

    @ma.validates_schema
    def _one_of_both(self, data: dict[str, Any], **_: Any) -> None:
        problems: dict[str, list[str]] = {}
        if ("ids" in data) == ("filter" in data):
            code = "not_both" if "ids" in data else "missing"
            problems["ids"] = [Problem("Give either ids or a filter.", code)]
        elif "ids" in data and not 1 <= len(data["ids"]) <= IDS_MAX:
            code = "too_long" if data["ids"] else "too_short"
            problems["ids"] = [Problem(f"Give 1 to {IDS_MAX} ids.", code)]
        elif "filter" in data and "expected" not in data:
            problems["expected"] = [Problem("Say with a filter how many users it matches.", "missing")]
        if problems:
            raise ma.ValidationError(problems)


class LinkQuerySchema(Schema):
    """Whether to mail a link."""

    mail = Flag(
        load_default=True,
        metadata={"in_query": True, "description": "`false`: do not mail the link, also where mail is set up."},
    )


class LinkFileQuerySchema(Schema):
    """As what to answer many links, and whether to mail them."""

    mail = Flag(
        load_default=False,
        metadata={"in_query": True, "description": "`true`: also mail each active user the link. 404 where mail is not set up."},
    )

    format = Choice("csv", "ndjson", load_default="csv")


class PasswordLinkSchema(Schema):
    """A new password link."""

    url = ma.fields.String(
        metadata={
            "description": "Shown once. What is behind the `#` is the secret.",
            "examples": ["https://people.example.org/password#Zk1rT0c0b2tqV0l2cXJ5c2V0bGVtZW50c2FuZG1vcmVtb3I"],
        }
    )
    expires_at = ma.fields.DateTime(metadata={"examples": ["2026-11-30T09:30:00+00:00"]})
    mailed = ma.fields.Boolean(metadata={"description": "Whether Rollcall sends the link to the user's address."})
