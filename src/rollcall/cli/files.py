"""The files that commands read and write: standard input and output, complete files or none, progress."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from rollcall.cli.console import progress_bar

_SPOOLED = 1 << 20  # bytes in memory
_LABELS = {"reading": "Reading", "hashing": "Hashing passwords", "writing": "Writing"}


@contextmanager
def open_source(file: str) -> Iterator[BinaryIO]:
    """Open a file, or standard input for ``-``.

    An import reads a file more than once, so what cannot be read again (a pipe) is copied to a temporary file without a name.
    """
    with Path(file).open("rb") if file != "-" else nullcontext(sys.stdin.buffer) as source:
        if file != "-" and source.seekable():
            yield source
            return
        with tempfile.SpooledTemporaryFile(_SPOOLED) as copy:
            shutil.copyfileobj(source, copy)
            copy.seek(0)
            yield cast(BinaryIO, copy)


@contextmanager
def written(file: str) -> Iterator[BinaryIO]:
    """Write a file that appears, for nobody but its owner, when it is complete; ``-`` is standard output.

    What is there and is no regular file (a pipe, a device) is written to directly.
    """
    if file == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(os.path.realpath(file))
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        with target.open("wb") as direct:
            yield direct
        return
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        error.filename = file
        raise
    try:
        with os.fdopen(descriptor, "wb") as beside:
            yield beside
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise


class ImportProgress(AbstractContextManager["ImportProgress"]):
    """A bar for each stage of an import: bytes read, passwords hashed."""

    def __init__(self, file: str, source: BinaryIO) -> None:
        self._source = source
        self._stage = ""
        self._done = 0
        self._bar = ExitStack()
        self._size = 0 if file == "-" else Path(file).stat().st_size  # of a pipe 0, too

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def close(self) -> None:
        """End the bar, so that lines can be printed."""
        self._bar.close()

    def update(self, stage: str, done: int, total: int | None) -> None:
        """Show the progress. The import calls this."""
        if stage == "reading" and self._size:
            done, total = self._source.tell(), self._size
        if stage != self._stage:
            self._bar.close()
            self._stage, self._done = stage, 0
            self._advance = self._bar.enter_context(progress_bar(_LABELS[stage], total))
        self._advance(done - self._done)
        self._done = done
