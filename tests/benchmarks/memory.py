"""``python tests/benchmarks/memory.py``: the memory of two workers and their master, at the start and after work.

Prints the PSS of each process (/proc/PID/smaps_rollup): private pages, and its share of the pages that it shares. Linux only.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]
from figures import Client, Request

import servers

PASSWORD = "a-benchmark-passphrase"
API = "/api/v1/users"
READS = ["/api/v1/dashboard/stats", f"{API}/1", API, f"{API}?search=ann", "/api/v1/events", "/openapi.json"]
ROUNDS = 200
BATCHES, ROWS = 12, 100
WORKERS = 2


def proportional_set_size(pid: int) -> float:
    """Return the PSS of a process in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("this kernel tells no PSS")


def report(stage: str, pids: list[int]) -> None:
    sizes = [proportional_set_size(pid) for pid in pids]
    print(f"{stage:<32}{sum(sizes):6.0f} MB   {', '.join(f'{size:.0f}' for size in sizes)}", flush=True)


def batch() -> Request:
    names = [secrets.token_hex(8) for _ in range(ROWS)]
    return Request(
        f"{API}/bulk", "POST", [{"username": n, "email": f"{n}@example.org", "password": secrets.token_hex(12)} for n in names]
    )


def main() -> None:
    with servers.postgres() as url:
        home = servers.fresh_home()
        environment = {"DATABASE_URL": url, "ROLLCALL_HOME": str(home), "SECRET_KEY": secrets.token_hex(32)}
        superuser = ["users", "create-superuser", "--username", "bench", "--email", "bench@example.org", "--password-stdin"]
        for command in (["db", "upgrade"], ["users", "seed", "2000"], superuser):
            subprocess.run(
                [sys.executable, "-m", "flask", *command],
                cwd=servers.ROOT,
                env=os.environ | environment,
                input=PASSWORD.encode(),
                stdout=subprocess.DEVNULL,
                check=True,
            )
        with servers.gunicorn(environment | {"ROLLCALL_RATE_LIMIT_ENABLED": "false"}) as server:
            while len(workers := server.worker_pids()) < WORKERS:
                time.sleep(0.1)
            pids = [server.process.pid, *workers]
            report("start", pids)
            client = Client(server.url, {"Content-Type": "application/json"})
            answer = client(Request("/api/v1/auth/login", "POST", {"username": "bench", "password": PASSWORD}))[1]
            client.headers["Authorization"] = f"Bearer {answer['access_token']}"
            for _ in range(ROUNDS):
                for path in READS:
                    client(Request(path))
            report(f"after {ROUNDS * len(READS):,} reads", pids)
            for _ in range(BATCHES):
                client(batch())
            report(f"after {BATCHES} batches of {ROWS} hashes", pids)
            for _ in range(ROUNDS):
                for path in READS:
                    client(Request(path))
            report("after as many reads again", pids)


if __name__ == "__main__":
    main()
