"""How a file of users is read: the choices of the caller, for the command line and the import page alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import StrEnum


class FileFormat(StrEnum):
    """The formats of files that an import reads."""

    CSV = "csv"
    NDJSON = "ndjson"
    JSON = "json"
    LDIF = "ldif"
    HTPASSWD = "htpasswd"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read one file. The defaults leave every choice to the content of the file.

    :ivar file_format: the format; ``None``: recognise it from the content.
    :ivar encoding: the encoding, as Python names it; ``None``: detect it, and refuse a text whose encoding is not certain.
    :ivar source: the name of a source (``sources.SOURCES``), or ``auto``: recognise it by its columns.
    :ivar mapping: for fields of ours, an expression of columns, such as ``First name+Last name`` or ``!blocked``.
    :ivar ignored: columns that are not used.
    :ivar ignore_unknown: whether every column that nobody knows is ignored.
    :ivar timezone: the time zone of times without an offset; ``None``: such times are refused.
    :ivar hash_config: the parameters that a source keeps outside its file, such as Firebase's signer key.
    """

    file_format: FileFormat | None = None
    encoding: str | None = None
    source: str = "auto"
    mapping: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    ignore_unknown: bool = False
    timezone: tzinfo | None = None
    hash_config: Mapping[str, str] = field(default_factory=dict)
