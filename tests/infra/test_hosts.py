"""infra/hosts: a list of hosts is taken apart as libpq would go through it (PostgreSQL manual, 32.1.1.3)."""

from __future__ import annotations

import socket

import pytest
from psycopg2.extensions import parse_dsn

from rollcall.infra import hosts


def places(url: str) -> list[tuple[str | None, ...]]:
    names = ("host", "hostaddr", "port", "target_session_attrs")
    return [tuple(attempt.get(name) for name in names) for attempt in hosts.candidates(parse_dsn(url))]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql:///db", [(None, None, None, None)]),
        ("postgresql://10.0.0.1:1/db", [("10.0.0.1", None, "1", None)]),
        ("postgresql://10.0.0.1:1,10.0.0.2:2/db", [("10.0.0.1", None, "1", None), ("10.0.0.2", None, "2", None)]),
        ("postgresql:///db?host=/run/a,/run/b", [("/run/a", None, None, None), ("/run/b", None, None, None)]),
        ("postgresql:///db?host=10.0.0.1,10.0.0.2&port=7", [("10.0.0.1", None, "7", None), ("10.0.0.2", None, "7", None)]),
        (
            "postgresql://a,b/db?hostaddr=10.0.0.1,10.0.0.2&target_session_attrs=read-write",
            [("a", "10.0.0.1", None, "read-write"), ("b", "10.0.0.2", None, "read-write")],
        ),
        ("postgresql:///db?hostaddr=10.0.0.1,10.0.0.2", [(None, "10.0.0.1", None, None), (None, "10.0.0.2", None, None)]),
        (
            "postgresql://10.0.0.1,10.0.0.2/db?target_session_attrs=prefer-standby",
            [
                ("10.0.0.1", None, None, "standby"),
                ("10.0.0.2", None, None, "standby"),
                ("10.0.0.1", None, None, "any"),
                ("10.0.0.2", None, None, "any"),
            ],
        ),
        # libpq says that the numbers do not match.
        ("postgresql:///db?host=10.0.0.1,10.0.0.2&port=1,2,3", [("10.0.0.1,10.0.0.2", None, "1,2,3", None)]),
    ],
)
def test_places_are_tried_in_the_order_of_libpq(url, expected):
    assert places(url) == expected


def test_every_address_of_a_name_is_tried():
    known = dict.fromkeys(entry[4][0] for entry in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM))
    expected = [("localhost", address, None, None) for address in known] if len(known) > 1 else [("localhost", None, None, None)]
    assert places("postgresql://localhost/db") == expected


def test_other_parameters_go_with_each_host():
    attempts = hosts.candidates(parse_dsn("postgresql://ann:secret@10.0.0.1,10.0.0.2/db?sslmode=require"))
    for attempt in attempts:
        assert (attempt["user"], attempt["password"], attempt["dbname"], attempt["sslmode"]) == ("ann", "secret", "db", "require")


def test_hosts_are_shuffled_where_the_load_is_balanced():
    names = [f"10.0.0.{number}" for number in range(100)]
    attempts = hosts.candidates({"host": ",".join(names), "load_balance_hosts": "random"})
    found = [attempt["host"] for attempt in attempts]
    assert sorted(found) == sorted(names)
    assert found != names
