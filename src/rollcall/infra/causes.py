"""Reasons why PostgreSQL is unavailable: a short reason from the driver's error, a log entry, a sentence for the operator.

The driver's texts contain hosts, users and databases, in the server's language, so they are not passed on.
psycopg2 gives no SQLSTATE for a connection that was refused. :func:`ask_for_codes` has libpq write it into the text.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, Final

import psycopg2

from rollcall.errors import DatabaseUnavailable
from rollcall.infra import libpq

SILENT: Final = "silent"
EMBEDDED: Final = "embedded"  # the cause of the exception says more
_UNREACHABLE: Final = "unreachable"
_LOOK: Final = "look at DATABASE_URL and at the server"

# By SQLSTATE (PostgreSQL manual, appendix A) or by one of our own reasons: what happened, and what to do.
_CAUSES: Final = {
    "28P01": ("PostgreSQL refuses the password, or the role", "check user and password in DATABASE_URL"),
    "28000": ("PostgreSQL does not let this role in", "check the user in DATABASE_URL, and pg_hba.conf, which may ask for TLS"),
    "3D000": ("The database does not exist", "check its name in DATABASE_URL, or create it"),
    "42501": ("The role may not connect to this database", "grant it CONNECT"),
    "53300": ("PostgreSQL has too many clients", "raise max_connections, or lower WEB_CONCURRENCY or ROLLCALL_POOL_SIZE"),
    "53100": ("The disk of PostgreSQL is full", "free space"),
    "57P03": ("PostgreSQL is starting up or shutting down", "try again soon"),
    "57P01": ("PostgreSQL is shutting down, or has ended the connection", "try again soon"),
    "25006": ("PostgreSQL can only be read", "it is a standby, or set to read-only: name the primary in DATABASE_URL"),
    "55P03": ("PostgreSQL could not get a lock", "try again"),
    "40001": ("PostgreSQL could not serialize the transaction", "try again"),
    "40P01": ("PostgreSQL ended a deadlock", "try again"),
    SILENT: ("PostgreSQL does not answer", _LOOK),
    "tls": ("The TLS connection to PostgreSQL failed", "check sslmode and the certificates"),
    "unknown host": ("The host name of PostgreSQL is not known", "check the host in DATABASE_URL"),
    "role of the server": ("No host in DATABASE_URL has the role that target_session_attrs asks for", _LOOK),
    "no free connection": ("All connections of this worker's pool are in use", "raise ROLLCALL_POOL_SIZE"),
    "paused": ("PostgreSQL did not answer several times, and is left alone for a moment", _LOOK),
    _UNREACHABLE: ("PostgreSQL cannot be reached, or has ended the connection", _LOOK),
}
_CODE = re.compile(r":\s+([0-9A-Z]{5})(?:$|[:\s])", re.MULTILINE)
# libpq's own words, which it translates only in a build with NLS.
_WORDS = (
    ("SSL", "tls"),
    ("certificate", "tls"),
    ("translate host name", "unknown host"),
    ("session is ", "role of the server"),
    ("server is ", "role of the server"),
    ("timeout expired", SILENT),
    ("did not answer", SILENT),
)

_SQLSTATE_ONLY, _DEFAULT = 3, 1  # PGVerbosity in libpq-fe.h


def ask_for_codes(connection: Any, *, codes: bool) -> None:
    """Have libpq write SQLSTATEs in place of texts into its errors, while a connection is being made."""
    if libpq.LIBRARY:
        libpq.LIBRARY.PQsetErrorVerbosity(ctypes.c_void_p(connection.pgconn_ptr), _SQLSTATE_ONLY if codes else _DEFAULT)


def reason(error: psycopg2.Error) -> str:
    """Return the SQLSTATE, or one of our own reasons."""
    if error.pgcode:
        return error.pgcode
    text = str(error)
    if found := _CODE.search(text):
        return found[1]
    return next((word for part, word in _WORDS if part in text), _UNREACHABLE)


def logged(error: DatabaseUnavailable) -> str:
    """Return the cause for a log line, with the SQLSTATE if there is one."""
    if error.reason == EMBEDDED:
        return str(error.__cause__)
    what, _ = _cause(error.reason)
    return f"{what} (SQLSTATE {error.reason})" if _is_code(error.reason) else what


def sentence(error: DatabaseUnavailable) -> str:
    """Return the cause and the remedy, for the operator at the command line."""
    _, what_to_do = _cause(error.reason)
    return f"{logged(error)}; {what_to_do}."


def is_final(reason: str) -> bool:
    """Return whether a server has refused the connection, so that no other host of the list is tried."""
    return _is_code(reason) and not reason.startswith("57P")


def _cause(reason: str) -> tuple[str, str]:
    return _CAUSES.get(reason) or _CAUSES[_UNREACHABLE]


def _is_code(reason: str) -> bool:
    return bool(re.fullmatch(r"[0-9A-Z]{5}", reason))
