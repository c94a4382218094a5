"""Cancel a statement at the server without an unbounded wait for the network.

psycopg2's own ``connection.cancel()`` connects to the server while it holds the GIL, for as long as the network takes.
libpq 17 can do the same without blocking (``PQcancelStart``, ``PQcancelPoll``; PostgreSQL manual, 32.7 "Canceling
Queries in Progress"); psycopg2 does not expose that, so it is called in psycopg2's own
library (infra/libpq).
"""

from __future__ import annotations

import ctypes
import select
from typing import Any

from rollcall.infra import libpq

_FAILED, _READING, _WRITING, _OK = range(4)  # PostgresPollingStatusType in libpq-fe.h


def _load() -> ctypes.CDLL | None:
    library = libpq.LIBRARY
    try:
        library.PQcancelCreate.restype = ctypes.c_void_p  # type: ignore[union-attr]
    except AttributeError:  # libpq before 17
        return None
    assert library is not None  # noqa: S101
    library.PQcancelCreate.argtypes = [ctypes.c_void_p]
    library.PQcancelFinish.restype = None
    for function in (library.PQcancelStart, library.PQcancelPoll, library.PQcancelSocket, library.PQcancelFinish):
        function.argtypes = [ctypes.c_void_p]
    return library


_LIBPQ = _load()


class Cancel:
    """One request to cancel the statement of a connection. Call ``step`` whenever its socket is ready.

    Where libpq is older than 17 it fails at once: the caller then closes the connection, and the server ends the
    statement when it looks after its client (``client_connection_check_interval``).

    :param connection: a psycopg2 connection, owned by the calling thread.
    """

    def __init__(self, connection: Any) -> None:
        self._state = _FAILED
        self._handle = _LIBPQ.PQcancelCreate(connection.pgconn_ptr) if _LIBPQ else None
        if _LIBPQ and self._handle and _LIBPQ.PQcancelStart(self._handle):
            self._state = _WRITING

    @property
    def sent(self) -> bool:
        """Return whether the server has acted on the request, so that it can no longer reach a later statement."""
        return self._state == _OK

    @property
    def pending(self) -> bool:
        return self._state in (_READING, _WRITING)

    def step(self) -> None:
        """Continue as far as possible without waiting."""
        if _LIBPQ and self.pending:
            self._state = _LIBPQ.PQcancelPoll(self._handle)

    def interest(self) -> list[tuple[int, int]]:
        """Return the file descriptor to wait for and its events (see :func:`select.poll`); none when there is nothing to do."""
        if not _LIBPQ or not self.pending:
            return []
        events = select.POLLIN if self._state == _READING else select.POLLOUT
        return [(_LIBPQ.PQcancelSocket(self._handle), events)]

    def close(self) -> None:
        if _LIBPQ and self._handle:
            _LIBPQ.PQcancelFinish(self._handle)
            self._handle = None
