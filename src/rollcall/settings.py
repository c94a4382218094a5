"""The settings of the service: read from the environment once, checked, and frozen.

This module is the only reader of the environment. A bad value stops the start with a
message that names the variable, the value and what is allowed; secrets are never shown.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2.extensions import parse_dsn
from redis.connection import parse_url

from rollcall import setting_formats

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})

# Each may be given as the path of a file, by the same name with _FILE: an environment is easily seen, and so are its secrets.
SECRETS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ROLLCALL_METRICS_TOKEN", "ROLLCALL_SMTP_URL")
_FILE_MAX = 65_536  # bytes


class SettingsError(Exception):
    """The environment does not make valid settings.

    :param problems: one sentence for each thing that is missing or wrong.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that an operator can set. Times are seconds, sizes are bytes, unless the name says otherwise."""

    environment: str = "development"
    database_url: str | None = None
    cache_redis_url: str | None = None
    rate_limit_redis_url: str | None = None
    secret_key: str | None = None
    request_timeout: float = 30.0
    stats_ttl: int = 60
    cache_enabled: bool = True
    rate_limit_enabled: bool = True
    pool_size: int = 2
    max_overflow: int = 3
    max_body_bytes: int = 16 * 1024 * 1024
    bulk_max_rows: int = 1000
    trusted_proxies: int = 0
    public_url: str | None = None
    smtp_url: str | None = None
    mail_from: str | None = None
    registration_enabled: bool = True
    session_minutes: int = 720
    cors_origins: tuple[str, ...] = ()
    metrics_token: str | None = None
    log_format: str = "text"
    events_days: int = 400
    web_concurrency: int = 2
    bind: str = "127.0.0.1:8000"
    home: Path = Path("/var/lib/rollcall")

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def needs_home(self) -> bool:
        """Return whether ROLLCALL_HOME holds what the service cannot do without: the embedded database or the generated key."""
        return not (self.database_url and self.secret_key)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Build the settings from environment variables, without the white space around them. An empty one counts as unset.

        :param environ: usually ``os.environ``.
        :raises SettingsError: naming every variable that is missing or wrong, at once.
        """
        read = _Reader(environ)
        redis_url = read.redis_url("REDIS_URL")
        settings = cls(
            environment=read.choice("ROLLCALL_ENV", cls.environment, ("development", "production")),
            database_url=read.database_url("DATABASE_URL"),
            cache_redis_url=read.redis_url("CACHE_REDIS_URL") or redis_url,
            rate_limit_redis_url=read.redis_url("RATE_LIMIT_REDIS_URL") or redis_url,
            secret_key=read.secret("SECRET_KEY", 32),
            request_timeout=read.decimal("ROLLCALL_REQUEST_TIMEOUT", cls.request_timeout, 0.1, 3600.0),
            stats_ttl=read.integer("ROLLCALL_STATS_TTL", cls.stats_ttl, 1, 86_400),
            cache_enabled=read.switch("ROLLCALL_CACHE_ENABLED", cls.cache_enabled),
            rate_limit_enabled=read.switch("ROLLCALL_RATE_LIMIT_ENABLED", cls.rate_limit_enabled),
            pool_size=read.integer("ROLLCALL_POOL_SIZE", cls.pool_size, 1, 100),
            max_overflow=read.integer("ROLLCALL_MAX_OVERFLOW", cls.max_overflow, 0, 100),
            max_body_bytes=read.integer("ROLLCALL_MAX_BODY_BYTES", cls.max_body_bytes, 1024, 2**30),
            bulk_max_rows=read.integer("ROLLCALL_BULK_MAX_ROWS", cls.bulk_max_rows, 1, 100_000),
            trusted_proxies=read.integer("ROLLCALL_TRUSTED_PROXIES", cls.trusted_proxies, 0, 10),
            public_url=read.public_url("ROLLCALL_PUBLIC_URL"),
            smtp_url=read.smtp_url("ROLLCALL_SMTP_URL"),
            mail_from=read.mail_from("ROLLCALL_MAIL_FROM"),
            registration_enabled=read.switch("ROLLCALL_REGISTRATION_ENABLED", cls.registration_enabled),
            session_minutes=read.integer("ROLLCALL_SESSION_MINUTES", cls.session_minutes, 1, 525_600),
            cors_origins=read.origins("ROLLCALL_CORS_ORIGINS"),
            metrics_token=read.secret("ROLLCALL_METRICS_TOKEN", 16),
            log_format=read.choice("ROLLCALL_LOG_FORMAT", cls.log_format, ("text", "json")),
            events_days=read.integer("ROLLCALL_EVENTS_DAYS", cls.events_days, 1, 36_500),
            web_concurrency=read.integer("WEB_CONCURRENCY", min(2 * (os.cpu_count() or 1) + 1, 9), 1, 256),
            bind=read.bind(),
            home=read.home(),
        )
        if settings.production:
            read.problems += [
                f"{name} is required when ROLLCALL_ENV is production."
                for name in ("DATABASE_URL", "SECRET_KEY")
                if not read.is_given(name)
            ]
            if settings.smtp_url and not settings.public_url:  # a request's own word would lead mails anywhere
                read.problems.append("ROLLCALL_PUBLIC_URL is required with ROLLCALL_SMTP_URL when ROLLCALL_ENV is production.")
            if settings.secret_key and setting_formats.is_guessable(settings.secret_key):
                read.problems.append(
                    "SECRET_KEY is easy to guess, but must be random, such as the output of: openssl rand -hex 32"
                )
        if read.problems:
            raise SettingsError(read.problems)
        return settings


class _Reader:
    """Reads typed values and gathers what is wrong, so that one start shows every mistake."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._values = {name: value.strip() for name, value in environ.items()}
        self.problems: list[str] = []
        for name in SECRETS:
            if path := self._values.get(f"{name}_FILE"):
                if self._values.get(name):
                    self.problems.append(f"{name} and {name}_FILE are both set, but only one of them may be.")
                else:
                    self._values[name] = self._content(f"{name}_FILE", path)

    def is_given(self, name: str) -> bool:
        """Return whether a variable is set, by itself or by a file."""
        return bool(self._values.get(name) or self._values.get(f"{name}_FILE"))

    def _content(self, name: str, path: str) -> str:
        try:
            with open(path, "rb") as file:  # noqa: PTH123  (a path with a NUL is a ValueError here)
                content = file.read(_FILE_MAX + 1)
            text = content.decode("utf-8").strip()
        except OSError as error:
            self._refuse(name, repr(path), f"the path of a file that can be read ({error.strerror})")
        except ValueError:  # not UTF-8, or NUL in the path; its text may hold the content
            self._refuse(name, repr(path), "the path of a text file in UTF-8")
        else:
            if text and len(content) <= _FILE_MAX:
                return text
            self._refuse(name, repr(path), f"the path of a file with 1 to {_FILE_MAX} bytes")
        return ""

    def _refuse(self, name: str, shown: str, allowed: str) -> None:
        self.problems.append(f"{name} is {shown}, but must be {allowed}.")

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        raw = self._values.get(name) or default
        if raw not in allowed:
            self._refuse(name, repr(raw), " or ".join(allowed))
            return default
        return raw

    def switch(self, name: str, default: bool) -> bool:
        raw = self._values.get(name)
        if not raw:
            return default
        if raw.lower() not in _TRUE | _FALSE:
            self._refuse(name, repr(raw), "true or false")
        return raw.lower() in _TRUE

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        raw = self._values.get(name)
        if not raw:
            return default
        # isdecimal() also takes other scripts' digits and int() also takes 1_000; len() keeps int() from huge text.
        if not (raw.isascii() and raw.isdecimal() and len(raw) < 20 and low <= int(raw) <= high):
            self._refuse(name, repr(raw), f"a whole number from {low} to {high}")
            return default
        return int(raw)

    def decimal(self, name: str, default: float, low: float, high: float) -> float:
        raw = self._values.get(name)
        if not raw:
            return default
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not low <= value <= high:  # false for NaN, too
            self._refuse(name, repr(raw), f"a number of seconds from {low:g} to {high:g}")
            return default
        return value

    def secret(self, name: str, shortest: int) -> str | None:
        raw = self._values.get(name)
        if raw and len(raw) < shortest:
            self._refuse(name, f"a secret of {len(raw)} characters", f"at least {shortest} characters long")
        return raw or None

    def _url(self, name: str, schemes: tuple[str, ...], parse: Callable[[str], object]) -> str | None:
        raw = self._values.get(name)
        if not raw:
            return None
        scheme, _, rest = raw.partition("://")
        try:
            known = scheme in schemes and bool(rest)
            if known:
                parse(raw)
        except (ValueError, psycopg2.Error):
            known = False
        if not known:
            # The value may hold a password, and so may the parser's message: neither is shown.
            allowed = " or ".join(f"{scheme}://" for scheme in schemes)
            self._refuse(name, "a URL that cannot be read", f"a valid URL that starts with {allowed}")
            return None
        return raw

    def database_url(self, name: str) -> str | None:
        raw = self._url(name, ("postgresql", "postgres"), parse_dsn)
        return raw and "postgresql" + raw[raw.index("://") :]

    def redis_url(self, name: str) -> str | None:
        return self._url(name, ("redis", "rediss", "unix"), parse_url)

    def public_url(self, name: str) -> str | None:
        raw = self._values.get(name)
        if not raw:
            return None
        url = setting_formats.public_url(raw)
        if url is None:
            shown = "a URL with a user" if "@" in raw else repr(raw)  # or it would show a password
            self._refuse(name, shown, "an address such as https://people.example.org")
        return url

    def smtp_url(self, name: str) -> str | None:
        return self._url(name, ("smtp", "smtps"), setting_formats.require_smtp_url)

    def mail_from(self, name: str) -> str | None:
        raw = self._values.get(name)
        if raw and not setting_formats.is_sender(raw):
            self._refuse(name, repr(raw), "an address such as rollcall@example.org or Rollcall <rollcall@example.org>")
            return None
        return raw or None

    def origins(self, name: str) -> tuple[str, ...]:
        origins = tuple(part.strip().lower() for part in self._values.get(name, "").split(",") if part.strip())
        for origin in origins:
            if not setting_formats.is_origin(origin):  # scheme, host and port alone, as browsers send it (RFC 6454): no patterns
                self._refuse(name, repr(origin), "a comma-separated list of origins such as https://example.org")
        return origins

    def bind(self) -> str:
        """Return the address to listen on. gunicorn's own arguments come first, as they do for gunicorn."""
        given = setting_formats.bind_argument(self._values.get("GUNICORN_CMD_ARGS", ""))
        if given is not None:
            return given  # gunicorn itself refuses what it cannot use
        raw = self._values.get("ROLLCALL_BIND", "").strip()
        if not raw:
            port = self.integer("PORT", 8000, 1, 65_535)
            everywhere = self._values.get("PORT") and self._values.get("ROLLCALL_ENV") == "production"
            return f"{'0.0.0.0' if everywhere else '127.0.0.1'}:{port}"  # noqa: S104  (the contract of production)
        if not (setting_formats.is_address(raw) or raw.startswith("unix:/")):
            self._refuse("ROLLCALL_BIND", repr(raw), "an address and a port such as 127.0.0.1:8000 or [::1]:8000, or unix:/path")
        return raw

    def home(self) -> Path:
        raw = self._values.get("ROLLCALL_HOME")
        if raw:
            try:
                home = Path(raw).expanduser()
            except RuntimeError:  # ~somebody, whom nobody knows
                home = Path(raw)
            if not home.is_absolute():
                self._refuse("ROLLCALL_HOME", repr(raw), "an absolute path")
            return home
        if os.geteuid() == 0:
            return Path("/var/lib/rollcall")
        state = self._values.get("XDG_STATE_HOME")
        return (Path(state) if state else Path("~/.local/state").expanduser()) / "rollcall"
