"""Where an event comes from: the caller and the client. The edges make the value and attach it to the unit of work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from sqlalchemy.orm import Session

_KEY: Final = "origin"  # in a session's ``info``


class Person(Protocol):
    """A user, as far as an event names one."""

    @property
    def id(self) -> int | None: ...
    @property
    def username(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something, under the username of that moment; all ``None``: an anonymous caller."""

    id: int | None = None
    username: str | None = None

    @classmethod
    def of(cls, user: Person | None) -> Actor:
        return cls() if user is None else cls(user.id, user.username)


@dataclass(frozen=True, slots=True)
class Origin:
    """The caller of a unit of work, and the client that sent the request; ``None`` where that is not known."""

    actor: Actor = Actor()
    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


OPERATOR: Final = Origin(Actor(None, "operator"))
"""Whoever runs a command. A user may have this name, too, but then has an id."""


def attach(session: Session, origin: Origin) -> None:
    """Let the events of this session's next transactions name their origin."""
    session.info[_KEY] = origin


def of(session: Session) -> Origin:
    """Return the origin that an edge has attached; without one it is the operator."""
    found: Origin = session.info.get(_KEY, OPERATOR)
    return found
