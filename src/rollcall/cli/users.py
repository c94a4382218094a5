"""``flask users``: create superusers, set passwords, change, import and export users."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from rollcall.cli import existing as existing_users
from rollcall.cli.console import CommandGroup, counted, progress_bar, say_building, shown, transaction
from rollcall.cli.files import ImportProgress, import_format, open_source, written
from rollcall.errors import FieldError, FieldProblem, UserNotFound, ValidationFailed
from rollcall.infra import runtime
from rollcall.infra.database import db, stream_rows
from rollcall.services.normalization import is_storable
from rollcall.services.search import user_search
from rollcall.services.search.user_search import UserFilter
from rollcall.services.statistics import tally
from rollcall.services.transfer import exports, imports, seeds
from rollcall.services.transfer.existing import Existing
from rollcall.services.transfer.exports import ExportFormat
from rollcall.services.transfer.row_files import FileFormat
from rollcall.services.users import directory, fields
from rollcall.services.users.fields import NewUser
from rollcall.services.users.new_passwords import require_impersonal

users = CommandGroup("users", help="Create, change, import and export users.")


@users.command("create-superuser")
@click.option("--username", help="Prompted for if missing.")
@click.option("--email", help="Prompted for if missing.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
def create_superuser(username: str | None, email: str | None, password_stdin: bool) -> None:
    """Create an active superuser."""
    name = _field("username", username, fields.username)
    address = _field("email", email, fields.email)
    name = _field("username", name, lambda given: fields.own_username(given, address))
    password = _new_password(password_stdin)
    new = NewUser(email=address, username=name, password=password, is_superuser=True)
    require_impersonal(password, (name, address))
    with transaction() as session:
        directory.create_user(session, new, None, runtime.now())
    click.echo(f"Created the superuser {name}.")


@users.command("set-password")
@click.argument("user")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of standard input.")
def set_password(user: str, password_stdin: bool) -> None:
    """Set the password of USER, given by username or e-mail address, and end the user's sessions."""
    with transaction() as session:
        found = directory.find_user(session, user)  # before the prompt: a mistyped name is said at once
    password = _new_password(password_stdin)
    with transaction() as session:
        changed = directory.change_user(session, found.id, {"password": password}, None, runtime.now())
        name, active = changed.username, changed.is_active
    click.echo(f"{name} has a new password and is logged out everywhere.")
    if not active:
        click.echo(f"{name} is inactive and cannot log in; 'users activate {name}' changes that.", err=True)


def _new_password(from_stdin: bool) -> str:
    if not from_stdin:
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, value_proc=_asking(fields.password))
        return typed
    line = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    return _field("password", line, fields.password)


def _field(name: str, given: str | None, check: Callable[[str], str]) -> str:
    """Return the valid value of an option, or prompt for it until it is valid."""
    if given is None:
        asked: str = click.prompt(name.capitalize(), value_proc=_asking(check))
        return asked
    try:
        return check(given)
    except FieldError as error:
        raise ValidationFailed([FieldProblem(name, error.type, str(error))]) from error


def _asking(check: Callable[[str], str]) -> Callable[[str], str]:
    def convert(value: str) -> str:
        try:
            return check(value)
        except FieldError as error:
            raise click.BadParameter(str(error)) from error

    return convert


def _switch(command: str, change: dict[str, bool], state: str) -> None:
    def switch(user: str) -> None:
        if not is_storable(user):
            raise UserNotFound(user)
        with transaction() as session:
            found = directory.find_user(session, user)
            changed = directory.change_user(session, found.id, change, None, runtime.now())
        click.echo(f"{changed.username} is now {state}.")

    switch.__doc__ = f"Make USER, given by username or e-mail address, {state}."
    users.command(command)(click.argument("user")(switch))


_switch("promote", {"is_superuser": True}, "a superuser")
_switch("demote", {"is_superuser": False}, "a plain user")
_switch("activate", {"is_active": True}, "active")
_switch("deactivate", {"is_active": False}, "inactive")


@users.command()
@click.argument("count", metavar="N", type=click.IntRange(min=1))
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed makes other users.")
def seed(count: int, seed: int) -> None:
    """Create N synthetic users, who cannot log in."""
    with progress_bar("Seeding", count) as progress, transaction() as session:
        seeds.seed_users(session, count, seed=seed, now=runtime.now(), progress=progress, building=say_building)
    click.echo(f"Created {counted(count, 'user')}.")


@users.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Check everything, write nothing.")
@existing_users.options
def import_users(file: str, dry_run: bool, existing: str, changes_file: str | None) -> None:
    """Import the users of FILE: .csv, .ndjson or .json, or - for standard input. All of them, or none."""
    with (
        open_source(file) as source,
        ImportProgress(file, source) as progress,
        db.engine.connect() as connection,
    ):
        file_format = import_format(file, source)
        report = imports.import_users(
            connection,
            source,
            file_format,
            dry_run=dry_run,
            now=runtime.now(),
            progress=progress.update,
            building=say_building,
            existing=Existing(existing),
            file_name=None if file == "-" else Path(file).name,
        )
        if dry_run and not report.problem_count:
            progress.close()
            existing_users.show_preview(connection, report, changes_file)
    for problem in report.problems:
        click.echo(_line(problem, file_format))
    if hidden := report.problem_count - len(report.problems):
        click.echo(f"… and {hidden:,} more.")
    if report.problem_count:
        raise click.ClickException(f"Nothing was imported: {counted(report.problem_count, 'problem')}.")
    click.echo(existing_users.summary(report, Existing(existing), dry_run=dry_run))


def _line(problem: imports.ImportProblem, file_format: FileFormat) -> str:
    # A JSON array may be one single line.
    place = f"line {problem.line}, user {problem.row}" if file_format is FileFormat.JSON else f"line {problem.line}"
    field = f"{shown(problem.field)}: " if problem.field else ""
    return f"{place}: {field}{shown(problem.message)}"


@users.command("export")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, allow_dash=True))
@click.option("--format", "file_format", type=click.Choice(["csv", "ndjson"]), help="By default as FILE's name says.")
@click.option("--with-hashes", is_flag=True, help="Also write the password hashes. Whoever has them can try passwords.")
def export_users(file: str, file_format: ExportFormat | None, with_hashes: bool) -> None:
    """Export every user to FILE, or - for standard output. FILE appears when it is complete."""
    chosen: ExportFormat = file_format or ("ndjson" if file.endswith(".ndjson") else "csv")
    with transaction() as session:
        count = tally.count(session)
        everybody = user_search.exported(session, UserFilter(sort_order="asc"))
        exports.record(session, chosen, runtime.now(), {}, with_hashes=with_hashes)
    if with_hashes:
        everybody = exports.with_hashes(everybody)
    with progress_bar("Exporting", count) as progress, written(file) as target:
        for chunk in exports.export_rows(stream_rows(everybody), chosen, hashes=with_hashes):
            target.write(chunk)
            progress(exports.ROWS_PER_CHUNK)
