"""How gunicorn serves ``wsgi:app``: several sync workers, one request at a time in each. docs/DEADLINES.md says why.

gunicorn's own command line and ``GUNICORN_CMD_ARGS`` override what is set here.
"""

import gc
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from rollcall.infra import malloc, state
from rollcall.settings import Settings, SettingsError

malloc.share_one_arena()
try:
    _settings = Settings.from_environ(os.environ)
except SettingsError as error:
    sys.exit(f"rollcall: {error}")


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as somebody else
    return True


def _metrics_folder(home: Path) -> Path:
    """Make the folder where the workers share their metrics, fresh for each master process."""
    folder = state.make(home) / "run" / f"metrics-{os.getpid()}"
    for other in folder.parent.glob("metrics-*"):
        # Left by a master that was killed. (On SIGHUP gunicorn reads this file again, while workers use the folder.)
        if not _is_running(int(other.name.removeprefix("metrics-"))):
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


_folder, _no_folder = None, ""
try:
    _folder = _metrics_folder(_settings.home)
    # Set before prometheus_client is imported, which looks for it once.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_folder)
except OSError as error:
    _no_folder = f"cannot write to ROLLCALL_HOME ({_settings.home}): {error.strerror}"
    if _settings.needs_home:
        sys.exit(f"rollcall: {_no_folder}.")

from prometheus_client import multiprocess  # noqa: E402

from rollcall.cli.mail import serve as send_mails  # noqa: E402
from rollcall.errors import UnsuitableDatabase  # noqa: E402
from rollcall.infra import database, deadline, load_shedding, logs  # noqa: E402
from rollcall.infra.companion import Companion  # noqa: E402
from rollcall.infra.deadline.client import bound_listener  # noqa: E402
from rollcall.infra.worker import WORKER_GRACE, DeadlineWorker, refuse_newcomers  # noqa: E402

bind = _settings.bind
worker_class = "rollcall.infra.worker.DeadlineWorker"
logger_class = "rollcall.infra.worker.Logger"
workers = _settings.web_concurrency
preload_app = True
# Above the deadline: ends a worker that nothing inside it could interrupt. Routes with longer limits move it along.
timeout = math.ceil(_settings.request_timeout + WORKER_GRACE)
graceful_timeout = timeout
# Who waits here is not yet seen by any deadline. Past it the kernel lets new clients try again.
backlog = 128
limit_request_line = 8190
# ROLLCALL_TRUSTED_PROXIES alone says what proxies are believed (infra/forwarding). gunicorn by itself would take the scheme,
# the path and the prefix from whatever connects from loopback, which is every client of a proxy on this machine.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
control_socket_disable = True
proc_name = "rollcall"
# To standard error: what gunicorn and the service have to say. The proxy in front logs each access, with the same id.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "rollcall.infra.request_id.LogFilter"}},
    "formatters": {
        "line": logs.formatter(
            _settings.log_format, "%(asctime)s %(levelname)s [%(process)d] [%(request_id)s] %(name)s: %(message)s"
        )
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {
        "alembic": {"level": "WARNING"},
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"level": "WARNING", "propagate": False},
    },
}


def on_starting(server: Any) -> None:
    """Refuse to start on a database that can never serve."""
    try:
        database.require_suitable(_settings)
    except UnsuitableDatabase as error:
        sys.exit(f"rollcall: {error}")
    if _no_folder:
        server.log.warning("%s. Each worker keeps its metrics in memory, and /metrics shows those of one worker.", _no_folder)


def when_ready(server: Any) -> None:
    """No client may hold a worker by what it leaves undone. (Other kinds of worker, and TLS, have their own ways.)"""
    if issubclass(server.worker_class, DeadlineWorker) and not server.cfg.is_ssl:
        for listener in server.LISTENERS:
            bound_listener(listener.sock)
    if issubclass(server.worker_class, DeadlineWorker):
        stop = server.stop

        def stop_gently(graceful: bool = True) -> None:
            if graceful:
                refuse_newcomers(server)
            stop(graceful)

        server.stop = stop_gently
    if _settings.smtp_url and preload_app:
        app = server.app.wsgi()
        Companion(server, lambda master: send_mails(app, master)).attach()
    # What is here now stays until the end: no worker has to look through it, or free it when it ends.
    gc.collect()
    gc.freeze()


def pre_fork(_server: Any, worker: Any) -> None:
    worker.slot = load_shedding.reserve_slot()


def post_worker_init(worker: Any) -> None:
    """After the fork and the loading of the application, before the first request."""
    with worker.wsgi.app_context():
        # What the master may have connected belongs to the master.
        database.db.engine.dispose(close=False)
        deadline.enter_worker(database.db.engine)


def child_exit(_server: Any, worker: Any) -> None:
    """Forget a worker: its gauges and its slot."""
    load_shedding.release_slot(getattr(worker, "slot", None))
    if _folder:
        multiprocess.mark_process_dead(worker.pid)


def on_exit(_server: Any) -> None:
    if _folder:
        shutil.rmtree(_folder, ignore_errors=True)
