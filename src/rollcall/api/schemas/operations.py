"""What an undo has done."""

from __future__ import annotations

import marshmallow as ma

from rollcall.api.schemas.base import Schema


class UndoneSchema(Schema):
    """For how many users an operation was undone."""

    restored = ma.fields.Integer(metadata={"description": "Users who are as before.", "examples": [298]})
    left = ma.fields.Integer(
        metadata={"description": "Users whom somebody has changed or used since, who stay as they are.", "examples": [2]}
    )
