"""What Lighthouse says of the pages at 100,000 users, on a desk and on a telephone: ``make lighthouse``.

It is measured on whatever machine this runs on; one that is busy is slower than what is measured. Each page is asked
three times, and the middle counts, as Lighthouse itself advises.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright._impl._driver import compute_driver_executable

from chromium.screen import FLAGS, Site
from chromium.studio import CHROMIUM, studio

USERS = 100_000
ROUNDS = 3
TRIES = 3  # it loses its browser now and then, and says to run it again
PAGES = {"log-in": "/login", "dashboard": "/dashboard", "users": "/dashboard/users"}
CATEGORIES = ("performance", "accessibility", "best-practices")
PROGRAM = Path(__file__).parent / "node_modules/lighthouse/cli/index.js"


def main() -> int:
    """Print a table; 1 where anything is below 100."""
    if not PROGRAM.exists():
        sys.exit("There is no Lighthouse: npm install --prefix tests/chromium")
    below = 0
    with studio() as site:
        site.seed(USERS)
        cookie = site.cookie(site.add(username="root", email="root@example.org", full_name="Ada Root", is_superuser=True))
        print("| page | on a | performance | accessibility | best practices | first and largest paint |")
        print("| --- | --- | --- | --- | --- | --- |")
        for name, path in PAGES.items():
            for device in ("desktop", "mobile"):
                reports = [report(site, path, device, "" if path == "/login" else cookie) for _ in range(ROUNDS)]
                scores = [statistics.median(score(each, category) for each in reports) for category in CATEGORIES]
                below += sum(value < 100 for value in scores)
                paints = " and ".join(
                    f"{statistics.median(each['audits'][audit]['numericValue'] for each in reports):.0f} ms"
                    for audit in ("first-contentful-paint", "largest-contentful-paint")
                )
                print(f"| {name} | {device} | {' | '.join(f'{value:.0f}' for value in scores)} | {paints} |", flush=True)
                for line in sorted({line for each in reports for line in failures(each)}):
                    print(f"    {line}", file=sys.stderr)
    return 1 if below else 0


def report(site: Site, path: str, device: str, cookie: str) -> dict[str, Any]:
    """One run of Lighthouse, by the Node.js that Playwright brings: Debian's may be too old for it."""
    node, _ = compute_driver_executable()
    options = [
        "--quiet",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--chrome-flags={' '.join(FLAGS)}",
        *(["--preset=desktop"] if device == "desktop" else []),
        *([f"--extra-headers={json.dumps({'Cookie': f'rollcall={cookie}'})}"] if cookie else []),
    ]
    with tempfile.NamedTemporaryFile(suffix=".json") as output:
        command = [str(node), str(PROGRAM), site.url + path, *options, "--output=json", f"--output-path={output.name}"]
        for _ in range(TRIES):
            ran = subprocess.run(
                command, env=os.environ | {"CHROME_PATH": str(CHROMIUM)}, capture_output=True, text=True, check=False
            )
            if not ran.returncode:
                break
        else:
            raise RuntimeError(ran.stderr)
        loaded: dict[str, Any] = json.loads(Path(output.name).read_text())
    if loaded["finalDisplayedUrl"] != site.url + path:
        raise RuntimeError(f"{path} led to {loaded['finalDisplayedUrl']}")
    return loaded


def score(found: dict[str, Any], category: str) -> float:
    """0 to 100."""
    return 100 * float(found["categories"][category]["score"] or 0)


def failures(found: dict[str, Any]) -> list[str]:
    """The audits that count and are below 0.9, Lighthouse's own limit of what is good, or failed."""
    counted = {audit["id"] for category in found["categories"].values() for audit in category["auditRefs"] if audit["weight"] > 0}
    return [
        f"{name}: {audit['score']}: {audit['title']} {audit.get('displayValue', '')}"
        for name, audit in found["audits"].items()
        if name in counted and audit["score"] is not None and audit["score"] < 0.9
    ]


if __name__ == "__main__":
    sys.exit(main())
