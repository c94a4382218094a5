"""``flask setup-link``: the way to the first superuser, for who runs the service."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from rollcall.cli.console import plain_failures
from rollcall.infra.database import session
from rollcall.services.users import first_superuser


@click.command("setup-link")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, metavar="URL", help="Where the service is reached.")
@with_appcontext
def setup_link(url: str) -> None:
    """Print the link that makes the first superuser in the browser; nothing once there is one."""
    with plain_failures():
        if first_superuser.is_needed(session()):
            click.echo("There is no superuser yet. Open this link to make the first; it works once:", err=True)
            click.echo(url.rstrip("/") + first_superuser.link_path(str(current_app.secret_key)))
