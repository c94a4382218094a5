"""The files that commands read and write: standard input and output, formats, complete files or none, progress."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import click

from rollcall.cli.console import progress_bar
from rollcall.services.transfer.reading import FileFormat
from rollcall.services.transfer.row_files import format_of

_SUFFIXES = ", ".join(f".{known}" for known in FileFormat)
_LABELS = {"reading": "Reading", "hashing": "Hashing passwords", "writing": "Writing"}


@contextmanager
def open_source(file: str) -> Iterator[io.BufferedReader]:
    """Open a file, or standard input for ``-``."""
    if file != "-":
        with Path(file).open("rb") as source:
            yield source
        return
    peekable = io.BufferedReader(cast(Any, sys.stdin.buffer))
    try:
        yield peekable
    finally:
        peekable.detach()  # Standard input is not ours to close.


def import_format(file: str, source: io.BufferedReader) -> FileFormat:
    """The format by the file's name; of standard input, by its first character.

    :raises click.BadParameter: the name says nothing.
    """
    if file != "-":
        try:
            return FileFormat(Path(file).suffix.lower().removeprefix("."))
        except ValueError:
            raise click.BadParameter(f"{file!r} does not end in one of {_SUFFIXES}.", param_hint="FILE") from None
    return format_of(source.peek(1))


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
        self._size = 0 if file == "-" else Path(file).stat().st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def update(self, stage: str, done: int, total: int | None) -> None:
        """To be called by the import."""
        if stage == "reading" and self._size:
            done, total = self._source.tell(), self._size
        if stage != self._stage:
            self._bar.close()
            self._stage, self._done = stage, 0
            self._advance = self._bar.enter_context(progress_bar(_LABELS[stage], total))
        self._advance(done - self._done)
        self._done = done
