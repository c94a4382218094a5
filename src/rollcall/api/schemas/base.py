"""Strict fields: no value is taken for something that it is not, and every refusal has a code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import marshmallow as ma

from rollcall.api.parsing import Problem
from rollcall.errors import FieldError
from rollcall.services.events import moments

_CODES = {
    "required": ("missing", "This field is required."),
    "null": ("null", "This field cannot be null."),
    "invalid": ("invalid_type", ""),
    "too_low_or_high": ("out_of_range", ""),
    "choice": ("invalid_choice", ""),
}

ID_MAX: Final = 2**63 - 1
"""The largest id, that of PostgreSQL's bigint."""


class _Coded(ma.fields.Field[Any]):
    def make_error(self, key: str, **kwargs: object) -> ma.ValidationError:
        code, message = _CODES.get(key, ("invalid", ""))
        return ma.ValidationError([Problem(message or str(self.error_messages[key]).format(**kwargs), code)])


class Text(_Coded, ma.fields.String):
    """A string that a function of services/users/fields accepts.

    :param check: returns the value to use, or raises ``FieldError``.
    """

    default_error_messages = {"invalid": "This has to be a string."}

    def __init__(self, check: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._check = check

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            return self._check(value)
        except FieldError as error:
            raise ma.ValidationError([Problem(str(error), error.type)]) from error


class Moment(Text):
    """A time in ISO 8601 with an offset.

    :param description: what it is for.
    """

    def __init__(self, description: str) -> None:
        metadata = {"format": "date-time", "description": description, "examples": ["2026-01-31T12:00:00+00:00"]}
        super().__init__(moments.with_offset, metadata=metadata)


class Flag(_Coded, ma.fields.Boolean):
    """A JSON boolean; or, in a query, exactly ``true`` or ``false``."""

    default_error_messages = {"invalid": "This has to be true or false."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        if self.metadata.get("in_query") and value in ("true", "false"):
            return bool(value == "true")
        raise self.make_error("invalid")


class Number(_Coded, ma.fields.Integer):
    """A whole number within bounds; of a query in decimal digits."""

    default_error_messages = {
        "invalid": "This has to be a whole number.",
        "too_low_or_high": "This has to be between {low} and {high}.",
    }

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        metadata = {"minimum": low, "maximum": high, **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)
        self._low, self._high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        value = str(value) if type(value) is int else value
        if not isinstance(value, str) or not re.fullmatch("-?[0-9]+", value):
            raise self.make_error("invalid")
        # Python refuses to convert thousands of digits; no bound here has twenty.
        if len(value) > 20 or not self._low <= int(value) <= self._high:
            raise self.make_error("too_low_or_high", low=self._low, high=self._high)
        return int(value)


class Whole(_Coded, ma.fields.Integer):
    """A whole number of a JSON body, within bounds: no text, no boolean, no fraction."""

    default_error_messages = {
        "invalid": "This has to be a whole number.",
        "too_low_or_high": "This has to be between {low} and {high}.",
    }

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(metadata={"minimum": low, "maximum": high, **kwargs.pop("metadata", {})}, **kwargs)
        self._low, self._high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        if not self._low <= value <= self._high:
            raise self.make_error("too_low_or_high", low=self._low, high=self._high)
        return value


class Items(_Coded, ma.fields.List[Any]):
    """A JSON array."""

    default_error_messages = {"invalid": "This has to be an array."}


class Choice(_Coded, ma.fields.String):
    """One of a few words."""

    default_error_messages = {"choice": "This has to be one of: {choices}."}

    def __init__(self, *choices: str, **kwargs: Any) -> None:
        metadata = {"enum": list(choices), **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, **kwargs)
        self._choices = choices

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if value not in self._choices:
            raise self.make_error("choice", choices=", ".join(self._choices))
        return str(value)


def parameters(schema: ma.Schema) -> frozenset[str]:
    """Return the names of a schema's fields as they are sent."""
    return frozenset(field.data_key or name for name, field in schema.fields.items())


class Schema(ma.Schema):
    """Keeps the declared order and refuses what it does not know."""

    error_messages = {
        "unknown": Problem("There is no such field.", "unknown_field"),
        "type": Problem("This has to be a JSON object.", "invalid_type"),
    }

    class Meta:
        unknown = ma.RAISE
