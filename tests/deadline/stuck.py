"""The service with routes that get stuck in every way there is, for the tests of the deadline: ``stuck:app``."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, g, jsonify, request
from sqlalchemy import Float, Text, bindparam, func, select, text

from rollcall.app import create_app
from rollcall.infra import cache, deadline, reading
from rollcall.infra.database import db, session, transaction
from rollcall.services.identity import passwords
from rollcall.settings import Settings

stuck = Blueprint("stuck", __name__, url_prefix="/api/v1/stuck")
log = logging.getLogger(__name__)
lock = threading.Lock()
cleaned_up: list[bool] = []
_COSTLY = {"sha512-crypt": "$6$rounds=1100000$saltsalt$" + "A" * 85 + ".", "phpass": "$P$I12345678" + "A" * 21 + "."}


def seconds(name: str) -> float:
    return request.args.get(name, 0.0, type=float)


@stuck.get("/state")
def state() -> Response:
    pool: Any = db.engine.pool
    return jsonify(
        pid=os.getpid(),
        checked_out=pool.checkedout(),
        threads=threading.active_count(),
        files=len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0,  # noqa: PTH112, PTH208
        locked=lock.locked(),
        cleaned_up=len(cleaned_up),
    )


@stuck.get("/quick")
def quick() -> str:
    return "done"


@stuck.get("/answer")
def answer() -> str:
    return str(session().scalar(text("SELECT 42")))


@stuck.get("/sql")
def sql() -> str:
    session().execute(text("SELECT pg_sleep(:seconds) /* marked */"), {"seconds": seconds("seconds")})
    return "done"


SLEEP = reading.Statement(select(func.pg_sleep(bindparam("seconds", type_=Float)).cast(Text)))


@stuck.get("/read")
def read() -> str:
    reading.rows(session(), SLEEP, seconds=seconds("seconds"))
    return "done"


@stuck.get("/row-lock")
def row_lock() -> str:
    with transaction() as work:
        work.execute(text("UPDATE stuck_rows SET delay = 0 WHERE key = 'locked'"))
    return "done"


@stuck.get("/table-lock")
def table_lock() -> str:
    with transaction() as work:
        work.execute(text("LOCK TABLE stuck_rows IN ACCESS EXCLUSIVE MODE"))
    return "done"


@stuck.get("/pool")
def pool() -> str:
    with contextlib.ExitStack() as held:
        for _ in range(20):
            held.enter_context(db.engine.connect())
    return "done"


@stuck.get("/cached")
def cached() -> str:
    return str(cache.fetch("stuck", 1, time.time(), lambda: 42).value)


@stuck.get("/loop")
def loop() -> str:
    count = 0
    while True:
        count += 1


@stuck.get("/sleep")
def sleep() -> str:
    time.sleep(seconds("seconds"))
    return "done"


@stuck.get("/holding-the-interpreter")
def holding_the_interpreter() -> str:
    """C code that neither lets go of the interpreter nor looks for signals, for minutes."""
    with transaction() as work:
        work.execute(text("INSERT INTO stuck_rows (key) VALUES (:key)"), {"key": request.args["key"]})
        return str(sum(range(10**11)))


@stuck.get("/statements")
def statements() -> str:
    while True:
        session().execute(text("SELECT 1"))


@stuck.get("/hash")
def hashing() -> str:
    passwords.hash_many(["correct horse battery staple"] * 1000, check=deadline.check)
    return "done"


@stuck.get("/old-hash")
def old_hash() -> str:
    """Verify a hash whose format is computed in Python, at the bound of its cost, with the longest password."""
    passwords.verify("\N{GRINNING FACE}" * 128, _COSTLY[request.args["format"]])
    return "verified"


@stuck.post("/body")
def body() -> str:
    return str(len(request.get_data()))


@stuck.get("/swallow")
def swallow() -> str:
    while True:
        with contextlib.suppress(Exception):
            session().execute(text("SELECT pg_sleep(30)"))


@stuck.get("/swallow-everything")
def swallow_everything() -> str:
    for _ in range(5):
        try:
            time.sleep(30)
        except:  # noqa: E722
            log.info("swallowed")
    return "done"


@stuck.get("/finally")
def finally_() -> str:
    try:
        return "done"
    finally:
        time.sleep(seconds("seconds"))
        cleaned_up.append(True)


@stuck.get("/teardown")
def teardown() -> str:
    g.stuck_in_teardown = True
    return "done"


def slow_teardown(_error: BaseException | None) -> None:
    if g.pop("stuck_in_teardown", False):
        session().execute(text("SELECT pg_sleep(30)"))


@stuck.get("/flush")
def flush() -> str:
    with transaction() as work:
        # The trigger works through the statement, as ORM rows that are flushed would make it.
        work.execute(text("INSERT INTO stuck_rows (key, slow_insert) VALUES (:key, 30)"), {"key": request.args["key"]})
    return "done"


@stuck.get("/write")
def write() -> str:
    """Writes a row; can take its time before COMMIT (in SQL or in Python), during, and after."""
    with transaction() as work:
        row = {"key": request.args["key"], "delay": seconds("commit")}
        work.execute(text("INSERT INTO stuck_rows (key, delay) VALUES (:key, :delay)"), row)
        if seconds("sql"):
            work.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds("sql")})
        time.sleep(seconds("python"))
    time.sleep(seconds("after"))
    return "done"


class Weak:
    """Something that dies all the time, watched."""

    def __del__(self) -> None:
        with lock:
            pass


@stuck.get("/mixed")
def mixed() -> str:
    """Everything that a careless alarm would break: locks, logging, garbage, context managers, short statements."""
    until = time.monotonic() + seconds("seconds")
    dead: list[object] = []
    with transaction() as work:
        work.execute(text("INSERT INTO stuck_rows (key) VALUES (:key)"), {"key": request.args["key"]})
        while time.monotonic() < until:
            with lock:
                log.debug("working")
            thing = Weak()
            watch = weakref.ref(thing, dead.append)
            cycle: list[object] = [thing]
            cycle.append(cycle)
            del thing, cycle
            gc.collect(0)
            assert watch is not None
            work.execute(text("SELECT 1"))
            with db.engine.connect() as other:
                other.execute(text("SELECT 1"))
    return "done"


@stuck.get("/export")
def export() -> Response:
    """Streams a row each so many seconds, the first one after so many."""
    first, each = seconds("first"), seconds("each")

    def rows() -> Iterator[bytes]:
        # A series in FROM would be made as a whole before its first row, in as much time as the shortest limits.
        numbers = "(SELECT generate_series(1, 1000000) AS i) AS numbers"
        query = text(f"SELECT i, pg_sleep(CASE WHEN i = 1 THEN :first ELSE :each END) FROM {numbers}")
        with db.engine.connect() as connection:
            options = connection.execution_options(stream_results=True, max_row_buffer=1)
            for row in options.execute(query, {"first": first, "each": each}):
                yield b"%d\n" % row.i

    return deadline.stream(rows(), mimetype="text/csv")


@stuck.get("/long")
@deadline.limit(times=2)
def long() -> str:
    time.sleep(seconds("seconds"))
    return "done"


app = create_app(Settings.from_environ(os.environ))
app.register_blueprint(stuck)
app.teardown_appcontext(slow_teardown)
