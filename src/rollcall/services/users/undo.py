"""Undo an operation, for those of its users whom nobody has changed or used since.

Every change of a user, whoever makes it, moves ``updated_at`` beyond the time of the operation. A user is used once somebody has
logged in as that user.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from rollcall.errors import OperationUndone
from rollcall.models import Operation
from rollcall.services.events import recording
from rollcall.services.events.kinds import Kind
from rollcall.services.identity import rights
from rollcall.services.identity.accounts import Identity
from rollcall.services.search import search_index
from rollcall.services.users import bulk_changes, operations
from rollcall.services.users.operations import OperationKind


class Undone(NamedTuple):
    """For how many users an operation was undone, and how many are left as they are."""

    restored: int
    left: int


IDS_RECORDED: Final = 100_000
"""The event of an undo names up to this many users."""

# One index range scan for each range of ids.
_THEIRS: Final = """
    FROM (SELECT unnest({ids}) AS ids FROM operations WHERE id = :operation_id) AS ranges
    JOIN users ON users.id >= lower(ids) AND users.id < upper(ids)
"""
_LOCK_CREATED: Final = text(f"SELECT {_THEIRS.format(ids='created_ids')} ORDER BY users.id FOR UPDATE OF users")
# A statement of its own, since only so it sees the sessions of those who logged in while the one before waited for them.
_DELETE_CREATED: Final = text(f"""
    WITH deleted AS (
        DELETE FROM users WHERE id IN (SELECT users.id {_THEIRS.format(ids="created_ids")})
        AND updated_at <= :at AND id <> :caller
        AND NOT EXISTS (SELECT FROM sessions WHERE user_id = users.id)
        AND NOT EXISTS (SELECT FROM api_tokens WHERE user_id = users.id)
        AND NOT EXISTS (SELECT FROM user_logins WHERE user_id = users.id AND last_login_at > :at)
        RETURNING id
    )
    SELECT count(*), (array_agg(id ORDER BY id))[1:{IDS_RECORDED}] FROM deleted
""")  # noqa: S608  (our own text)
_COUNT_CREATED: Final = text(f"SELECT count(*) {_THEIRS.format(ids='created_ids')}")
_UNCHANGED: Final = text(f"""
    SELECT users.id {_THEIRS.format(ids="changed_ids")} WHERE updated_at <= :at AND is_active = :is_active ORDER BY users.id
""")


def undo(session: Session, operation_id: int, by: Identity, now: datetime) -> Undone:
    """Take an operation back. The caller commits.

    Users whom an import has created are deleted. Users whose fields an import has updated stay as they are, since the operation
    does not keep the old values. A change of ``is_active`` is reversed; sessions that it has ended do not come back.

    :param by: the caller, who is never deleted or changed.
    :raises OperationNotFound: there is no operation with this id.
    :raises OperationUndone: it has been undone already.
    :raises InvalidToken, AccessDenied: ``by`` may no longer change users.
    """
    rights.lock_superusers(session)
    rights.confirm(session, by, now, superuser=True)
    operation = operations.lock(session, operation_id)
    if operation.undone_at is not None:
        raise OperationUndone
    if operation.kind == OperationKind.IMPORT:
        undone = _delete_created(session, operation, by, now)
    else:
        undone = _set_back(session, operation, by, now)
    operation.undone_at, operation.undone_by_username = now, by.user.username
    operation.restored, operation.kept = undone
    session.flush()
    return undone


def _delete_created(session: Session, operation: Operation, by: Identity, now: datetime) -> Undone:
    search_index.gather(session)
    session.execute(_LOCK_CREATED, {"operation_id": operation.id})
    values = {"operation_id": operation.id, "at": operation.at, "caller": by.user.id}
    deleted, ids = session.execute(_DELETE_CREATED, values).one()
    left = session.execute(_COUNT_CREATED, {"operation_id": operation.id}).scalar_one()
    if deleted:
        changes = {"operation_id": operation.id, "deleted": deleted}
        recording.record(session, Kind.USERS_CHANGED, now, changes=changes, by=by.user, subject_ids=ids)
    return Undone(deleted, left)


def _set_back(session: Session, operation: Operation, by: Identity, now: datetime) -> Undone:
    is_active = operation.kind == OperationKind.ACTIVATE
    values = {"operation_id": operation.id, "at": operation.at, "is_active": is_active}
    ids = tuple(session.scalars(_UNCHANGED, values))
    changed = bulk_changes.change(session, ids, by, now, is_active=not is_active, unchanged_since=operation.at)
    return Undone(len(changed.ids), operation.changed - len(changed.ids))
