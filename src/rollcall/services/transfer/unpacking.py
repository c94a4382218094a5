"""Recognise the format of a file from its first bytes, and unpack gzip.

A packed file may unpack to many times its size, so the unpacked bytes are bounded. A file's name is never asked: names lie.
"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import BinaryIO, Final

from rollcall.services.transfer.row_stream import Unreadable

MAX_UNPACKED: Final = 1 << 30
"""Bytes that a gzip file may unpack to: about five million users with their hashes."""

_GZIP: Final = b"\x1f\x8b"
ZIP: Final = b"PK\x03\x04"
# How other files begin, and what to do with each.
_FOREIGN: Final = {
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls); save it as .xlsx or CSV",
    b"PK\x05\x06": "an empty ZIP archive",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive; unpack it first",
    b"\xfd7zXZ\0": "packed with xz; unpack it first",
    b"BZh": "packed with bzip2; unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"%PDF": "a PDF; export the table as CSV",
    b"SQLite format 3\0": "an SQLite database; export the table of users as CSV",
    b"PGDMP": "a dump of PostgreSQL; export the table of users as CSV",
    b"{\\rtf": "a text document; save the table as CSV",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
}
_TAR: Final = (257, b"ustar")
_MARKUP: Final = (b"<!doctype", b"<html", b"<?xml", b"<table")
PEEKED: Final = 512


def unpacked(source: BinaryIO) -> BinaryIO:
    """Return the file, or the content of a gzip file. Both can be read again from their beginning.

    :raises Unreadable: the file is of a kind that holds no users.
    """
    if peek(source).startswith(_GZIP):
        source = _Unpacked(source)
    begin = peek(source)
    for magic, kind in _FOREIGN.items():
        if begin.startswith(magic):
            raise Unreadable(1, "invalid_format", f"The file is {kind}.", is_row=False)
    if begin[_TAR[0] :].startswith(_TAR[1]):
        raise Unreadable(1, "invalid_format", "The file is a tar archive; unpack it first.", is_row=False)
    if begin.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_MARKUP):
        raise Unreadable(1, "invalid_format", "The file is HTML or XML; export the table as CSV or JSON.", is_row=False)
    return source


def peek(source: BinaryIO) -> bytes:
    """Return the first bytes, and go back to the beginning."""
    source.seek(0)
    begin = source.read(PEEKED)
    source.seek(0)
    return begin


class _Unpacked(io.RawIOBase, BinaryIO):
    """The content of a gzip file, with a bound."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._content = gzip.GzipFile(fileobj=source, mode="rb")
        self._read = 0

    def read(self, size: int = -1, /) -> bytes:
        try:
            data = self._content.read(size if size >= 0 else MAX_UNPACKED + 1)
        except (OSError, EOFError, zlib.error):
            raise Unreadable(1, "invalid_format", "The gzip file is damaged or incomplete.", is_row=False) from None
        self._read += len(data)
        if self._read > MAX_UNPACKED:
            message = f"The file unpacks to more than {MAX_UNPACKED >> 20:,} MiB. Unpack it, and import it in parts."
            raise Unreadable(1, "too_long", message, is_row=False)
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go back to the beginning; nothing else is needed."""
        if offset or whence:
            raise io.UnsupportedOperation
        self._source.seek(0)
        self._content = gzip.GzipFile(fileobj=self._source, mode="rb")
        self._read = 0
        return 0

    def tell(self) -> int:
        """Return the bytes of the packed file that were read, for the progress."""
        return self._source.tell()
