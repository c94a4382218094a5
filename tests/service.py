"""How tests talk to a service in another process, over real sockets and on real time."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from rollcall.models import User, UserSession
from rollcall.services.identity import accounts
from servers import Gunicorn


@dataclass(frozen=True)
class Reply:
    status_code: int
    headers: http.client.HTTPMessage
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def call(url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    """One request on a connection of its own; a body that is not bytes nor an iterator is sent as JSON."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)
    sent = dict(headers or {})
    if body is not None:
        sent.setdefault("Content-Type", "application/json")
        if isinstance(body, dict | list):
            body = json.dumps(body).encode()
    try:
        connection.request(method, path, body, sent, encode_chunked="Transfer-Encoding" in sent)
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def raw(url: str, *pieces: bytes) -> Reply:
    """Send bytes as they are and read one answer."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        for piece in pieces:
            connection.sendall(piece)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return Reply(answer.status, answer.headers, answer.read())


def bearer(engine: Engine, user: User, token: str = "") -> dict[str, str]:
    """The headers of a new session that is valid now."""
    token = token or f"real-{user.id}"
    with Session(engine) as session:
        expires = datetime.now(UTC) + timedelta(hours=1)
        session.add(UserSession(user_id=user.id, token_hash=accounts.digest(token), expires_at=expires))
        session.commit()
    return {"Authorization": f"Bearer {token}"}


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when it has come to pass, at the latest in ten seconds."""
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise TimeoutError


def wait_for_workers(server: Gunicorn, number: int = 2) -> None:
    """Return when so many workers serve: each tells of its pool when it starts, before anything is asked of it."""
    wait_for(lambda: len(list(server.log.parent.glob("run/metrics-*/gauge_liveall_*.db"))) == number)
