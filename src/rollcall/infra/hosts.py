"""Connect to the hosts of ``DATABASE_URL`` one by one, each with its share of the time.

libpq goes through a list of hosts by itself, but under a wait callback it ignores ``connect_timeout`` (psycopg2 issue
1253): one silent host would take the time of all. So this module splits the list, by the rules of libpq.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg2

from rollcall.infra import causes, deadline

_Connection = TypeVar("_Connection")

AVOIDED_FOR = 30.0
"""Seconds for which a host that did not answer is tried after all others."""

Parameters = dict[str, Any]


class Hosts:
    """Remembers, for one process, which hosts did not answer recently."""

    def __init__(self) -> None:
        self._silent_until: dict[tuple[Any, ...], float] = {}

    def connect(self, parameters: Parameters, connect: Callable[[Parameters], _Connection]) -> _Connection:
        """Connect to the first host that accepts the connection.

        :param parameters: libpq's, as ``parse_dsn`` gives them.
        :param connect: makes the connection to one host.
        :raises psycopg2.OperationalError: the last host's, or that of a server which refused us: like libpq, this tries
            no other host then.
        """
        attempts = candidates(parameters)
        now = time.monotonic()
        attempts.sort(key=lambda attempt: self._silent_until.get(_name(attempt), 0.0) > now)
        until = now + deadline.connect_limit(len(attempts))
        for number, attempt in enumerate(attempts):
            seconds = (until - time.monotonic()) / (len(attempts) - number)
            try:
                with deadline.connecting.attempt(seconds):
                    made = connect(attempt)
            except psycopg2.OperationalError as error:
                reason = causes.reason(error)
                if reason == causes.SILENT or isinstance(error, deadline.NoAnswer):
                    self._silent_until[_name(attempt)] = time.monotonic() + AVOIDED_FOR
                if number == len(attempts) - 1 or causes.is_final(reason):
                    raise
            else:
                self._silent_until.pop(_name(attempt), None)
                return made
        raise AssertionError("there is at least one host")


def candidates(parameters: Parameters) -> list[Parameters]:
    """Return the parameters for each single address, in the order in which to try them (PostgreSQL manual, 32.1.1.3)."""
    hosts, addresses = _split(parameters.get("host")), _split(parameters.get("hostaddr"))
    count = len(addresses or hosts or [""])
    ports = _split(parameters.get("port")) or [""]
    ports = ports * count if len(ports) == 1 else ports
    if len(ports) != count or (hosts and len(hosts) != count):
        return [parameters]  # libpq says what is wrong
    places: list[Parameters] = []
    for number in range(count):
        host = hosts[number] if hosts else ""
        found = [addresses[number]] if addresses else _resolved(host)
        places += [{"host": host, "hostaddr": address, "port": ports[number]} for address in found]
    if parameters.get("load_balance_hosts") == "random":
        random.shuffle(places)
    rest = {name: value for name, value in parameters.items() if name not in ("host", "hostaddr", "port")}
    attempts = [rest | {name: value for name, value in place.items() if value} for place in places]
    if parameters.get("target_session_attrs") == "prefer-standby" and len(attempts) > 1:
        standbys = [attempt | {"target_session_attrs": "standby"} for attempt in attempts]
        return standbys + [attempt | {"target_session_attrs": "any"} for attempt in attempts]
    return attempts


def _split(value: str | None) -> list[str]:
    return value.split(",") if value else []


def _resolved(host: str) -> list[str]:
    """Return the addresses of a name that has several; else an empty one, and libpq resolves the host by itself."""
    found: list[str] = []
    if host and not host.startswith(("/", "@")):
        with suppress(OSError, UnicodeError):  # libpq says what is wrong
            found = list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)))
    return found if len(found) > 1 else [""]


def _name(attempt: Parameters) -> tuple[Any, ...]:
    return tuple(attempt.get(name) for name in ("host", "hostaddr", "port"))
