"""Operations: imports, and changes of several users at once. Who did what, when, to how many, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, text
from sqlalchemy.orm import Session

from rollcall.errors import OperationNotFound
from rollcall.models import Operation
from rollcall.services.events.origin import Person


class OperationKind(StrEnum):
    """What an operation does."""

    IMPORT = "import"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of the list, the newest first.

    :ivar older: the id that the next part ends before; ``None``: there is no more.
    """

    operations: Sequence[Operation]
    older: int | None


_RANGES: Final = "coalesce((SELECT range_agg(int8range(id, id, '[]')) FROM ({query}) AS ids (id)), '{{}}')"
_INSERT: Final = """
    INSERT INTO operations (
        at, kind, actor_id, actor_username, file_name, run_id, created, changed, created_ids, changed_ids
    )
    SELECT :now, :kind, CAST(:actor_id AS bigint), :actor_username, :file_name, CAST(:run_id AS uuid),
           :created, :changed, {created_ids}, {changed_ids}
    RETURNING id
"""
_NOBODY: Final = "SELECT NULL::bigint WHERE false"
_OF_IDS: Final = text(
    _INSERT.format(created_ids="'{}'", changed_ids=_RANGES.format(query="SELECT unnest(CAST(:ids AS bigint[]))"))
)


def record(session: Session, kind: OperationKind, now: datetime, by: Person, changed_ids: Sequence[int]) -> int:
    """Record a change of several users. The caller commits.

    :return: the operation's id.
    """
    values = {"actor_id": by.id, "actor_username": by.username, "file_name": None, "run_id": None, "created": 0}
    row = session.execute(_OF_IDS, {**values, "now": now, "kind": kind, "changed": len(changed_ids), "ids": list(changed_ids)})
    operation_id: int = row.scalar_one()
    return operation_id


def record_import(
    connection: Connection,
    now: datetime,
    by: Person,
    counts: tuple[int, int],
    queries: tuple[str, str | None],
    *,
    file_name: str | None,
    run_id: UUID | None,
) -> int:
    """Record an import in its own transaction. The caller commits.

    :param counts: how many users it has created and changed.
    :param queries: our own queries for their ids; ``None``: it has changed nobody.
    :return: the operation's id.
    """
    created, changed = (_RANGES.format(query=query or _NOBODY) for query in queries)
    statement = text(_INSERT.format(created_ids=created, changed_ids=changed))
    values: dict[str, Any] = {"actor_id": by.id, "actor_username": by.username, "file_name": file_name, "run_id": run_id}
    row = connection.execute(
        statement, {**values, "now": now, "kind": OperationKind.IMPORT, "created": counts[0], "changed": counts[1]}
    )
    operation_id: int = row.scalar_one()
    return operation_id


def listed(session: Session, size: int, *, before: int | None = None) -> Listed:
    """Return operations, the newest first.

    :param before: only those with a smaller id.
    """
    query = select(Operation).order_by(Operation.id.desc()).limit(size + 1)
    if before is not None:
        query = query.where(Operation.id < before)
    found = session.scalars(query).all()
    return Listed(found[:size], found[size - 1].id if len(found) > size else None)


def of_run(session: Session, run_id: UUID) -> Operation | None:
    """Return the operation of an import in the browser, if it has written anything."""
    return session.scalars(select(Operation).where(Operation.run_id == run_id)).one_or_none()


_WITHOUT_PASSWORD: Final = text("""
    SELECT users.id FROM operations
    JOIN users ON users.id <@ created_ids AND users.id >= lower(created_ids) AND users.id < upper(created_ids)
    WHERE operations.id = :id AND users.password_hash IS NULL ORDER BY users.id
""")


def created_without_password(session: Session, operation_id: int) -> tuple[int, ...]:
    """Return the ids of the users whom an import has created and who have no password."""
    return tuple(session.scalars(_WITHOUT_PASSWORD, {"id": operation_id}))


_LOCK: Final = select(Operation).where(Operation.id == bindparam("id")).with_for_update()


def lock(session: Session, operation_id: int) -> Operation:
    """Return an operation, locked until the transaction ends.

    :raises OperationNotFound: there is none with this id.
    """
    found = session.scalars(_LOCK, {"id": operation_id}, execution_options={"populate_existing": True}).one_or_none()
    if found is None:
        raise OperationNotFound(operation_id)
    return found
