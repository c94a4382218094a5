"""``flask setup-link``: the operator's way to the first superuser."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from rollcall.cli.console import plain_failures
from rollcall.infra.database import session
from rollcall.models import User
from rollcall.services.users import first_superuser


@click.command("setup-link")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, metavar="URL", help="Where the service is reached.")
@with_appcontext
def setup_link(url: str) -> None:
    """Print the link that creates the first superuser in the browser, or say why there is none."""
    with plain_failures():
        superuser = first_superuser.closed_by(session())
        if superuser is None:
            click.echo("No superuser can log in yet. Open this link to create the first; it works once:", err=True)
            click.echo(url.rstrip("/") + first_superuser.link_path(str(current_app.secret_key)))
        else:
            click.echo(_why_none(superuser), err=True)


def _why_none(superuser: User) -> str:
    name = superuser.username
    if superuser.is_active:
        return f"No set-up link: there is a superuser who can log in: {name}. 'users set-password {name}' sets a new password."
    return f"No set-up link: there is a superuser with a password, though inactive: {name}. 'users activate {name}' helps."
