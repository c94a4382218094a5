"""``flask stats``: the six numbers, and whether they are right."""

from __future__ import annotations

import json

import click

from rollcall.cli.console import CommandGroup, counted
from rollcall.infra import runtime
from rollcall.infra.database import transaction
from rollcall.services.statistics import numbers, tally
from rollcall.services.transfer import bulk_copy

stats = CommandGroup("stats", help="Statistics of the users.")


@stats.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(as_json: bool) -> None:
    """Print the statistics, fresh from the database."""
    with transaction() as session:
        figures = numbers.compute(session, runtime.now()).as_dict()
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        number = f"{value:>15,}" if isinstance(value, int) else value
        click.echo(f"{name.replace('_', ' '):<16}{number}")


@stats.command()
@click.option("--repair", is_flag=True, help="Rebuild the tally where it differs.")
def verify(repair: bool) -> None:
    """Count the users, and compare with the tally that the statistics are read from."""
    with transaction() as session:
        bulk_copy.prepare(session.connection())
        differences = tally.verify(session)
    if not differences:
        click.echo("The tally agrees with the users.")
        return
    for group in differences:
        state = f"{'active' if group.is_active else 'inactive'}{' superusers' if group.is_superuser else ''}"
        click.echo(f"{group.day or 'all days,'} {state}: tallied {group.tallied:,}, counted {group.counted:,}")
    if not repair:
        raise click.ClickException(
            f"The tally is wrong in {counted(len(differences), 'group')}; 'flask stats verify --repair' rebuilds it."
        )
    with transaction() as session:
        bulk_copy.prepare(session.connection())
        tally.repair(session)
    click.echo("Rebuilt the tally from the users.")
