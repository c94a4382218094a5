"""Write password links as a file for a mail merge: CSV that any spreadsheet program opens, or NDJSON; in constant memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from rollcall.services.transfer.exports import BOM, ROWS_PER_CHUNK, ExportFormat, write_cells
from rollcall.services.users.password_links import COLUMNS, Links

PATH: Final = "/password"
"""Where the page is on which people set their password."""


def url(base: str, token: str) -> str:
    """Return the address of a link. A browser sends the part behind ``#`` to no server, so no log and no referrer has it."""
    return f"{base}{PATH}#{token}"


def rows(recipients: Iterable[Sequence[Any]], links: Links, base: str) -> Iterator[tuple[str, ...]]:
    """Return a row of ``COLUMNS`` for each user.

    :param recipients: id, e-mail address, username and full name of each user.
    :param base: the address that people see.
    """
    expires = links.expires_at.isoformat()
    for user_id, email, username, full_name in recipients:
        yield full_name or username, email, username, url(base, links.tokens[user_id]), expires


def written(found: Iterable[tuple[str, ...]], file_format: ExportFormat, *, for_spreadsheets: bool = False) -> Iterator[bytes]:
    """Write links in pieces of whole lines.

    :param for_spreadsheets: begin CSV with a byte order mark, as Excel needs it.
    """
    header = ",".join(COLUMNS) + "\r\n" if file_format == "csv" else ""
    if header and for_spreadsheets:
        header = BOM + header
    remaining = iter(found)
    while (chunk := list(islice(remaining, ROWS_PER_CHUNK))) or header:
        yield (header + (write_cells(chunk) if file_format == "csv" else _ndjson(chunk))).encode()
        header = ""


def _ndjson(chunk: list[tuple[str, ...]]) -> str:
    return "".join(json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) + "\n" for row in chunk)
