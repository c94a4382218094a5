"""``flask tokens``: API tokens, for the operator."""

from __future__ import annotations

from datetime import datetime

import click

from rollcall.cli.console import CommandGroup, shown, transaction
from rollcall.errors import FieldError, FieldProblem, ValidationFailed
from rollcall.infra import runtime
from rollcall.infra.database import session
from rollcall.services.identity import tokens as service
from rollcall.services.identity.scopes import Scope
from rollcall.services.identity.tokens import NewToken, TokenRecord
from rollcall.services.users import directory

_PAGE = 500

tokens = CommandGroup("tokens", help="Create, list and revoke API tokens.")


@tokens.command("create")
@click.option("--user", metavar="U", required=True, help="The owner, given by username or e-mail address.")
@click.option("--name", metavar="N", required=True, help="By which the owner knows it again.")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice([str(scope) for scope in Scope]), metavar="S")
@click.option("--days", type=click.IntRange(1, service.DAYS_MAX), help="By default it does not expire.")
def create_token(user: str, name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Create an API token and print it, for the only time. Give --scope once for each scope."""
    try:
        new = NewToken(service.valid_name(name), scopes, days)
    except FieldError as error:
        raise ValidationFailed([FieldProblem("name", error.type, str(error))]) from error
    with transaction() as work:
        made, token = service.create(work, directory.find_user(work, user).id, new, None, runtime.now())
    until = f"until {made.expires_at:%d %b %Y, %H:%M} UTC" if made.expires_at else "until it is revoked"
    click.echo(f"{made.username} has the token {made.id}, {until}. It is shown only now:", err=True)
    click.echo(token)


@tokens.command("list")
def list_tokens() -> None:
    """Print the API tokens that have not ended, the newest first."""
    before: int | None = None
    while found := service.of_all(session(), runtime.now(), limit=_PAGE, before=before):
        for token in found:
            click.echo(_line(token))
        before = found[-1].id


@tokens.command("revoke")
@click.argument("token_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
def revoke_token(token_id: int) -> None:
    """End the API token with this ID, as 'tokens list' shows it."""
    with transaction() as work:
        token = service.revoke(work, token_id, None, runtime.now())
    click.echo(f"The token {shown(token.name)!r} of {token.username} has ended.")


def _line(token: TokenRecord) -> str:
    """``17 ann users:read,self created 2026-01-31 expires never used never Nightly``."""
    times = f"created {_day(token.created_at)} expires {_day(token.expires_at)} used {_day(token.last_used_at)}"
    return f"{token.id} {shown(token.username)} {','.join(token.scopes)} {times} {shown(token.name)}"


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else "never"
