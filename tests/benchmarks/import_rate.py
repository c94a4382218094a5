"""``python tests/benchmarks/import_rate.py``: ``users import`` of a large CSV file with hashes, beside a bare COPY.

COPY writes the same rows into an equal table, with the same indexes and triggers, in a database of its own in the same run.
Prints rows a second, and the peak memory of the command (ru_maxrss). Linux and macOS.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
import psycopg2

import servers

HEADER = "email,username,full_name,password_hash,created_at"
FIRST = ("Ann", "Bao", "Carmen", "Dmitri", "Éva", "Fatma", "Grace", "Hiroshi", "Ines", "Jürgen")
LAST = ("Abe", "Brandt", "Costa", "Duarte", "Eriksen", "Ferrari", "García", "Hughes", "Ito", "Jansen")


class Measure(NamedTuple):
    """What one load took.

    :ivar memory: the peak of the client, in MB.
    """

    rate: float
    memory: float


def write_file(path: Path, rows: int) -> None:
    """Write people with argon2 hashes, in random order of names; no password fits these hashes."""
    random = Random(17)  # to be the same in each run
    serials = list(range(rows))
    random.shuffle(serials)
    with path.open("w") as file:
        file.write(f"{HEADER}\n")
        for serial in serials:
            salt, key = (base64.b64encode(random.randbytes(size)).rstrip(b"=").decode() for size in (16, 32))
            first, last = random.choice(FIRST), random.choice(LAST)
            day = f"20{random.randrange(10, 26)}-{random.randrange(1, 13):02}-{random.randrange(1, 29):02}"
            file.write(
                f"person{serial}@imported.example,person{serial},{first} {last},"
                f'"$argon2id$v=19$m=19456,t=2,p=1${salt}${key}",{day}T12:00:00+00:00\n'
            )


def flask(url: str, home: Path, *command: str) -> Measure:
    """Run a command and measure it; the rate is per run."""
    environment = os.environ | {"DATABASE_URL": url, "ROLLCALL_HOME": str(home), "SECRET_KEY": secrets.token_hex(32)}
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", *command], cwd=servers.ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"flask {' '.join(command)} failed")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    return Measure(1 / (time.monotonic() - started), peak)


def copy(url: str, file: Path) -> float:
    """COPY the file into the table of users, and return the seconds that this takes, the commit included."""
    with contextlib.closing(psycopg2.connect(url)) as connection, file.open() as source:
        started = time.monotonic()
        with connection, connection.cursor() as cursor:
            cursor.copy_expert(f"COPY users ({HEADER}) FROM STDIN WITH (FORMAT csv, HEADER)", source)
        return time.monotonic() - started


def measure(file: Path, rows: int, present: int) -> tuple[Measure, Measure]:
    """Load into two equal installations, one by the command and one by COPY."""
    found = []
    for way in ("import", "copy"):
        with servers.postgres() as url, tempfile.TemporaryDirectory() as home:
            flask(url, Path(home), "db", "upgrade")
            if present:
                flask(url, Path(home), "users", "seed", str(present))
            if way == "import":
                run = flask(url, Path(home), "users", "import", str(file))
                found.append(Measure(rows * run.rate, run.memory))
            else:
                found.append(Measure(rows / copy(url, file), 0))
    return found[0], found[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the file")
    parser.add_argument("--present", type=int, help="users of the second installation; by default as many as rows")
    chosen = parser.parse_args()
    present = chosen.rows if chosen.present is None else chosen.present
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "users.csv"
        write_file(file, chosen.rows)
        print(f"{chosen.rows:,} rows of {file.stat().st_size / 1e6:,.0f} MB, rows a second\n")
        print("| into an installation of | import | bare COPY | share | peak memory of the import |")
        print("| --- | --- | --- | --- | --- |")
        for number in (0, present):
            imported, copied = measure(file, chosen.rows, number)
            print(
                f"| {number:,} users | {imported.rate:,.0f} | {copied.rate:,.0f} "
                f"| {imported.rate / copied.rate:.2f} | {imported.memory:,.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    main()
