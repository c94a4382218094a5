"""The ``flask`` commands: arguments, prompts and words around the services. No command knows HTTP.

Exit codes: 0 done; 1 refused or failed, with one sentence on standard error; 2 usage.
"""

from __future__ import annotations

from flask import Flask

from rollcall.cli import imports as _imports  # noqa: F401  # adds its command to ``users``
from rollcall.cli.embedded import embedded
from rollcall.cli.events import events
from rollcall.cli.mail import mail
from rollcall.cli.setup import setup_link
from rollcall.cli.statistics import stats
from rollcall.cli.tokens import tokens
from rollcall.cli.users import users


def init_app(app: Flask) -> None:
    """Add ``flask users …``, ``flask stats …``, ``flask events …`` and the others."""
    app.cli.add_command(setup_link)
    app.cli.add_command(mail)
    for group in (users, tokens, stats, events, embedded):
        app.cli.add_command(group)
