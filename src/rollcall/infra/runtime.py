"""The settings and the clock of the application. Services take the time as an argument; the edges read it here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask, current_app

from rollcall.settings import Settings


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Runtime:
    settings: Settings
    clock: Callable[[], datetime]


def init_app(app: Flask, settings: Settings, clock: Callable[[], datetime]) -> None:
    app.extensions["rollcall"] = Runtime(settings, clock)


def settings() -> Settings:
    """Return the settings of the current application."""
    runtime: Runtime = current_app.extensions["rollcall"]
    return runtime.settings


def now() -> datetime:
    """Return the time of the current application's clock, aware, in UTC."""
    runtime: Runtime = current_app.extensions["rollcall"]
    return runtime.clock()
