"""What a worker gives back after a batch: no thread that has hashed leaves a part of the memory to itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine

import servers
from rollcall.models import User
from service import bearer, call, wait_for_workers

HEAP = 64 * 2**20  # what glibc reserves for an arena, at an address that is a multiple of it
ROWS = [{"username": f"u{n}", "email": f"u{n}@example.org", "password": f"a-fine-passphrase-{n}"} for n in range(8)]


def arenas_of_threads(pid: int) -> int:
    """Count the arenas of a process besides the main one (Linux, glibc).

    An arena begins where a heap may begin, and its unused rest is protected.
    """
    starts, protected_ends = set(), set()
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, access, _offset, _device, inode = line.split()[:5]
        start, end = (int(place, 16) for place in span.split("-"))
        if inode == "0" and access == "rw-p" and start % HEAP == 0:
            starts.add(start)
        if inode == "0" and access == "---p" and end % HEAP == 0:
            protected_ends.add(end)
    return sum(start + HEAP in protected_ends for start in starts)


def test_threads_that_hash_have_no_arenas_of_their_own(
    shared_app: Flask, database_url: str, engine: Engine, root: User, make_user: Callable[..., User]
) -> None:
    with servers.gunicorn({"DATABASE_URL": database_url, "SECRET_KEY": "s" * 31 + "t"}, workers=1) as service:
        wait_for_workers(service, 1)
        answer = call(service.url, "POST", "/api/v1/users/bulk", ROWS, bearer(engine, root))
        assert answer.status_code == 201, answer.data
        assert [arenas_of_threads(pid) for pid in service.worker_pids()] == [0]
