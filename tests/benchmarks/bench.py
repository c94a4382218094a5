"""``make bench``: how long everything takes that an administrator does, over HTTP, with N users.

Starts a PostgreSQL and the service (two gunicorn workers) of its own, loads the users with ``flask users seed``, asks with one
client, and prints each figure beside its target; for contrast the two naive ways to count, in the same run. Throughput needs
``wrk`` and is left out without it. Absolute times are the machine's; compare within a run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.cookiejar import CookieJar
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import psycopg2

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from figures import Client, Figures, Request

import servers
from rollcall.infra import embedded

PASSWORD = "a-benchmark-passphrase"
WRITES = 300
API = "/api/v1/users"
STATES = [
    f"{active}{superuser}"
    for active, superuser in product(
        ("", "&is_active=true", "&is_active=false"), ("", "&is_superuser=true", "&is_superuser=false")
    )
]
ORDERS = [f"&sort_by={by}&sort_order={order}" for by, order in product(("created_at", "username", "email"), ("desc", "asc"))]
NEWEST = ["", "&sort_by=created_at"]
MORE_TERMS = ["mar", "smith", "garcia", "maria.", "ann", "Мария", "@example.org", "university", "john_", "-1", "e.o", "xyz"]
MORE_TERMS += ["kumar", "martina", "marina", "lee", "ria", "sch", "lopez", "son"]
SHORT_TERMS = ["a", "o", "z", "1", "q8", "ar", "00", "ж", "สม", "李", "x_", ".m", "@", "~", "ß"]


@contextmanager
def database(users: int, kept: Path | None) -> Iterator[tuple[str, float | None]]:
    """A database with this many users: its URL, and how many were loaded in a second.

    :param kept: a state folder that stays; one that has users is taken as it is.
    """
    home = kept or servers.fresh_home()
    try:
        url = embedded.ensure_running(home)
        flask = [sys.executable, "-m", "flask"]
        command = {"cwd": servers.ROOT, "env": os.environ | {"DATABASE_URL": url, "ROLLCALL_HOME": str(home)}}
        subprocess.run([*flask, "db", "upgrade"], check=True, **command)
        rate = None
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("SELECT FROM users LIMIT 1")
            if cursor.rowcount == 0:
                started = time.perf_counter()
                subprocess.run([*flask, "users", "seed", str(users)], check=True, **command)
                rate = users / (time.perf_counter() - started)
                create = ["users", "create-superuser", "--username", "bench", "--email", "bench@example.org", "--password-stdin"]
                subprocess.run([*flask, *create], input=PASSWORD.encode(), stdout=subprocess.DEVNULL, check=True, **command)
            cursor.execute("VACUUM ANALYZE users")
        yield url, rate
    finally:
        embedded.stop(home)
        if kept is None:
            shutil.rmtree(home, ignore_errors=True)


def query(sql: str, database_url: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def token(url: str) -> str:
    log_in = Request("/api/v1/auth/login", "POST", {"username": "bench", "password": PASSWORD})
    return str(Client(url, {"Content-Type": "application/json"})(log_in)[1]["access_token"])


def cookie(url: str) -> str:
    """Log in as a browser does."""
    jar = CookieJar()
    browser = build_opener(HTTPCookieProcessor(jar))
    form = browser.open(f"{url}/login").read().decode()
    csrf_token = form.partition('name="csrf_token" value="')[2].partition('"')[0]
    fields = {"csrf_token": csrf_token, "username": "bench", "password": PASSWORD}
    browser.open(f"{url}/login", urlencode(fields).encode()).read()
    return "; ".join(f"{entry.name}={entry.value}" for entry in jar)


def single_requests(figures: Figures, client: Client, users: int) -> None:
    figures.measure(client, "statistics, cached", 2, lambda: Request("/api/v1/dashboard/stats"))
    figures.measure(client, "sign-ups of 30 days", None, lambda: Request("/api/v1/dashboard/signups"))
    figures.measure(client, "GET one user", 4, lambda: Request(f"{API}/{random.randint(1, users)}"))

    def change() -> Request:
        return Request(f"{API}/{random.randint(1, users)}", "PATCH", {"full_name": f"{secrets.token_hex(4)} Bench"})

    def create() -> Request:
        name = f"bench-{secrets.token_hex(8)}"
        return Request(f"{API}/bulk", "POST", [{"username": name, "email": f"{name}@example.org"}])

    # The first ones after PostgreSQL's start read most of the index of the search from the disk.
    figures.measure(client, "PATCH one user", 10, change, WRITES, warm_up=WRITES)
    figures.measure(client, "create one user, without hashing", 5, create, WRITES)


def pages(figures: Figures, client: Client) -> None:
    figures.measure(client, "the dashboard page", 30, lambda: Request("/dashboard"))
    figures.measure(client, "the page of users", None, lambda: Request("/dashboard/users"))


def lists(figures: Figures, client: Client) -> None:
    figures.measure(client, "list, first page", 10, lambda: Request(API))
    chosen = [f"{states}{order}" for states, order in product(STATES, ORDERS)]
    first = ((name, Request(f"{API}?size=50{name}")) for name in chosen)
    figures.measure_slowest(client, "list, any filter and order", 10, first)
    figures.measure_slowest(client, "list by cursor, far into it", 10, ((name, _cursor(client, name)) for name in chosen))
    last = client(Request(API))[1]["pages"]
    for part, number in {"the middle": max(1, last // 2), "the last": last}.items():
        path = f"{API}?page={number}"
        figures.measure(client, f"list by page, {part} of {last:,}, by created_at", 40, lambda path=path: Request(path))
    far = min(1000, last)
    ends = product((far, last - far + 1, last), ORDERS[2:])
    requests = ((f"page {number:,}{order}", Request(f"{API}?page={number}{order}")) for number, order in ends)
    figures.measure_slowest(client, "list by page, by name, of the first and last 1,000", 40, requests)
    middle = Request(f"{API}?page={max(1, last // 2)}&sort_by=username")
    figures.measure(client, f"list by page, the middle of {last:,}, by username", None, lambda: middle)


def _cursor(client: Client, chosen: str) -> Request:
    """A request that goes on from the middle of a list by sign-up, or from page 1,000 of one by name."""
    pages = client(Request(f"{API}?size=50{chosen}"))[1]["pages"]
    page = max(1, pages // 2 if "created_at" in chosen else min(1000, pages - 1))
    cursor = client(Request(f"{API}?size=50{chosen}&page={page}"))[1]["next_cursor"]
    return Request(f"{API}?size=50{chosen}" + (f"&cursor={quote(cursor)}" if cursor else ""))


def searches(figures: Figures, client: Client, sample: tuple[str, str, str]) -> None:
    username, email, full_name = sample
    terms = {
        "a whole username": username,
        "a whole e-mail": email,
        "a full name": full_name,
        "a common domain (example)": "example",
        "a common first name (maria)": "maria",
        "digits (817)": "817",
        "digits, rare (81730)": "81730",
        "no hit (zzqzz)": "zzqzz",
        "punctuation (.c@)": ".c@",
        "across words (ple.com)": "ple.com",
        "non-Latin (สมช)": "สมช",
    }
    for name, term in terms.items():
        figures.measure(client, f"search: {name}", 25, lambda term=term: Request(f"{API}?search={quote(term)}"))
    for term in ("a", "q8", "ж", "x_", "~"):
        figures.measure(client, f"search: short ({term})", 150, lambda term=term: Request(f"{API}?search={quote(term)}"))
    for what, sought in (("search", [*terms.values(), *MORE_TERMS]), ("short search", SHORT_TERMS)):
        for way, target, orders in (("newest first or by relevance", 25, NEWEST), ("by name", 150, ORDERS[2:])):
            chosen = [f"{quote(term)}{states}{order}" for term, states, order in product(sought, STATES, orders)]
            requests = ((name, Request(f"{API}?search={name}")) for name in chosen)
            figures.measure_slowest(client, f"{what}, any filter, {way}", 150 if what == "short search" else target, requests)


def naive(figures: Figures, database_url: str) -> None:
    started = time.perf_counter()
    query("SELECT count(*), count(*) FILTER (WHERE is_active), count(*) FILTER (WHERE is_superuser) FROM users", database_url)
    figures.note("naive: COUNT(*) FILTER over the table", None, (time.perf_counter() - started) * 1000)
    started = time.perf_counter()
    rows = query("SELECT is_active, is_superuser, created_at FROM users", database_url)
    sum(1 for active, _, _ in rows if active)
    figures.note("naive: all rows in memory", None, (time.perf_counter() - started) * 1000)


def sizes(figures: Figures, database_url: str) -> None:
    """What the table and its indexes take on the disk."""
    figures.note("size of the table of users", None, _megabytes("users", database_url), unit="MB")
    indexes = query(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'users'::regclass ORDER BY indexrelid::regclass::text",
        database_url,
    )
    for (name,) in indexes:
        figures.note(f"size of {name}", None, _megabytes(name, database_url), unit="MB")


def _megabytes(relation: str, database_url: str) -> float:
    [(size,)] = query("SELECT pg_table_size(%s::regclass)", database_url, relation)
    return float(size) / 1e6


# For wrk: each request another body. Its header with the token comes from the command line.
CHANGE_LUA = """
local n = 0
function request()
  n = n + 1
  local body = '{{"full_name": "Bench ' .. n .. ' ' .. math.random(1e9) .. '"}}'
  return wrk.format("PATCH", "/api/v1/users/" .. (1 + n % {users}), nil, body)
end
"""
CREATE_LUA = """
local n = 0
function request()
  n = n + 1
  local name = "{prefix}-" .. n
  local body = '[{{"username": "' .. name .. '", "email": "' .. name .. '@example.org"}}]'
  return wrk.format("POST", "/api/v1/users/bulk", nil, body)
end
"""


def throughput(figures: Figures, url: str, authorization: str, users: int) -> None:
    """Requests per second of some routes, as shares of a bare Flask route in the same run."""
    if not shutil.which("wrk"):
        print("throughput: left out, there is no wrk")
        return

    def rate(target: str, *options: str) -> float:
        command = ["wrk", "-t1", "-c8", "-d5s", "-H", f"Authorization: {authorization}", *options, target]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in output:
            raise RuntimeError(output)
        return next(float(line.split()[1]) for line in output.splitlines() if line.startswith("Requests/sec"))

    with tempfile.TemporaryDirectory() as folder:
        lines = ["from flask import Flask, jsonify", "app = Flask(__name__)", "@app.get('/health/live')", "def live():"]
        source = "\n".join([*lines, "    return jsonify(a=1)", ""])
        Path(folder, "bare.py").write_text(source)
        log_in = Path(folder, "log_in.lua")
        body = json.dumps({"username": "bench", "password": PASSWORD})
        log_in.write_text(f"wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = '{body}'\n")
        config = Path(folder, "plain.conf.py")
        config.touch()  # not the service's, which wants the service's application
        with servers.gunicorn({"PYTHONPATH": folder}, app="bare:app", options=("-c", str(config))) as server:
            bare = rate(server.url + "/health/live")
        figures.note("bare Flask route", None, bare, unit="/s")
        figures.note("log-ins", 60, rate(url + "/api/v1/auth/login", "-s", str(log_in)), unit="/s", at_least=True)
        for name, lua in (
            ("PATCH of one user", CHANGE_LUA.format(users=users)),
            ("batch of one user", CREATE_LUA.format(prefix=f"bench-{secrets.token_hex(4)}")),
        ):
            script = Path(folder, "write.lua")
            script.write_text(lua)
            written = rate(url, "-s", str(script), "-H", "Content-Type: application/json")
            figures.note(f"requests per second: {name}", None, written, unit="/s")
    paths = {"/api/v1/dashboard/stats": 0.40, f"{API}/1": 0.30, API: 0.16, f"{API}?search=lindstrom": 0.08}
    for path, target in paths.items():
        figures.note(f"requests per second: {path}", target, rate(url + path) / bare, unit="of bare", at_least=True)


def machine(database_url: str) -> dict[str, Any]:
    """What the figures were measured on."""
    processors = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    [(version,)] = query("SELECT current_setting('server_version')", database_url)
    return {
        "processor": processors[0] if processors else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": version,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--users", type=int, default=1_000_000)
    arguments.add_argument("--json", type=Path, help="where to write the figures")
    arguments.add_argument("--home", type=Path, help="a state folder that is kept, for another run with the same users")
    chosen = arguments.parse_args()
    settings = {"ROLLCALL_RATE_LIMIT_ENABLED": "false"}
    figures = Figures()
    with database(chosen.users, chosen.home) as (database_url, rate):
        settings["DATABASE_URL"] = database_url
        described = machine(database_url)
        print(f"{chosen.users:,} users; {', '.join(f'{name} {value}' for name, value in described.items())}\n")
        print(f"{'':<62}{'target':>8} {'median':>10} {'p99':>9}")
        if rate:
            figures.note("users seed", None, rate, unit="/s")
        from_the_middle = "FROM users WHERE id >= %s AND full_name IS NOT NULL ORDER BY id LIMIT 1"
        [sample] = query(f"SELECT username, email, full_name {from_the_middle}", database_url, chosen.users // 2)
        with servers.gunicorn(settings) as server:
            authorization = f"Bearer {token(server.url)}"
            headers = {"Content-Type": "application/json", "Authorization": authorization}
            client = Client(server.url, headers)
            single_requests(figures, client, chosen.users)
            pages(figures, Client(server.url, {"Cookie": cookie(server.url)}))
            with servers.gunicorn(settings | {"ROLLCALL_CACHE_ENABLED": "false"}) as uncached:
                cold = Client(uncached.url, headers)
                figures.measure(cold, "statistics, cold", 6, lambda: Request("/api/v1/dashboard/stats"))
            lists(figures, client)
            searches(figures, client, sample)
            throughput(figures, server.url, authorization, chosen.users)
        naive(figures, database_url)
        sizes(figures, database_url)
    if chosen.json:
        report = {"users": chosen.users, "machine": described, "figures": figures.rows}
        chosen.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
