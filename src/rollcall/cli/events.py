"""``flask events``: the security events, for the operator."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from rollcall.cli.console import CommandGroup, shown
from rollcall.errors import FieldError, UserNotFound
from rollcall.infra.database import session
from rollcall.services.events import moments, trail
from rollcall.services.events.kinds import Kind
from rollcall.services.events.shape import Event, represented
from rollcall.services.events.trail import EventFilter
from rollcall.services.normalization import is_storable
from rollcall.services.users import directory

_PAGE = 500

events = CommandGroup("events", help="Security events: log-ins, changes, exports.")


def _moment(_context: click.Context, _parameter: click.Parameter, value: str | None) -> datetime | None:
    try:
        return value and moments.at_a_terminal(value)  # type: ignore[return-value]
    except FieldError as error:
        raise click.BadParameter(str(error)) from error


@events.command("list")
@click.option("--user", metavar="U", help="About this user, given by username, e-mail address or id; also a deleted one.")
@click.option("--type", "kind", type=click.Choice([str(kind) for kind in Kind]), metavar="T", help="Of this type.")
@click.option("--since", metavar="TIME", callback=_moment, help="Not before this date or time (ISO 8601; UTC by default).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_events(user: str | None, kind: str | None, since: datetime | None, as_json: bool) -> None:
    """Print security events, the newest first."""
    work = session()
    user_id = _user_id(work, user) if user is not None else None
    chosen = EventFilter(types=(Kind(kind),) if kind else (), user_id=user_id, after=since)
    position = None
    while True:
        found, position = trail.page(work, chosen, position, _PAGE)
        for event in found:
            click.echo(json.dumps(represented(event), ensure_ascii=False) if as_json else _line(event))
        if position is None:
            return


def _user_id(work: Session, user: str) -> int:
    try:
        return directory.find_user(work, user).id
    except UserNotFound:
        if user.isascii() and user.isdecimal() and len(user) < 19:
            return int(user)
        deleted = trail.deleted_user(work, user) if is_storable(user) else None
        if deleted is None:
            raise
        return deleted


def _line(event: Event) -> str:
    """``2026-01-31T12:00:00+00:00 user_changed root → ann 203.0.113.7 {"is_active": [true, false]}``."""
    subject = event.subject_username
    if event.subject_count is not None:
        subject = f"{event.subject_count} users"
    actor = event.actor_username or "-"
    parts = [event.at.isoformat(timespec="seconds"), event.type, shown(f"{actor} → {subject}" if subject else actor)]
    parts += [event.address] if event.address else []
    return " ".join([*parts, *([_facts(event.changes)] if event.changes else [])])


def _facts(changes: dict[str, Any]) -> str:
    return shown(json.dumps(changes, ensure_ascii=False))
