"""Waits for the client: no client may hold a worker for longer than the limits below.

A sync worker serves one client at a time, so one that drips its headers, its body or its reading of the answer would
hold it for good. The worker's sockets know until when they may wait.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable

from rollcall.infra.deadline.budget import Budget, current

# Seconds.
FIRST_BYTE_LIMIT = 1.0  # a connection that is opened ahead and left idle (browsers do) is closed
HEAD_LIMIT = 5.0  # for the request line and all headers
SEND_GRACE = 2.0  # past the deadline, for a client to take in what was answered in time
DRAIN_LIMIT = 1.0  # for a client to send the rest of a body that was refused unread, so that it sees the refusal

# Bytes. As much as a fresh connection takes without waiting for its client.
SMALL_ANSWER = 4096


def bound_listener(listener: socket.socket) -> None:
    """Bound the waits of the connections that a listening socket will accept; they inherit its options.

    The kernel's own time limits cost nothing per request; where more precision is needed, :class:`ClientSocket` adds it.
    On Linux a TCP connection is also handed over only when its first bytes are there.
    """
    for option, seconds in ((socket.SO_RCVTIMEO, FIRST_BYTE_LIMIT), (socket.SO_SNDTIMEO, SEND_GRACE)):
        listener.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(seconds), 0))
    if hasattr(socket, "TCP_DEFER_ACCEPT") and listener.family in {socket.AF_INET, socket.AF_INET6}:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, int(FIRST_BYTE_LIMIT))


# The head of an answer waits for the body: one packet instead of two. What else is sent, or the end, pushes it out (tcp(7)).
_MORE = getattr(socket, "MSG_MORE", 0)

# Where a body goes that nobody reads; a worker serves one client at a time.
_forgotten = bytearray(2**16)


class ClientSocket(socket.socket):
    """The connection of a client whose request is read, answered, and over at some time.

    :param client: an accepted connection of a listener that :func:`bound_listener` has prepared; taken over.
    :param family: its address family.
    :param extend: tells the worker's master of a request's limit, in seconds, that is longer than most.
    """

    started: float | None = None
    """When the request line came in, on the clock of :func:`time.monotonic`."""
    budget: Budget | None = None
    """Of the request that was read."""
    head_is_read = False
    has_body = True
    """Whether more of the request may come after its head."""
    _sent = 0

    def __init__(self, client: socket.socket, family: int, extend: Callable[[float], None]) -> None:
        super().__init__(family, socket.SOCK_STREAM, 0, fileno=client.detach())
        self.extend = extend

    def reset(self) -> None:
        """Reset the connection instead of closing it, so that the client notices the interruption."""
        # Closing with the linger time 0 sends a reset (socket(7), SO_LINGER).
        self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        if self.head_is_read:
            return self._recv_body(bufsize, flags)
        try:
            data = super().recv(bufsize, flags)
        except BlockingIOError:  # the kernel's time limit
            raise _gone("the request's head did not come in time") from None
        now = time.monotonic()
        if self.started is None:
            self.started = now
        elif now - self.started > HEAD_LIMIT:
            raise _gone("the request's head did not come in time")
        return data

    def _recv_body(self, bufsize: int, flags: int) -> bytes:
        budget = current()
        if budget is None:  # the request is over; gunicorn waits for the client to see it, two seconds at most
            return self._drain() if self.has_body or self._is_readable() else b""
        try:
            self._wait_until(budget.ends)
            return super().recv(bufsize, flags)
        except TimeoutError:
            raise budget.timeout("body") from None

    def _drain(self) -> bytes:
        """Read and discard what the client still sends. Unread data would reset the connection and lose the response."""
        until = time.monotonic() + DRAIN_LIMIT
        while time.monotonic() < until and self.recv_into(_forgotten):
            pass
        return b""

    def _is_readable(self) -> bool:
        self.settimeout(0)
        try:
            return bool(super().recv(1, socket.MSG_PEEK))
        except OSError:  # nothing has come, or the client is gone
            return False

    def sendall(self, data: bytes, flags: int = 0) -> None:  # type: ignore[override]
        if not self._sent:
            flags |= _MORE
        try:
            self._sent += len(data)
            if self._sent > SMALL_ANSWER and self.budget is not None:
                self._wait_until(self.budget.ends + SEND_GRACE)
            super().sendall(data, flags)
        except (TimeoutError, BlockingIOError):
            self.reset()
            raise _gone("the client did not take the answer in time") from None

    def _wait_until(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)


def _gone(reason: str) -> ConnectionResetError:
    # gunicorn takes this one for a client that went away, and closes the connection without a word.
    return ConnectionResetError(errno.ECONNRESET, reason)
