"""``users import --existing``: the option, what became of users who were there, and the preview of what would change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from sqlalchemy import Connection

from rollcall.cli.console import counted, shown
from rollcall.cli.files import written
from rollcall.services.transfer import change_preview
from rollcall.services.transfer.change_preview import UserChange
from rollcall.services.transfer.existing import Existing
from rollcall.services.transfer.imports import ImportReport


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--existing`` and ``--changes`` to the command."""
    existing = click.option(
        "--existing",
        type=click.Choice([str(mode) for mode in Existing]),
        default=str(Existing.FAIL),
        show_default=True,
        help="Users who are there by e-mail address or username: refuse the file, skip them, or update the given fields.",
    )
    changes = click.option(
        "--changes",
        "changes_file",
        type=click.Path(dir_okay=False, writable=True, allow_dash=True),
        help="With --dry-run and --existing update: write all changes, old and new, as CSV.",
    )
    return existing(changes(command))


def show_preview(connection: Connection, report: ImportReport, changes_file: str | None) -> None:
    """Print what the first rows would change, and write all of it to a file if there is to be one."""
    for change in report.changes:
        click.echo(_line(change))
    if hidden := report.changed - len(report.changes):
        click.echo(f"… and changes of {counted(hidden, 'more user')}.")
    if changes_file:
        with written(changes_file) as target:
            change_preview.write(connection, target, check=lambda: None)


def summary(report: ImportReport, existing: Existing, *, dry_run: bool) -> str:
    """Return the sentence at the end of an import."""
    done = counted(report.created, "user")
    if existing is Existing.FAIL:
        return f"{done} would be imported." if dry_run else f"Imported {done}."
    rest = f"changed {report.changed:,}, left {report.left:,} as they were"
    return f"Would have imported {done}, {rest}." if dry_run else f"Imported {done}, {rest}."


def _line(change: UserChange) -> str:
    fields = [
        "a new password"
        if each.field == "password"
        else f"{each.field}: {change_preview.shown(each.old) or 'nothing'} → {change_preview.shown(each.new) or 'nothing'}"
        for each in change.fields
    ]
    return shown(f"line {change.line}, {change.username}: {'; '.join(fields)}")
