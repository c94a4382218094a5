"""Security events, and which of them to list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import marshmallow as ma

from rollcall.api.schemas.base import ID_MAX, Choice, Moment, Number, Schema
from rollcall.services.events.kinds import Kind


class PersonSchema(Schema):
    """A user, as named at that moment; who may be gone by now. The operator at the command line has no id."""

    id = ma.fields.Integer(allow_none=True, metadata={"examples": [1]})
    username = ma.fields.String(metadata={"examples": ["ann"]})


class EventSchema(Schema):
    """A security event."""

    id = ma.fields.Integer(metadata={"examples": [1]})
    time = ma.fields.DateTime(metadata={"examples": ["2026-11-23T09:30:00+00:00"]})
    type = ma.fields.String(metadata={"enum": [str(kind) for kind in Kind]})
    actor = ma.fields.Nested(PersonSchema, allow_none=True, metadata={"description": "Who did it; null: an anonymous caller."})
    subject = ma.fields.Nested(PersonSchema, allow_none=True, metadata={"description": "The user whom it is about."})
    subject_ids = ma.fields.List(
        ma.fields.Integer(), allow_none=True, metadata={"description": "Of a bulk: the ids of the first 100 users."}
    )
    subject_count = ma.fields.Integer(allow_none=True, metadata={"description": "Of a bulk: how many users it is about."})
    address = ma.fields.String(allow_none=True, metadata={"examples": ["203.0.113.7"]})
    user_agent = ma.fields.String(allow_none=True)
    request_id = ma.fields.String(allow_none=True)
    changes = ma.fields.Dict(
        metadata={
            "description": "`[old, new]` by field, and further facts. A new password is `true`.",
            "examples": [{"is_superuser": [False, True]}],
        }
    )


class EventPageSchema(Schema):
    """Some events, the newest first."""

    items = ma.fields.List(ma.fields.Nested(EventSchema))
    size = ma.fields.Integer()
    next_cursor = ma.fields.String(allow_none=True)


class ChangesQuerySchema(Schema):
    """Which part of a list of events."""

    size = Number(1, 100, load_default=50)
    cursor = ma.fields.String(metadata={"description": "`next_cursor` of the page before."})


class EventsQuerySchema(ChangesQuerySchema):
    """Which events."""

    type = Choice(*Kind)
    user_id = Number(1, ID_MAX, metadata={"description": "Only events about this user, bulks included."})
    actor_id = Number(1, ID_MAX, metadata={"description": "Only what this user did."})
    after = Moment("Not before this time.")
    before = Moment("Before this time.")

    @ma.post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        kind = data.pop("type", None)
        chosen: dict[str, int | datetime | tuple[Kind, ...]] = {"types": (Kind(kind),)} if kind else {}
        chosen |= {name: data.pop(name) for name in ("user_id", "actor_id", "after", "before") if name in data}
        return data | {"chosen": chosen}
