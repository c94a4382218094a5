"""ROLLCALL_HOME full, deleted, or never there: metrics and cache are optional, the service is not."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

import servers
from service import bearer, call, wait_for

# A mount of its own, gone with the process; a developer who is not root gets it in a user namespace.
NAMESPACE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
SMALL_DISK = (*NAMESPACE, "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"')


def paths(number: int) -> list[str]:
    """Of routes with labels of their own, so that the files of the metrics grow."""
    return ["/health/live", "/health/ready", "/health", "/metrics", "/openapi.json", "/login"] * number


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass  # not a byte more


@pytest.mark.heavy
def test_full_disk_ends_no_worker(environment, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    tmp_path.chmod(0o755)
    with servers.gunicorn(environment | {"ROLLCALL_HOME": str(home)}, within=(*SMALL_DISK, str(home))) as service:
        wait_for(lambda: len(service.worker_pids()) == 2)
        fill(Path(f"/proc/{service.process.pid}/root{home}"))
        victim, survivor = service.worker_pids()
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(service.worker_pids()) == 2 and victim not in service.worker_pids())
        workers = service.worker_pids()
        assert survivor in workers
        assert {call(service.url, "GET", path).status_code for path in paths(20)} == {200}
        assert service.worker_pids() == workers, service.log.read_text()
        wait_for(lambda: "metrics cannot be written to ROLLCALL_HOME (No space left on device)" in service.log.read_text())
        assert service.log.read_text().count("metrics cannot be written") <= 2  # once in each worker
        assert "SIGBUS" not in service.log.read_text()


def test_deleted_state_folder_does_not_end_the_service(environment, tmp_path, engine, root):
    home = tmp_path / "home"
    headers = bearer(engine, root)
    with servers.gunicorn(environment | {"ROLLCALL_HOME": str(home)}) as service:
        shutil.rmtree(home)
        for victim in service.worker_pids():
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda victim=victim: len(service.worker_pids()) == 2 and victim not in service.worker_pids())
        for path in [*paths(5), *["/api/v1/dashboard/stats"] * 5]:
            assert call(service.url, "GET", path, headers=headers).status_code == 200, service.log.read_text()
        assert service.process.poll() is None
        # It has made what it needs anew.
        assert list(home.glob("run/metrics-*/*.db"))
        assert list(home.glob("cache/*"))


NOWHERE = "/dev/null/state"


def test_state_folder_that_cannot_be_made_is_said_once_and_done_without(environment, engine, root):
    headers = bearer(engine, root)
    with servers.gunicorn(environment | {"ROLLCALL_HOME": NOWHERE}) as service:
        for path in ["/api/v1/dashboard/stats", "/metrics", "/health"] * 4:
            assert call(service.url, "GET", path, headers=headers).status_code == 200, service.log.read_text()
        log = service.log.read_text()
        assert log.count(f"cannot write to ROLLCALL_HOME ({NOWHERE}): Not a directory. Each worker keeps its metrics") == 1
        assert log.count(f"cannot write to ROLLCALL_HOME ({NOWHERE}): Not a directory. Each worker caches") == 1


def test_values_are_cached_in_memory_without_a_state_folder(make_app, root, call_as, statements):
    app = make_app(cache_enabled=True, home=Path(NOWHERE))
    caller = call_as(root, app)
    stamps = {caller.get("/dashboard/stats").json["timestamp"] for _ in range(3)}
    assert len(stamps) == 1
    assert caller.get("/dashboard/stats").headers["Age"] == "0"


@pytest.mark.parametrize("missing", ["SECRET_KEY", "DATABASE_URL"])
def test_what_only_the_state_folder_holds_is_still_required(environment, run_flask, missing):
    result = run_flask("stats", "show", ROLLCALL_HOME=NOWHERE, **{missing: ""})
    assert result.returncode == 1
    assert "cannot write to ROLLCALL_HOME" in result.stderr
    with (
        pytest.raises(RuntimeError, match="cannot write to ROLLCALL_HOME"),
        servers.gunicorn(environment | {"ROLLCALL_HOME": NOWHERE, missing: ""}),
    ):
        pass
