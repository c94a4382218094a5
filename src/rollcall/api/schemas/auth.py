"""Signing in and out."""

import marshmallow as ma

from rollcall.api.schemas.base import Flag, Schema, Text
from rollcall.services.users import fields


class CredentialsSchema(Schema):
    username = Text(str, required=True, metadata={"description": "Username or e-mail address.", "examples": ["ann"]})
    password = Text(str, required=True, load_only=True, metadata={"format": "password", "examples": ["correct-horse-battery"]})


class LoginSchema(CredentialsSchema):
    new_password = Text(
        fields.password,
        load_only=True,
        metadata={
            "format": "password",
            "minLength": 8,
            "maxLength": 128,
            "description": "Replaces the password, where an administrator asks for a new one (403 without it).",
        },
    )


class ForgotPasswordSchema(Schema):
    email = Text(fields.email, required=True, metadata={"format": "email", "maxLength": 254, "examples": ["ann@example.org"]})


class TokenSchema(Schema):
    access_token = ma.fields.String(metadata={"examples": ["Zk1rT0c0b2tqV0l2cXJ5c2V0bGVtZW50cw"]})
    token_type = ma.fields.String(metadata={"enum": ["bearer"]})
    expires_in = ma.fields.Integer(metadata={"description": "Seconds.", "examples": [43200]})


class LogoutQuerySchema(Schema):
    all = Flag(
        load_default=False,
        metadata={"in_query": True, "description": "End all of the user's sessions, not only this one."},
    )
