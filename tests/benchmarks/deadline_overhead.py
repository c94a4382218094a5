"""``make bench-deadline``: what the deadline costs a request that needs none, as a pair in one run.

Takes the processor time of the only worker of each side: rates of requests would measure the machine's other work, too.
"""

from __future__ import annotations

import socket
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import servers

ROUNDS = 40
REQUESTS = 200
PATH = "/health/live"


def processor_time(server: servers.Gunicorn) -> int:
    """Of its only worker, in nanoseconds."""
    (pid,) = server.worker_pids()
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def spend(server: servers.Gunicorn) -> int:
    before = processor_time(server)
    host, port = server.url.removeprefix("http://").split(":")
    for _ in range(REQUESTS):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(f"GET {PATH} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            while client.recv(65536):
                pass
    return processor_time(server) - before


def main() -> None:
    unused = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "PYTHONPATH": f"{Path(__file__).parent}:{servers.ROOT}"}
    bare_options = ("-k", "sync")
    with (
        servers.gunicorn(unused, workers=1) as guarded,
        servers.gunicorn(unused, workers=1, app="without_deadline:app", options=bare_options) as bare,
    ):
        pairs = []
        for number in range(ROUNDS):
            # Each first in every other round: the caches are warm for the second.
            order = (guarded, bare) if number % 2 else (bare, guarded)
            spent = {server.url: spend(server) for server in order}
            pairs.append((spent[guarded.url], spent[bare.url]))
    micros = [statistics.median(side) / REQUESTS / 1000 for side in zip(*pairs, strict=True)]
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"{PATH}: {micros[0]:.0f} µs of processor time with the deadline, {micros[1]:.0f} µs without; ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
