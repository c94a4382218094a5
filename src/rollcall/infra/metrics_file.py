"""Memory-mapped files for the metrics that survive a full disk and a deleted folder.

prometheus_client makes sparse files. A write to a page that the disk has no room for is a SIGBUS, which kills the
worker. Here the space of a file is allocated before the file is mapped; where that fails, the values are kept in memory.
"""

from __future__ import annotations

import logging
import mmap
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from rollcall.infra import state, throttled_log

log = logging.getLogger(__name__)

_INITIAL_SIZE: Final = 1 << 16
_LARGEST_OVERHEAD: Final = 4 + 8 + 16  # of an entry, beside its key: length, padding, value and time


class MetricsFile(MmapedDict):
    """prometheus_client's file of one process, or anonymous memory where the file cannot be used."""

    _f: Any
    _m: Any

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        try:
            _allocate(filename)
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
        except OSError as error:
            _warn(error)
            with suppress(OSError):
                Path(filename).unlink()
            self._use_memory(filename)

    def _use_memory(self, filename: str) -> None:
        self._f, self._fname = None, filename
        self._capacity, self._used = _INITIAL_SIZE, 8
        self._m = mmap.mmap(-1, self._capacity)
        self._m[:4] = struct.pack("i", self._used)
        self._positions = {}

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + _LARGEST_OVERHEAD > self._capacity:
            self._grow()
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grow(self) -> None:
        capacity = 2 * self._capacity
        try:
            if self._f is not None:
                _reserve(self._f.fileno(), capacity)
                self._m = mmap.mmap(self._f.fileno(), capacity)
        except OSError as error:
            _warn(error)
            self._f.close()  # scrapes go on reading what it holds
            self._f = None
        if self._f is None:
            larger = mmap.mmap(-1, capacity)
            larger[: self._used] = self._m[: self._used]
            self._m = larger
        self._capacity = capacity


def install() -> None:
    """Make prometheus_client use these files. Call it before the first metric is created."""
    setattr(values, "MmapedDict", MetricsFile)  # noqa: B010  (the library does not declare it)


def _allocate(filename: str) -> None:
    state.make_private(Path(filename).parent)  # it may have been deleted while the service runs
    descriptor = os.open(filename, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _reserve(descriptor, max(_INITIAL_SIZE, os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS: as prometheus_client does it
        os.ftruncate(descriptor, size)


def _warn(error: OSError) -> None:
    throttled_log.warn(
        log, "metrics", "metrics cannot be written to ROLLCALL_HOME (%s): this worker keeps its own in memory", error.strerror
    )
