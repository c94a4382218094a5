"""``make bench``: how long everything takes that an administrator does, over HTTP, with N users.

Starts a PostgreSQL and the service (two gunicorn workers) of its own, loads the users with ``flask users seed``, asks with one
client, and prints each figure beside its target; for contrast the two naive ways to count, in the same run. Throughput needs
``wrk`` and is left out without it. Absolute times are the machine's; compare within a run.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import psycopg2

sys.path.insert(0, str(Path(__file__).parents[1]))
import servers
from rollcall.infra import embedded

PASSWORD = "a-benchmark-passphrase"
REQUESTS = 60


class Client:
    """One client, one connection for each request, as the sync workers have it."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self.headers = {"Content-Type": "application/json"}

    def __call__(self, method: str, path: str, body: Any = None) -> tuple[float, int, Any]:
        """Milliseconds until the whole answer was read, status, JSON."""
        payload = None if body is None else json.dumps(body)
        started = time.perf_counter()
        connection = http.client.HTTPConnection(self._host, timeout=60)
        connection.request(method, path, payload, self.headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        taken = (time.perf_counter() - started) * 1000
        is_json = answer.headers.get_content_type() == "application/json"
        return taken, answer.status, json.loads(content) if is_json and content else None


class Bench:
    """Measures, remembers and prints."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.rows: list[dict[str, Any]] = []

    def measure(
        self, what: str, target: float | None, request: Callable[[], tuple[str, str, Any]], repeat: int = REQUESTS
    ) -> None:
        self.client(*request())  # warm
        times, statuses = [], set()
        for _ in range(repeat):
            taken, status, _answer = self.client(*request())
            times.append(taken)
            statuses.add(status)
        times.sort()
        self.note(what, target, statistics.median(times), times[int(len(times) * 0.99) - 1], "ms", sorted(statuses))

    def note(
        self,
        what: str,
        target: float | None,
        median: float,
        p99: float | None,
        unit: str,
        statuses: Any = (),
        *,
        at_least: bool = False,
    ) -> None:
        self.rows.append({"what": what, "target": target, "median": round(median, 2), "p99": p99 and round(p99, 2), "unit": unit})
        goal = "" if target is None else f"{'≥' if at_least else '≤'} {target:g}"
        missed = "  MISSED" if target is not None and (median < target if at_least else median > target) else ""
        unexpected = f"  {statuses}" if any(status >= 300 for status in statuses) else ""
        p99_text = "" if p99 is None else f"{p99:.2f}"
        print(f"{what:<58}{goal:>8} {median:>10.2f} {p99_text:>9} {unit}{missed}{unexpected}", flush=True)


@contextmanager
def service(users: int) -> Iterator[tuple[str, str, float]]:
    """The service with its users loaded: its URL, the database's, and the users loaded per second."""
    home = servers.fresh_home()
    try:
        database_url = embedded.ensure_running(home)
        environment = {"DATABASE_URL": database_url, "ROLLCALL_RATE_LIMIT_ENABLED": "false"}
        flask = [sys.executable, "-m", "flask"]
        command = {"cwd": servers.ROOT, "env": os.environ | environment | {"ROLLCALL_HOME": str(home)}}
        subprocess.run([*flask, "db", "upgrade"], check=True, **command)
        started = time.perf_counter()
        subprocess.run([*flask, "users", "seed", str(users)], check=True, **command)
        rate = users / (time.perf_counter() - started)
        create = [*flask, "users", "create-superuser", "--username", "bench", "--email", "bench@example.org", "--password-stdin"]
        subprocess.run(create, input=PASSWORD.encode(), stdout=subprocess.DEVNULL, check=True, **command)
        with closing(psycopg2.connect(database_url)) as connection:
            connection.autocommit = True
            connection.cursor().execute("VACUUM ANALYZE users")
        with servers.gunicorn(environment, workers=2) as server:
            yield server.url, database_url, rate
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


def cookie(url: str) -> str:
    """Log in as a browser does."""
    jar = CookieJar()
    browser = build_opener(HTTPCookieProcessor(jar))
    form = browser.open(f"{url}/login").read().decode()
    token = form.partition('name="csrf_token" value="')[2].partition('"')[0]
    fields = {"csrf_token": token, "username": "bench", "password": PASSWORD}
    browser.open(f"{url}/login", urlencode(fields).encode()).read()
    return "; ".join(f"{entry.name}={entry.value}" for entry in jar)


def lists(bench: Bench, users: int) -> None:
    api = "/api/v1/users"
    for name, query in {
        "list, first page": "",
        "list, is_active=false": "?is_active=false",
        "list, is_superuser=true, by username": "?is_superuser=true&sort_by=username&sort_order=asc",
        "list, inactive superusers, by e-mail": "?is_active=false&is_superuser=true&sort_by=email",
        "list, by e-mail": "?sort_by=email&sort_order=asc",
    }.items():
        bench.measure(name, 10, lambda query=query: ("GET", api + query, None))
    cursors = {}
    for sort in ("created_at", "username", "email"):
        path = f"{api}?sort_by={sort}&size=100"
        for _ in range(20):
            path = f"{api}?sort_by={sort}&size=100&cursor={quote(bench.client('GET', path)[2]['next_cursor'])}"
        cursors[sort] = path
    for sort, path in cursors.items():
        bench.measure(f"list by cursor, by {sort}", 10, lambda path=path: ("GET", path, None))
    pages = max(1, users // 50)
    for part, number in {"middle": pages // 2, "last": pages}.items():
        bench.measure(
            f"list by page, the {part} of {pages:,}, by created_at", 40, lambda n=number: ("GET", f"{api}?page={n}", None), 20
        )
    for number in (min(1000, pages), pages):
        path = f"{api}?page={number}&sort_by=username"
        bench.measure(f"list by page {number:,}, by username", 40, lambda path=path: ("GET", path, None), 20)


def searches(bench: Bench, sample: list[tuple[str, str, str]]) -> None:
    api = "/api/v1/users?search="
    username, email, full_name = sample[0]
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
        bench.measure(f"search: {name}", 60, lambda term=term: ("GET", api + quote(term), None), 50)
    maria = quote("maria")
    by_email = "&sort_by=email&sort_order=asc"
    for suffix in ("&sort_by=username", by_email, "&is_superuser=true", "&is_active=false" + by_email):
        bench.measure(f"search: maria{suffix}", 60, lambda suffix=suffix: ("GET", api + maria + suffix, None), 50)
    for term in ("a", "q8", "ж", "x_", "~"):
        bench.measure(f"search: short ({term})", 100, lambda term=term: ("GET", api + quote(term), None), 50)


def naive(bench: Bench, database_url: str, users: int) -> None:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        cursor.execute("SELECT count(*), count(*) FILTER (WHERE is_active), count(*) FILTER (WHERE is_superuser) FROM users")
        bench.note("naive: COUNT(*) FILTER over the table", None, (time.perf_counter() - started) * 1000, None, "ms")
        if users <= 1_000_000:
            started = time.perf_counter()
            cursor.execute("SELECT is_active, is_superuser, created_at FROM users")
            rows = cursor.fetchall()
            sum(1 for active, _, _ in rows if active)
            bench.note("naive: all rows in memory", None, (time.perf_counter() - started) * 1000, None, "ms")


def throughput(bench: Bench, url: str, authorization: str) -> None:
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
        bench.note("bare Flask route", None, bare, None, "/s")
        log_ins = rate(url + "/api/v1/auth/login", "-s", str(log_in))
        bench.note("log-ins", 60, log_ins, None, "/s", at_least=True)
    paths = {
        "/api/v1/dashboard/stats": 0.40,
        "/api/v1/users/1": 0.30,
        "/api/v1/users": 0.16,
        "/api/v1/users?search=lindstrom": 0.08,
    }
    for path, target in paths.items():
        found = rate(url + path)
        missed = "  MISSED" if found / bare < target else ""
        print(f"{path:<58}{'≥ ' + str(target):>8} {found / bare:>10.2f} of bare, {found:.0f}/s{missed}", flush=True)
        bench.rows.append({"what": f"throughput {path}", "target": target, "share": round(found / bare, 3), "unit": "of bare"})


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--users", type=int, default=1_000_000)
    arguments.add_argument("--json", type=Path, help="where to write the figures")
    chosen = arguments.parse_args()
    users: int = chosen.users
    with service(users) as (url, database_url, rate):
        print(f"{users:,} users, loaded at {rate:,.0f}/s; Python {platform.python_version()}, {os.cpu_count()} cores\n")
        print(f"{'':<58}{'target':>8} {'median':>10} {'p99':>9}")
        client = Client(url)
        token = client("POST", "/api/v1/auth/login", {"username": "bench", "password": PASSWORD})[2]["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        bench = Bench(client)
        bench.rows.append({"what": "users seed", "median": round(rate), "unit": "/s"})
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            from_the_middle = "FROM users WHERE id >= %s AND full_name IS NOT NULL ORDER BY id LIMIT 1"
            cursor.execute(f"SELECT username, email, full_name {from_the_middle}", (users // 2,))
            sample = cursor.fetchall()
        bench.measure("statistics, cached", 2, lambda: ("GET", "/api/v1/dashboard/stats", None))
        bench.measure("sign-ups of 30 days", None, lambda: ("GET", "/api/v1/dashboard/signups", None))
        bench.measure("GET one user", 4, lambda: ("GET", f"/api/v1/users/{random.randint(1, users)}", None))
        bench.measure("PATCH one user", 10, lambda: ("PATCH", f"/api/v1/users/{users // 3}", {"full_name": str(random.random())}))
        serial = iter(range(10**9))

        def create() -> tuple[str, str, Any]:
            number = next(serial)
            return "POST", "/api/v1/users/bulk", [{"username": f"bench-{number}", "email": f"bench-{number}@example.org"}]

        bench.measure("create one user, without hashing", 5, create)
        page = Bench(Client(url))
        page.client.headers, page.rows = {"Cookie": cookie(url)}, bench.rows
        page.measure("the dashboard page", 30, lambda: ("GET", "/dashboard", None))
        page.measure("the page of users", None, lambda: ("GET", "/dashboard/users", None))
        lists(bench, users)
        searches(bench, sample)
        environment = {"DATABASE_URL": database_url, "ROLLCALL_RATE_LIMIT_ENABLED": "false", "ROLLCALL_CACHE_ENABLED": "false"}
        with servers.gunicorn(environment) as uncached:
            cold = Bench(Client(uncached.url))
            cold.client.headers, cold.rows = client.headers, bench.rows
            cold.measure("statistics, cold", 6, lambda: ("GET", "/api/v1/dashboard/stats", None))
        naive(bench, database_url, users)
        throughput(bench, url, client.headers["Authorization"])
        if chosen.json:
            machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
            chosen.json.write_text(
                json.dumps({"users": users, "machine": machine, "figures": bench.rows}, indent=1, ensure_ascii=False)
            )


if __name__ == "__main__":
    main()
