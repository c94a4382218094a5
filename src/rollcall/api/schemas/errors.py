"""The one error envelope."""

import marshmallow as ma

from rollcall.api.schemas.base import Schema


class ErrorDetailSchema(Schema):
    type = ma.fields.String(metadata={"description": "A stable code.", "examples": ["too_short"]})
    message = ma.fields.String(metadata={"examples": ["A username has at least 2 characters."]})
    field = ma.fields.String(metadata={"examples": ["body.username"]})


class ErrorSchema(Schema):
    """What every error looks like."""

    error = ma.fields.String(metadata={"examples": ["validation_error"]})
    message = ma.fields.String(metadata={"examples": ["The request is not valid."]})
    details = ma.fields.List(ma.fields.Nested(ErrorDetailSchema))
    request_id = ma.fields.String(metadata={"examples": ["0f8fad5bd9cb469fa16570867728950e"]})
