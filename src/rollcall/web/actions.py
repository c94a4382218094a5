"""The actions on one user that need a confirmation: the question, the consequences, and the action itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from rollcall.infra import runtime
from rollcall.models import User
from rollcall.services.identity import accounts, rights
from rollcall.services.identity.accounts import Identity
from rollcall.services.users import directory
from rollcall.web.wording import plural


@dataclass(frozen=True, slots=True)
class Action:
    """What a superuser can do to a user after a question.

    :ivar verb, running: its names before it is done and while it runs; the username follows.
    :ivar perform: does it. The caller commits.
    :ivar done: the message afterwards, with a place for the username.
    """

    verb: str
    running: str
    consequences: Callable[[User, int], list[str]]
    perform: Callable[[Session, User, Identity], None]
    done: str


def _deactivate(session: Session, person: User, by: Identity) -> None:
    directory.change_user(session, person.id, {"is_active": False}, by, runtime.now())


def _delete(session: Session, person: User, by: Identity) -> None:
    directory.delete_user(session, person.id, by, runtime.now())


def _end_sessions(session: Session, person: User, by: Identity) -> None:
    rights.confirm_and_lock(session, by, runtime.now(), person.id)
    keep = by.session_id if by.user.id == person.id else None
    accounts.end_other_sessions(session, person, runtime.now(), keep=keep)


def _ended(sessions: int) -> list[str]:
    if not sessions:
        return []
    return [f"{plural(sessions, 'session')} will end at once: whoever uses {'it' if sessions == 1 else 'them'} is logged out."]


ACTIONS = {
    "deactivate": Action(
        "Deactivate",
        "Deactivating",
        lambda person, sessions: [
            f"{person.username} cannot log in until somebody activates the account again.",
            *_ended(sessions),
            "Nothing is deleted.",
        ],
        _deactivate,
        "{} is deactivated.",
    ),
    "delete": Action(
        "Delete",
        "Deleting",
        lambda person, sessions: [
            f"The account of {person.username} ({person.email}) is removed for good; this cannot be undone.",
            *_ended(sessions),
            "The username and the e-mail address become free for others.",
        ],
        _delete,
        "{} is deleted.",
    ),
    "end-sessions": Action(
        "End the sessions of",
        "Ending the sessions of",
        lambda person, sessions: [
            *_ended(sessions),
            f"{person.username} may log in again with the same password.",
        ],
        _end_sessions,
        "The sessions of {} are ended.",
    ),
}
