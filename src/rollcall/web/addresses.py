"""Addresses of many users on one page. To make one takes 130 µs, and a list has 250 of them: here each kind is made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import url_for

_ANY: Final = 2**63 - 1
"""The largest id stands for those of the users."""


def of_each(endpoint: str, **values: Any) -> Callable[[int], str]:
    """Return a function that makes the address of an endpoint for a user's id."""
    before, after = url_for(endpoint, user_id=_ANY, **values).split(str(_ANY), 1)
    return lambda user_id: f"{before}{user_id}{after}"
