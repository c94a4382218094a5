"""Options of connections to Redis: short timeouts, since cache and rate limits work without Redis."""

from typing import Any, Final

TIMEOUT: Final = 0.2
"""Seconds for one operation; past it Redis counts as away."""

# redis-py retries by default, which multiplies every timeout.
OPTIONS: Final[dict[str, Any]] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT, "retry": None}
