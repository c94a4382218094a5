"""gunicorn's sync worker, with a bound on everything that a client can make it wait for."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any

from gunicorn import glogging
from gunicorn.workers.sync import SyncWorker

from rollcall.infra import refusals
from rollcall.infra.deadline.client import ClientSocket, bound_listener

# Seconds past a request's deadline after which gunicorn gives its worker up: sending the answer takes part of it.
WORKER_GRACE = 5.0


class Logger(glogging.Logger):
    """gunicorn's, which would spell out a line for each access even where no one is to see it."""

    def access(self, *args: Any) -> None:
        if self.access_log.isEnabledFor(logging.INFO):
            super().access(*args)


class DeadlineWorker(SyncWorker):
    """Serves each client through a :class:`ClientSocket`."""

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        family = listener.FAMILY
        if family == socket.AF_UNIX:
            bound_listener(client)  # these inherit nothing
        super().handle(listener, ClientSocket(client, family, self._extend), addr)

    def handle_request(self, listener: Any, req: Any, client: Any, addr: Any) -> None:
        if isinstance(client, ClientSocket):  # over TLS it is wrapped into another kind: only the alarm helps there
            client.head_is_read = True
            client.has_body = getattr(req.body.reader, "length", None) != 0
        req.body.reader = refusals.BodyReader(req.body.reader)
        super().handle_request(listener, req, client, addr)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        if refusals.is_clients_fault(exc):
            self.log.info("refused what is no HTTP: %s", type(exc).__name__)
        else:
            self.log.error("error outside of the application", exc_info=exc)
        try:
            client.sendall(refusals.answer(exc))
        except OSError as error:
            self.log.debug("a client did not wait for its refusal: %s", error)

    def _extend(self, seconds: float) -> None:
        """Have the master wait for this worker until the limit of its request and a little longer.

        The master takes the modification time of the worker's file for its last sign of life, so that a route with a
        limit of its own moves gunicorn's ``timeout`` (the general limit and :data:`WORKER_GRACE`) along.
        """
        # The setting, not the worker's own attribute, which is half of it.
        sign = time.monotonic() + max(0.0, seconds + WORKER_GRACE - self.cfg.timeout)
        os.utime(self.tmp.fileno(), (sign, sign))
