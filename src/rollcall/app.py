"""The application: settings and parts, wired in order. Rules and routes are elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from flask import Flask
from flask_compress import Compress
from flask_cors import CORS
from flask_migrate import Migrate

from rollcall import bundled, cli, web
from rollcall.api import errors, openapi
from rollcall.infra import (
    bodies,
    cache,
    database,
    forwarding,
    headers,
    logs,
    metrics,
    pool_metrics,
    rate_limit,
    request_id,
    runtime,
    secret_key,
)
from rollcall.infra.deadline import DeadlineFlask
from rollcall.settings import Settings


def create_app(settings: Settings, clock: Callable[[], datetime] = runtime.utc_now) -> Flask:
    """Make the application; connects to nothing yet.

    :param settings: what the operator has set.
    :param clock: tells the time, aware; tests set their own.
    """
    app = DeadlineFlask("rollcall", template_folder=str(bundled.folder("templates")), static_folder="web/static")
    app.url_map.strict_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.config.update(
        REQUEST_TIMEOUT=settings.request_timeout,
        SECRET_KEY=secret_key.load(settings),
        SESSION_COOKIE_NAME="rollcall",
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(minutes=settings.session_minutes),
        COMPRESS_ALGORITHM=["zstd", "br", "gzip"],
        COMPRESS_MIN_SIZE=1000,
        COMPRESS_STREAMING_ENDPOINT_CONDITIONAL=["web.static"],  # else a compressed file is never a 304
    )
    runtime.init_app(app, settings, clock)
    logs.init_app(settings.log_format)

    # What these add to an answer is added in the reverse order: the last one here is the first after the view.
    metrics.init_app(app)
    forwarding.init_app(app, settings.trusted_proxies)
    bodies.init_app(app, settings.max_body_bytes)
    request_id.init_app(app)
    headers.init_app(app)
    Compress(app)
    if settings.cors_origins:
        CORS(
            app,
            resources=r"/api/*",
            # Compiled here, or the library might take one for a regular expression of its own.
            origins=[re.compile(re.escape(origin) + r"\Z") for origin in settings.cors_origins],
            always_send=False,  # nothing to whoever names no origin
            expose_headers=["X-Request-ID", "Link", "Location", "Retry-After"],
        )
    rate_limit.init_app(app, settings)

    pool_metrics.init_app(app)
    database.init_app(app, settings)
    cache.init_app(app, settings)
    Migrate(app, database.db, directory=str(bundled.folder("migrations")))

    errors.init_app(app, render_page=web.error_page, wants_page=web.wants_page)
    openapi.init_app(app)
    web.init_app(app)
    cli.init_app(app)
    pool_metrics.watch(app)
    return app
