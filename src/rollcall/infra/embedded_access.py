"""Access to the embedded PostgreSQL: only for root and the account of the service, authenticated by the operating system.

Where the service runs as root, the server runs as another account, often ``nobody``, which other services use as well. The
mode of the socket's folder does not keep those out, since the folder is theirs. So PostgreSQL asks the system for the
account on the other end of the socket ("peer"), and a map (``pg_ident.conf``) lists the two accounts that may enter, as any
role. No password exists that could leak.

The account that owns the data can still read the files, as with any database. An account of its own (``rollcall``) avoids
that; see docs/ARCHITECTURE.md.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from rollcall.infra import embedded_cluster as cluster
from rollcall.infra.embedded_cluster import Account, EmbeddedError

_HEAD: Final = "# Written by Rollcall (infra/embedded_access); changes are overwritten.\n"
_RULES: Final = _HEAD + "local all all peer map=rollcall\nlocal replication all peer map=rollcall\n"
_IN_EFFECT: Final = "# The running server knows these lines.\n"
"""Written last: a process that is killed between the other lines and the reload leaves the work to the next one."""


def is_restricted(data: Path) -> bool:
    """Return whether the rules are in the data folder, and known to the server that runs in it."""
    return _read(data / "pg_hba.conf") == _RULES + _IN_EFFECT and _read(data / "pg_ident.conf") == _map()


def restrict(data: Path, account: Account | None, reload: Callable[[], None]) -> None:
    """Write the rules, whatever was there before, and let a running server read them. Open connections stay open.

    :param data: the data folder; the caller holds the lock of the state folder.
    :param account: who owns the data, if it is not the account that is running.
    :param reload: tells the server, if one runs, to read its files.
    """
    if is_restricted(data):
        return
    _write(data / "pg_ident.conf", _map(), account)
    _write(data / "pg_hba.conf", _RULES, account)
    reload()
    _write(data / "pg_hba.conf", _RULES + _IN_EFFECT, account)


@cache
def _map() -> str:
    names = dict.fromkeys(name for number in (0, os.geteuid()) if (name := _name(number)))
    if _name(os.geteuid()) is None:
        message = f"Account number {os.geteuid()} has no name here (/etc/passwd): add one, or set DATABASE_URL."
        raise EmbeddedError(message)
    return _HEAD + "".join(f'rollcall "{name}" all\n' for name in names)


def _name(number: int) -> str | None:
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return None


def _read(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text("utf-8", "replace")
    return ""


def _write(path: Path, text: str, account: Account | None) -> None:
    # As the owner of the folder, who could otherwise lead root to write elsewhere by a link.
    script = 'cat >"$1.new" && mv -f -- "$1.new" "$1"'
    cluster.run(["/bin/sh", "-c", script, "sh", str(path)], account, feed=text)
