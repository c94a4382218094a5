"""``flask users import``: read the choices, show how the file was understood, and list what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from rollcall.cli import existing as existing_users
from rollcall.cli.console import counted, say_building, shown
from rollcall.cli.files import ImportProgress, open_source, written
from rollcall.cli.import_links import write_links
from rollcall.cli.users import users
from rollcall.errors import ValidationFailed
from rollcall.infra import runtime
from rollcall.infra.database import db
from rollcall.services.transfer import choices, imports, sources, uploads
from rollcall.services.transfer.existing import Existing
from rollcall.services.transfer.imports import ImportProblem, ImportReport
from rollcall.services.transfer.reading import FileFormat, Reading
from rollcall.services.transfer.recognition import AUTO
from rollcall.services.transfer.user_files import Description

T = TypeVar("T")

_CONFIG_MAX = 1 << 16
_SOURCES = f"auto, {', '.join(sources.BY_NAME)}."
_MAPPING = "Also FIELD=A+B (joined) and FIELD=!A (the opposite)."
_EXISTING = click.Path(exists=True, dir_okay=False)
_WRITTEN = click.Path(dir_okay=False, writable=True)


def _chosen(read: Callable[[Any], T]) -> Callable[[click.Context, click.Parameter, Any], T]:
    """Make a callback of a function of ``choices``."""

    def callback(_context: click.Context, _parameter: click.Parameter, value: Any) -> T:
        try:
            return read(value)
        except ValidationFailed as refusal:
            raise click.BadParameter(refusal.problems[0].message) from None

    return callback


def _config(file: str | None) -> dict[str, str]:
    return choices.hash_config(Path(file).read_text("utf-8", "replace")[:_CONFIG_MAX]) if file else {}


@users.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@click.option("--from", "source", metavar="SOURCE", default=AUTO, callback=_chosen(choices.source), help=_SOURCES)
@click.option("--map", "mapping", metavar="FIELD=COLUMN", multiple=True, callback=_chosen(choices.mapping), help=_MAPPING)
@click.option("--ignore", "ignored", metavar="COLUMN", multiple=True, callback=_chosen(frozenset), help="Do not use this column.")
@click.option("--ignore-unknown", is_flag=True, help="Do not use any column that nobody knows.")
@click.option("--encoding", default="", callback=_chosen(choices.encoding), help="Of a text that is not UTF-8.")
@click.option("--timezone", default="", callback=_chosen(choices.timezone), help="Of times without an offset: Europe/Berlin.")
@click.option("--hash-config", type=_EXISTING, callback=_chosen(_config), help="The parameters of Firebase's hashes.")
@click.option("--bad-rows", type=_WRITTEN, help="Import the good rows, and write the others to this CSV file.")
@click.option("--password-links", type=_WRITTEN, help="Write links for the new users without a password to this CSV file.")
@existing_users.options
def import_users(
    file: str,
    *,
    dry_run: bool,
    bad_rows: str | None,
    password_links: str | None,
    existing: str,
    changes_file: str | None,
    **chosen: Any,
) -> None:
    """Import the users of FILE, or of standard input (-). All of them, or none.

    The format is recognised from the content: CSV, .xlsx, NDJSON, JSON, LDIF, htpasswd, and gzip of these.
    """
    if dry_run and password_links:
        raise click.UsageError("With --dry-run no links can be made: nobody is created. Leave out one of the two.")
    reading, mode = Reading(**chosen), Existing(existing)
    now = runtime.now()
    with open_source(file) as content, ImportProgress(file, content) as progress, db.engine.connect() as connection:
        if bad_rows:
            with written(bad_rows) as target:
                uploads.write_bad_rows(connection, content, reading, target, now=now, check=lambda: None, existing=mode)
            content.seek(0)
        report = imports.import_users(
            connection,
            content,
            reading,
            dry_run=dry_run,
            now=now,
            progress=progress.update,
            building=say_building,
            existing=mode,
            only_good=bad_rows is not None,
            file_name=None if file == "-" else Path(file).name,
        )
        if dry_run and (bad_rows or not report.problem_count):
            progress.close()
            existing_users.show_preview(connection, report, changes_file)
    _tell(report, existing_users.summary(report, mode, dry_run=dry_run), bad_rows)
    if password_links:
        write_links(password_links, report.operation_id)


def _tell(report: ImportReport, sentence: str, bad_rows: str | None) -> None:
    if report.file is not None:
        _describe(report.file)
    for problem in report.problems:
        click.echo(_line(problem, report.file))
    if hidden := report.problem_count - len(report.problems):
        click.echo(f"… and {hidden:,} more.")
    if not report.problem_count:
        click.echo(sentence)
    elif bad_rows and not report.file_problems:
        click.echo(f"{sentence} {counted(report.bad_rows, 'bad row')} in {shown(bad_rows)}.")
    else:
        raise click.ClickException(f"Nothing was imported: {counted(report.problem_count, 'problem')}.")


def _describe(file: Description) -> None:
    """Say on standard error how a foreign file was understood."""
    if file.source is sources.ROLLCALL and not file.ignored:
        return
    if file.source is not sources.ROLLCALL:
        fields = ", ".join(f"{each.name} from {' or '.join(choice.text for choice in each.choices)}" for each in file.fields)
        click.echo(f"Read as {file.source.label}: {shown(fields, 2_000)}.", err=True)
    if ignored := [name for name in file.ignored if name not in ("id", "updated_at", "last_login_at", "line", "reason")]:
        click.echo(f"Ignored: {shown(', '.join(sorted(ignored)), 2_000)}.", err=True)
    if file.skipped:
        click.echo(f"Skipped {counted(file.skipped, 'record')} that are no users.", err=True)


def _line(problem: ImportProblem, file: Description | None) -> str:
    # A JSON array may be one single line.
    is_json = file is not None and file.opened.file_format is FileFormat.JSON and problem.row
    place = f"line {problem.line}, user {problem.row}" if is_json else f"line {problem.line}"
    field = f"{shown(problem.field)}: " if problem.field else ""
    return f"{place}: {field}{shown(problem.message, 1_000)}"
