"""Asking the service, and keeping what was measured beside what was aimed at."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

REQUESTS = 50
# The time of the slowest percent may be so many times the target.
P99_AT_MOST = 5
# Of many requests, each is asked a few times, and those that took longest are measured.
GLANCE = 3
MEASURED = 3


class Request(NamedTuple):
    """One request of the API or of a page."""

    path: str
    method: str = "GET"
    body: Any = None


class Client:
    """One client, one connection for each request, as the sync workers have it."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._host = urlsplit(url).netloc
        self.headers = headers

    def __call__(self, request: Request) -> tuple[float, Any]:
        """Milliseconds until the whole answer was read, and its JSON.

        :raises RuntimeError: it is no success, of which no figure tells.
        """
        payload = None if request.body is None else json.dumps(request.body)
        started = time.perf_counter()
        connection = http.client.HTTPConnection(self._host, timeout=60)
        connection.request(request.method, request.path, payload, self.headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        taken = (time.perf_counter() - started) * 1000
        if answer.status >= 300:
            raise RuntimeError(f"{request} was answered {answer.status}: {content!r}")
        is_json = answer.headers.get_content_type() == "application/json"
        return taken, json.loads(content) if is_json and content else None


class Figures:
    """Measures, remembers and prints."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def measure(
        self,
        client: Client,
        what: str,
        target: float | None,
        request: Callable[[], Request],
        repeat: int = REQUESTS,
        warm_up: int = 1,
    ) -> None:
        """The time of a request; asked so many times before, so that all is warm."""
        for _ in range(warm_up):
            client(request())
        self.note(what, target, *_median_and_p99(client, request, repeat))

    def measure_slowest(self, client: Client, what: str, target: float, requests: Iterable[tuple[str, Request]]) -> None:
        """The time of the slowest of many requests, each with a name."""
        glances = []
        for name, request in requests:
            client(request)
            glances.append((statistics.median(client(request)[0] for _ in range(GLANCE)), name, request))
        measured = []
        for _, name, request in sorted(glances, reverse=True)[:MEASURED]:
            measured.append((*_median_and_p99(client, lambda request=request: request, REQUESTS), name))
        median, p99, name = max(measured)
        self.note(f"{what}: the slowest of {len(glances):,}", target, median, p99, remark=name)

    def note(
        self,
        what: str,
        target: float | None,
        value: float,
        p99: float | None = None,
        unit: str = "ms",
        *,
        at_least: bool = False,
        remark: str = "",
    ) -> None:
        """Keep a figure, and print it with its target and whether that was missed."""
        row = {"what": what, "target": target, "median": round(value, 2), "p99": p99 and round(p99, 2), "unit": unit}
        row |= {"missed": _missed(target, value, p99, at_least=at_least), "remark": remark}
        self.rows.append(row)
        goal = "" if target is None else f"{'≥' if at_least else '≤'} {target:g}"
        missed = f"  MISSED: {row['missed']}" if row["missed"] else ""
        slowest = "" if p99 is None else f"{p99:.2f}"
        print(f"{what:<62}{goal:>8} {value:>10.2f} {slowest:>9} {unit}  {remark}{missed}", flush=True)


def _median_and_p99(client: Client, request: Callable[[], Request], repeat: int) -> tuple[float, float]:
    times = sorted(client(request())[0] for _ in range(repeat))
    return statistics.median(times), times[int(len(times) * 0.99) - 1]


def _missed(target: float | None, value: float, p99: float | None, *, at_least: bool) -> str | None:
    if target is None:
        return None
    if value < target if at_least else value > target:
        return "median"
    return "p99" if p99 is not None and p99 > P99_AT_MOST * target else None
