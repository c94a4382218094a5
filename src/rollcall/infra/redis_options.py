"""How requests talk to Redis: briefly. Cache and rate limits do without a Redis that does not answer at once."""

from typing import Any, Final

TIMEOUT: Final = 0.2
"""Seconds for one operation; past it Redis counts as away."""

# redis-py retries by default, which multiplies every timeout.
OPTIONS: Final[dict[str, Any]] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT, "retry": None}
