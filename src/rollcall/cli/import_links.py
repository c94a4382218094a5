"""``users import --password-links``: one-time links for the users whom the import has created without a password."""

from __future__ import annotations

from collections.abc import Iterator

import click
from sqlalchemy.orm import Session

from rollcall.cli import addresses
from rollcall.cli.console import counted, shown
from rollcall.cli.files import written
from rollcall.infra import runtime
from rollcall.infra.database import transaction
from rollcall.services.transfer import link_files
from rollcall.services.users import operations, password_links
from rollcall.services.users.password_links import AT_MOST


def write_links(file: str, operation_id: int | None) -> None:
    """Make the links and write them as CSV, readable by the owner only. Without the complete file no link works.

    :param operation_id: the import; ``None``: it has written nobody.
    """
    with transaction() as session, written(file) as target:  # the file is complete before the links are committed
        ids = () if operation_id is None else operations.created_without_password(session, operation_id)
        for chunk in link_files.written(_rows(session, ids), "csv"):
            target.write(chunk)
    click.echo(f"{counted(len(ids), 'password link')} in {shown(file)}.", err=True)


def _rows(session: Session, ids: tuple[int, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), AT_MOST):
        links = password_links.make_many(session, ids[start : start + AT_MOST], None, runtime.now())
        yield from link_files.rows(session.execute(password_links.recipients(links)), links, addresses.public_url())
