"""An application with mail, a real SMTP server, and a way to run the loop as far as there is something due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

import smtp_server
from browser import Browser
from rollcall.cli.mail import Loop
from rollcall.models import Mail
from smtp_server import Mailbox


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with smtp_server.serve() as box:
        yield box


@pytest.fixture
def no_mails(engine: Engine, empty_database: None) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE mails RESTART IDENTITY"))


@pytest.fixture
def mailing(make_app: Callable[..., Flask], box: Mailbox, no_mails: None) -> Flask:
    """The application with mail set up."""
    return make_app(smtp_url=box.url, mail_from="Rollcall <rollcall@example.org>", public_url="https://people.example.org")


@pytest.fixture
def deliver(mailing: Flask) -> Callable[..., int]:
    """Send what is due, as one run of the loop does; the number of mails that were tried."""

    def run(app: Flask = mailing) -> int:
        tried = 0
        with app.app_context():
            loop = Loop()
            try:
                while loop.send_next():
                    tried += 1
            finally:
                loop.close()
        return tried

    return run


@pytest.fixture
def root_there(mailing: Flask, call_as: Any, root: Any) -> Any:
    """The superuser at the application with mail."""
    return call_as(root, mailing)


@pytest.fixture
def visitor(mailing: Flask) -> Browser:
    return Browser(mailing.test_client())


@pytest.fixture
def queued(session: Session) -> Callable[[], list[Mail]]:
    def read() -> list[Mail]:
        session.rollback()
        session.expire_all()
        return list(session.scalars(select(Mail).order_by(Mail.id)))

    return read
