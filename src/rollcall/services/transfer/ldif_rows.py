"""Reading users from LDIF (RFC 2849): one entry of attributes for each user, and lines that may be folded or base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import BinaryIO, Final

from rollcall.services.transfer.row_stream import MAX_ROW, Row, RowProblem, lines

_PERSONS: Final = frozenset(
    {
        "person",
        "inetorgperson",
        "organizationalperson",
        "user",
        "posixaccount",
        "account",
        "simplesecurityobject",
        "shadowaccount",
    }
)
_NO_USERS: Final = frozenset(
    {"group", "groupofnames", "posixgroup", "computer", "organizationalunit", "dcobject", "organization"}
)


def is_ldif(begin: bytes) -> bool:
    """Return whether a file begins as LDIF does."""
    for raw in begin.removeprefix(b"\xef\xbb\xbf").splitlines():
        line = raw.strip().lower()
        if line and not line.startswith(b"#"):
            return line.startswith((b"dn:", b"version: 1", b"version:1"))
    return False


def read(source: BinaryIO) -> Iterator[Row | RowProblem]:
    """Read the entries. An entry that is no person (a group, a unit, a computer) is skipped."""
    for start, entry in _entries(source):
        found = _row(start, entry)
        if found is not None:
            yield found


def _entries(source: BinaryIO) -> Iterator[tuple[int, list[bytes]]]:
    entry: list[bytes] = []
    start = 1
    size = 0
    for number, raw in enumerate(lines(source), 1):
        line = raw.rstrip(b"\r\n")
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line.strip():
            if entry:
                yield start, entry
            entry, size = [], 0
        elif line.startswith(b" ") and entry and size < MAX_ROW:
            entry[-1] += line[1:]
            size += len(line)
        else:
            if not entry:
                start = number
            entry.append(line)
            size += len(line)
    if entry:
        yield start, entry


def _row(start: int, entry: list[bytes]) -> Row | RowProblem | None:
    values: dict[str, object] = {}
    for line in entry:
        if line.startswith((b"#", b"version:")):
            continue
        name, colon, rest = line.partition(b":")
        if not colon:
            return RowProblem(start, "", "invalid_syntax", "An attribute of this entry has no colon.")
        attribute = name.split(b";")[0].decode("utf-8", "replace").strip()
        try:
            value = base64.b64decode(rest[1:].strip(), validate=True) if rest.startswith(b":") else rest.strip()
            text = value.decode("utf-8")
        except binascii.Error:
            return RowProblem(start, "", "invalid_syntax", "An attribute of this entry is not valid base64.")
        except UnicodeDecodeError:
            continue  # a picture or a certificate
        _add(values, attribute, text)
    kinds = values.get("objectClass", values.get("objectclass", []))
    classes = {each.lower() for each in (kinds if isinstance(kinds, list) else [str(kinds)])}
    if "dn" not in values or (classes & _NO_USERS and not classes & (_PERSONS - {"user"})) or "computer" in classes:
        return None
    change = values.pop("changetype", "add")
    if change != "add":
        return RowProblem(start, "", "invalid_syntax", "This entry changes or deletes a user. Export the entries themselves.")
    return Row(start, values)


def _add(values: dict[str, object], attribute: str, text: str) -> None:
    before = values.get(attribute)
    if before is None:
        values[attribute] = text
    elif isinstance(before, list):
        before.append(text)
    else:
        values[attribute] = [before, text]
