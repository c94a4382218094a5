"""``flask setup-link``: the operator's way to the first superuser."""

from __future__ import annotations

import errno
import socket

import click
from flask import current_app
from flask.cli import with_appcontext
from gunicorn.util import parse_address

from rollcall.cli import addresses
from rollcall.cli.console import plain_failures
from rollcall.infra import runtime
from rollcall.infra.database import session
from rollcall.models import User
from rollcall.services.users import first_superuser


@click.command("setup-link")
@click.option(
    "--url",
    metavar="URL",
    help="Where people reach the service. By default ROLLCALL_PUBLIC_URL.",
)
@click.option("--before-start", is_flag=True, help="Fail if another program already listens on the address of the service.")
@with_appcontext
def setup_link(url: str | None, before_start: bool) -> None:
    """Print the link that creates the first superuser in the browser, or say why there is none."""
    with plain_failures():
        bind = runtime.settings().bind
        if before_start:
            _require_free(bind)
        superuser = first_superuser.closed_by(session())
        if superuser is None:
            click.echo("No superuser can log in yet. Open this link to create the first one. It works once:", err=True)
            click.echo((url or addresses.public_url()).rstrip("/") + first_superuser.link_path(str(current_app.secret_key)))
        elif not before_start:
            click.echo(_why_none(superuser), err=True)


def _why_none(superuser: User) -> str:
    name = superuser.username
    if superuser.is_active:
        return f"No set-up link: there is a superuser who can log in: {name}. 'users set-password {name}' sets a new password."
    return f"No set-up link: there is a superuser with a password, though inactive: {name}. 'users activate {name}' helps."


def _require_free(bind: str) -> None:
    """Refuse an address that is taken, before a link to it is printed."""
    match parse_address(bind):
        case (str(host), int(port)):
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
                try:
                    probe.bind((host, port))
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                    message = f"Port {port} of {host} is already in use. Stop the other program, or choose another port:"
                    raise click.ClickException(f"{message} make run PORT={port + 1 if port < 65_535 else 8000}") from None
