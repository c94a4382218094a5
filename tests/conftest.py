"""Fixtures: one migrated database for the run, emptied before each test; people to sign in; time that a test can set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, event, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

import servers
from databases import EMPTY_TABLES, FORGET_EVENTS
from facts import NOON, PASSWORD_HASH
from rollcall.app import create_app
from rollcall.infra import breaker, throttled_log
from rollcall.models import User, UserSession
from rollcall.services.identity import accounts, tokens
from rollcall.services.identity.accounts import Identity
from rollcall.services.statistics import tally
from rollcall.settings import Settings


class Clock:
    """The application's time; stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@pytest.fixture(autouse=True)
def no_memory_of_faults() -> None:
    """Forget what the previous test has logged, found silent, or left to be merged."""
    throttled_log.reset()
    breaker.record_answer()
    tally._Noted.many = False


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Without cache and limits, which would make tests depend on each other; tests of those switch them on."""
    return Settings(
        database_url=database_url,
        secret_key="s" * 32,
        cache_enabled=False,
        rate_limit_enabled=False,
        home=tmp_path_factory.mktemp("home"),
    )


@pytest.fixture(scope="session")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def shared_app(settings: Settings, clock: Clock) -> Flask:
    app = create_app(settings, clock)
    app.testing = False  # errors are answered, as in production
    with app.app_context():
        flask_migrate.upgrade()
    return app


@pytest.fixture(scope="session")
def engine(shared_app: Flask, database_url: str) -> Iterator[Engine]:
    """The test's own way to the database, apart from the application's."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg2://"))
    yield engine
    engine.dispose()


@pytest.fixture
def empty_database(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(EMPTY_TABLES)
        connection.execute(FORGET_EVENTS)


@pytest.fixture
def app(shared_app: Flask, empty_database: None, clock: Clock) -> Flask:
    clock.now = NOON
    return shared_app


@pytest.fixture
def make_app(settings: Settings, clock: Clock, app: Flask) -> Iterator[Callable[..., Flask]]:
    """Make another application on the same database, with other settings."""
    made: list[Flask] = []

    def make(**changes: Any) -> Flask:
        made.append(create_app(replace(settings, **changes), clock))
        return made[-1]

    yield make
    for other in made:
        with other.app_context():
            other.extensions["sqlalchemy"].engine.dispose()


@pytest.fixture
def session(engine: Engine, empty_database: None) -> Iterator[Session]:
    """A session of the test's own; what it does not commit is rolled back."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def make_user(engine: Engine, empty_database: None) -> Callable[..., User]:
    """Put a user into the database."""
    count = 0

    def make(**fields: Any) -> User:
        nonlocal count
        count += 1
        defaults = {"email": f"user{count}@example.org", "username": f"user{count}", "password_hash": PASSWORD_HASH}
        user = User(**{**defaults, "created_at": NOON, "updated_at": NOON, **fields})
        with Session(engine, expire_on_commit=False) as session:
            session.add(user)
            session.commit()
            session.refresh(user)
        return user

    return make


@pytest.fixture
def sign_in(engine: Engine, clock: Clock) -> Callable[[User], dict[str, str]]:
    """The headers of a new session of a user."""
    count = 0

    def make(user: User) -> dict[str, str]:
        nonlocal count
        count += 1
        token = f"token-{user.id}-{count}"
        expires = clock.now + timedelta(hours=12)
        with Session(engine) as session:
            session.add(UserSession(user_id=user.id, token_hash=accounts.digest(token), expires_at=expires))
            session.commit()
        return {"Authorization": f"Bearer {token}"}

    return make


@pytest.fixture
def acting(engine: Engine, clock: Clock, sign_in: Callable[[User], dict[str, str]]) -> Callable[[User], Identity]:
    """A user as the caller of a service, in a new session."""

    def make(user: User) -> Identity:
        sign_in(user)
        newest = select(UserSession.id).where(UserSession.user_id == user.id).order_by(UserSession.id.desc()).limit(1)
        with Session(engine) as session:
            session_id = session.scalars(newest).one()
        return Identity(accounts.Caller(user.id, user.username, user.is_superuser), session_id)

    return make


@pytest.fixture
def root(make_user: Callable[..., User]) -> User:
    """An active superuser."""
    return make_user(username="root", email="root@example.org", is_superuser=True, created_at=NOON - timedelta(days=400))


@pytest.fixture
def ann(make_user: Callable[..., User]) -> User:
    """A plain user."""
    return make_user(username="ann", email="ann@example.org", full_name="Ann Lee")


class Caller:
    """A client of the application that is signed in, or nobody.

    Paths are below ``/api/v1`` unless they are said to be from the root with ``//``.
    """

    def __init__(self, client: FlaskClient, headers: dict[str, str]) -> None:
        self._client = client
        self.headers = headers

    def __call__(self, method: str, path: str, **options: Any) -> TestResponse:
        address = path[1:] if path.startswith("//") else f"/api/v1{path}"
        headers = {**self.headers, **options.pop("headers", {})}
        if (
            "json" in options
        ):  # escaped as ASCII, so that a test can send lone surrogates, which the service's own JSON cannot hold
            options |= {"data": json.dumps(options.pop("json")), "content_type": "application/json"}
        return self._client.open(address, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self("POST", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        return self("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self("DELETE", path, **options)


@pytest.fixture
def nobody(app: Flask) -> Caller:
    return Caller(app.test_client(), {})


@pytest.fixture
def call_as(app: Flask, sign_in: Callable[[User], dict[str, str]]) -> Callable[..., Caller]:
    """A client in a new session of a user, of the application or of another one."""
    return lambda user, on=app: Caller(on.test_client(), sign_in(user))


@pytest.fixture
def api_token(app: Flask, engine: Engine, clock: Clock) -> Callable[..., Caller]:
    """A client with a new API token of a user, with these scopes."""

    def make(user: User, *scopes: str, expires_in_days: int | None = None, on: Flask = app) -> Caller:
        with Session(engine) as session:
            new = tokens.NewToken("Test", scopes, expires_in_days)
            _, token = tokens.create(session, user.id, new, None, clock.now)
            session.commit()
        return Caller(on.test_client(), {"Authorization": f"Bearer {token}"})

    return make


@pytest.fixture
def as_root(root: User, call_as: Callable[..., Caller]) -> Caller:
    return call_as(root)


@pytest.fixture
def as_ann(ann: User, call_as: Callable[..., Caller]) -> Caller:
    return call_as(ann)


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """The SQL that the application sends, from here on."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "security_events_keep" not in statement:  # once a day, by whichever test comes first
            sent.append(statement)

    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(scope="session")
def checkout() -> Path:
    return servers.ROOT
