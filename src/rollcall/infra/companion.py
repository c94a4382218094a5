"""A process beside gunicorn's workers, forked from the master as they are.

It is begun again if it ends, and told to end with the master.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

log = logging.getLogger(__name__)

_PAUSE: Final = 5.0
"""Seconds before a process that has ended is begun again."""
_RESET: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD)
_IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU)


class Companion:
    """Keeps one process running. The master reaps it with its workers.

    :param server: gunicorn's arbiter.
    :param run: the work of the process, which gets the master's pid and returns when that is no longer its parent.
    """

    def __init__(self, server: Any, run: Callable[[int], None]) -> None:
        self._server = server
        self._run = run
        self._pid: int | None = None
        self._not_before = 0.0

    def attach(self) -> None:
        """Look after the process whenever the master looks after its workers, and end it when the master stops."""
        manage, stop = self._server.manage_workers, self._server.stop

        def manage_all() -> None:
            manage()
            self._keep()

        def stop_all(graceful: bool = True) -> None:
            self.end()
            stop(graceful)

        self._server.manage_workers, self._server.stop = manage_all, stop_all

    def end(self) -> None:
        """Tell the process to end. It first ends what it is in the middle of."""
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)

    def _keep(self) -> None:
        if self._is_running() or time.monotonic() < self._not_before:
            return
        self._not_before = time.monotonic() + _PAUSE
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._be_the_process(parent)

    def _is_running(self) -> bool:
        if self._pid is None:
            return False
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _be_the_process(self, parent: int) -> None:
        code = 1
        try:
            for number in _RESET:
                signal.signal(number, signal.SIG_DFL)
            for number in _IGNORED:
                signal.signal(number, signal.SIG_IGN)
            for listener in self._server.LISTENERS:
                listener.sock.close()
            self._run(parent)
            code = 0
        except BaseException:
            log.exception("the process beside the workers has ended")
        finally:
            logging.shutdown()
            os._exit(code)
