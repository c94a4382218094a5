"""A browser with a screen: the real service that it opens, and a watch on what no page may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import flask_migrate
from flask import Flask
from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError
from redis import Redis
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.orm import Session

import databases
import servers
from databases import FORGET_EVENTS
from facts import PASSWORD_HASH
from rollcall.infra import runtime
from rollcall.infra.runtime import utc_now
from rollcall.models import User, UserSession
from rollcall.services.identity import accounts
from rollcall.services.transfer import seeds
from rollcall.services.users import first_superuser
from rollcall.settings import Settings
from service import wait_for_workers

SEEDED = 120
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
CHROMIUM_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"
PATIENCE = 10_000
"""Milliseconds that anything may take to appear; a shared machine may be slow, and no test waits longer than it must."""


Open = Callable[..., BrowserContext]
"""What the fixture ``open_browser`` is."""


@dataclass
class Site:
    """A service at work: two gunicorn workers, a database and a Redis.

    :ivar app: an application on the same database with the same secret key, not the one that serves.
    :ivar engine: the test's own way to the database, to look and to prepare.
    """

    url: str
    app: Flask
    engine: Engine
    redis: servers.RedisProcess
    _made: int = 0

    def empty(self) -> None:
        """Take everybody away, and the statistics that are kept of them."""
        with self.engine.begin() as connection:
            connection.execute(text("TRUNCATE users RESTART IDENTITY CASCADE"))
            connection.execute(FORGET_EVENTS)
        self.forget_statistics()

    def forget_statistics(self) -> None:
        """Have the next page compute them."""
        with Redis.from_url(self.redis.url) as store:
            store.delete("rollcall:statistics")

    def seed(self, count: int = SEEDED) -> None:
        """Add synthetic users, always the same ones, who signed up over the last three years."""
        with Session(self.engine) as session:
            seeds.seed_users(session, count, seed=1, now=utc_now(), progress=lambda _: None)
            session.commit()

    def add(self, **fields: Any) -> User:
        """Add a user; the password is that of all tests."""
        self._made += 1
        name = f"person{self._made}"
        defaults = {"username": name, "email": f"{name}@example.org", "password_hash": PASSWORD_HASH}
        with Session(self.engine, expire_on_commit=False) as session:
            user = User(**{**defaults, "created_at": utc_now(), "updated_at": utc_now(), **fields})
            session.add(user)
            session.commit()
            session.refresh(user)
        return user

    def find(self, username: str) -> User:
        with Session(self.engine) as session:
            return session.query(User).filter_by(username=username).one()

    def sign_in(self, context: BrowserContext, user: User) -> None:
        """Give a browser a new session of a user, as logging in would."""
        context.add_cookies([{"name": "rollcall", "value": self.cookie(user), "url": self.url, "httpOnly": True}])

    def cookie(self, user: User) -> str:
        """The browser's cookie of a new session of a user."""
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie["token"] = self.add_session(user, CHROMIUM_AGENT, "127.0.0.1")
        found = client.get_cookie("rollcall")
        assert found
        return found.value

    def acting(self, username: str) -> accounts.Identity:
        """A user as the caller of a service, in a new session."""
        user = self.find(username)
        self.add_session(user)
        newest = select(UserSession.id).where(UserSession.user_id == user.id).order_by(UserSession.id.desc()).limit(1)
        with Session(self.engine) as session:
            session_id = session.scalars(newest).one()
        return accounts.Identity(accounts.Caller(user.id, user.username, user.is_superuser), session_id)

    def add_session(self, user: User, user_agent: str | None = None, address: str | None = None) -> str:
        """Add a session of a user, and tell its token."""
        self._made += 1
        token = f"browser-{user.id}-{self._made}"
        opened = UserSession(
            user_id=user.id,
            token_hash=accounts.digest(token),
            expires_at=utc_now() + timedelta(hours=12),
            user_agent=user_agent,
            address=address,
        )
        with Session(self.engine) as session:
            session.add(opened)
            session.commit()
        return token

    def end_sessions(self) -> None:
        """End everybody's, as their time would."""
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM sessions"))

    def set_up_path(self) -> str:
        """The one-time link for the first superuser."""
        return first_superuser.link_path(str(self.app.secret_key))


@contextmanager
def serve(settings: Settings, **environment: str) -> Iterator[Site]:
    """The service on a database and a Redis of its own, without rate limits, which would make tests depend on each other."""
    with servers.RedisProcess() as redis, databases.application(settings, utc_now) as app:
        with app.app_context():
            flask_migrate.upgrade()
            url = str(runtime.settings().database_url)
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
        given = {
            "DATABASE_URL": url,
            "REDIS_URL": redis.url,
            "SECRET_KEY": str(app.secret_key),
            "ROLLCALL_RATE_LIMIT_ENABLED": "false",
        }
        with servers.gunicorn(given | environment) as server:
            wait_for_workers(server)
            yield Site(server.url, app, engine, redis)
        engine.dispose()


@dataclass
class Watch:
    """What the pages of a browser did that none may: errors on the console, uncaught exceptions, violations of the
    Content-Security-Policy (which Chromium tells on the console), and requests that leave the origin.

    The browser itself notes each answer that is 4xx or 5xx; where that answer is a page, it is one that a test asked for.
    :ivar allowed: what else a test expects on the console, each a part of its text.
    """

    url: str
    faults: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    _opened: set[str] = field(default_factory=set)

    def follow(self, context: BrowserContext) -> None:
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)

    def allow(self, part: str) -> None:
        self.allowed.append(part)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if message.text.startswith("Failed to load resource") and message.location.get("url") in self._opened:
            return
        if not any(part in message.text for part in self.allowed):
            self.faults.append(f"console: {message.text} ({message.location})")

    def _error(self, error: WebError) -> None:
        self.faults.append(f"uncaught: {error.error}")

    def _request(self, request: Request) -> None:
        if request.is_navigation_request() or request.method == "POST":  # a script shows the page that a form is answered with
            self._opened.add(request.url)
        if urlsplit(request.url).scheme not in ("data", "blob") and not request.url.startswith(self.url + "/"):
            self.faults.append(f"left the origin: {request.url}")
