"""gunicorn's sync worker, with a limit on every wait for a client, and a stop that resets no connection."""

from __future__ import annotations

import ctypes
import logging
import os
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Any

from gunicorn import glogging
from gunicorn.workers.sync import SyncWorker

from rollcall.infra import load_shedding, refusals
from rollcall.infra.deadline.client import ClientSocket, bound_listener

# Seconds past a request's deadline after which gunicorn gives its worker up: sending the answer takes part of it.
WORKER_GRACE = 5.0
# When it stops, a worker serves until no client has come for the first time, at most for the second.
_QUIET, _LONGEST_END = 0.25, 10.0

# Drops the packets of a listening socket that would open a connection (BPF, linux/filter.h): load the flags of the TCP
# header; if SYN is set, take nothing of the packet, else all of it.
_NO_NEWCOMERS = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
_SO_ATTACH_FILTER = 26


class Logger(glogging.Logger):
    """gunicorn's logger, which formats access lines only if they are logged."""

    def access(self, *args: Any) -> None:
        if self.access_log.isEnabledFor(logging.INFO):
            super().access(*args)


def refuse_newcomers(server: Any) -> None:
    """Accept no new connections, and let the workers serve those that exist. Called in the master when it stops.

    A client that connects now gets no reply, tries again a second later, and is refused by then.
    """
    if server.reexec_pid or server.master_pid or server.systemd:
        return  # another master serves the same sockets
    load_shedding.start_draining()
    if not sys.platform.startswith("linux"):
        return
    program = b"".join(struct.pack("HBBI", *step) for step in _NO_NEWCOMERS)
    buffer = ctypes.create_string_buffer(program)
    for listener in server.LISTENERS:
        if listener.FAMILY != socket.AF_UNIX:
            option = struct.pack("HP", len(_NO_NEWCOMERS), ctypes.addressof(buffer))
            with suppress(OSError):
                listener.sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)


class DeadlineWorker(SyncWorker):
    """Serves each client through a :class:`ClientSocket`."""

    def run(self) -> None:
        if not self.cfg.is_ssl:
            load_shedding.register_worker(getattr(self, "slot", None), self.sockets)
        super().run()
        if load_shedding.is_draining():
            self._serve_the_last()

    def _serve_the_last(self) -> None:
        """Serve the clients that have already connected. The end of the last worker would reset them."""
        ends = time.monotonic() + _LONGEST_END
        while (now := time.monotonic()) < ends and (ready := select.select(self.sockets, [], [], min(_QUIET, ends - now))[0]):
            for listener in ready:
                self.notify()
                with suppress(BlockingIOError, ConnectionAbortedError):  # another worker was faster
                    self.accept(listener)
        for listener in self.sockets:  # at once: the rest of the process takes its time to end
            listener.close()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        family = listener.FAMILY
        if family == socket.AF_UNIX:
            bound_listener(client)  # these inherit nothing
        load_shedding.request_started()
        try:
            super().handle(listener, ClientSocket(client, family, self._extend), addr)
        finally:
            load_shedding.request_finished()

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
        """Let the master wait for this worker until shortly after the limit of its request.

        The master takes the modification time of the worker's file for its last sign of life, so that a route with a
        limit of its own moves gunicorn's ``timeout`` (the general limit and :data:`WORKER_GRACE`) along.
        """
        # The setting, not the worker's own attribute, which is half of it.
        sign = time.monotonic() + max(0.0, seconds + WORKER_GRACE - self.cfg.timeout)
        os.utime(self.tmp.fileno(), (sign, sign))
