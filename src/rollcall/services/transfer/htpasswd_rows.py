"""Reading users from the password files of web servers and Unix: ``name:hash`` on each line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from rollcall.services.transfer.row_stream import Row, RowProblem, lines

COLUMNS: Final = ("user", "hash")
_LINE: Final = re.compile(
    rb"[^:\s,;\t|]+:(?:\$(?:apr1|2[abxy]|1|5|6|y)\$[!-9;-~]{10,}|\{[A-Z0-9-]+\}[!-9;-~]{10,}|[./0-9A-Za-z]{13})(?::[^\n]*)?"
)


def is_htpasswd(begin: bytes) -> bool:
    """Return whether the first line that is no comment is a name and a hash."""
    for raw in begin.splitlines():
        line = raw.strip()
        if line and not line.startswith(b"#"):
            return _LINE.fullmatch(line) is not None
    return False


def read(source: BinaryIO) -> Iterator[Row | RowProblem]:
    """Read the names and hashes; what follows a second colon (in a shadow file) is not used."""
    for number, raw in enumerate(lines(source), 1):
        line = raw.decode("utf-8", "replace").strip()
        if not line or line.startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        if not colon:
            yield RowProblem(number, "", "invalid_syntax", "This line has no colon between a name and a hash.")
            continue
        yield Row(number, dict(zip(COLUMNS, (name, rest.split(":")[0]), strict=True)))
