"""``flask embedded``: the PostgreSQL that the service brings itself and that outlives every process that uses it."""

from __future__ import annotations

import click

from rollcall.cli.console import CommandGroup
from rollcall.infra import embedded as server
from rollcall.infra import runtime

embedded = CommandGroup("embedded", help="The PostgreSQL that runs where DATABASE_URL is not set.")


@embedded.command()
def stop() -> None:
    """Stop it; the next command or request starts it again."""
    server.stop(runtime.settings().home)
    click.echo("The embedded PostgreSQL is stopped.")
