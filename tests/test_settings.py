"""The settings: each variable's default, what it accepts, and how a bad value ends the start."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import servers
from rollcall.settings import SECRETS, Settings, SettingsError

SECRET = "mE8gq_Zb3xW-7nVf1sKu9TdLh5Ra2YcP"
PRODUCTION = {"ROLLCALL_ENV": "production", "DATABASE_URL": "postgresql://db/rollcall", "SECRET_KEY": SECRET}

DEFAULTS = {
    "environment": "development",
    "database_url": None,
    "cache_redis_url": None,
    "rate_limit_redis_url": None,
    "secret_key": None,
    "request_timeout": 30.0,
    "stats_ttl": 60,
    "cache_enabled": True,
    "rate_limit_enabled": True,
    "pool_size": 2,
    "max_overflow": 3,
    "max_body_bytes": 16_777_216,
    "bulk_max_rows": 1000,
    "trusted_proxies": 0,
    "public_url": None,
    "smtp_url": None,
    "mail_from": None,
    "registration_enabled": True,
    "session_minutes": 720,
    "cors_origins": (),
    "metrics_token": None,
    "log_format": "text",
    "events_days": 400,
    "bind": "127.0.0.1:8000",
}


@pytest.mark.parametrize(("field", "value"), DEFAULTS.items())
def test_default(field, value):
    assert getattr(Settings.from_environ({}), field) == value


def test_every_setting_but_those_of_the_machine_has_its_default_tested():
    assert {field.name for field in fields(Settings)} - DEFAULTS.keys() == {"web_concurrency", "home"}


def test_workers_by_default_are_two_per_core_and_one_but_nine_at_most():
    assert Settings.from_environ({}).web_concurrency == min(2 * (os.cpu_count() or 1) + 1, 9)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("DATABASE_URL", "postgresql://u:p@db:5433/r", "database_url", "postgresql://u:p@db:5433/r"),
        ("DATABASE_URL", "postgres://u:p@db/r", "database_url", "postgresql://u:p@db/r"),
        ("DATABASE_URL", "postgresql://a:1,b:2/r", "database_url", "postgresql://a:1,b:2/r"),
        ("DATABASE_URL", "postgresql:///r?host=/run/pg", "database_url", "postgresql:///r?host=/run/pg"),
        ("CACHE_REDIS_URL", "rediss://cache:1/2", "cache_redis_url", "rediss://cache:1/2"),
        ("CACHE_REDIS_URL", "unix:///run/redis.sock", "cache_redis_url", "unix:///run/redis.sock"),
        ("RATE_LIMIT_REDIS_URL", "redis://limits", "rate_limit_redis_url", "redis://limits"),
        ("SECRET_KEY", SECRET, "secret_key", SECRET),
        ("ROLLCALL_ENV", "development", "environment", "development"),
        ("ROLLCALL_PUBLIC_URL", "https://People.Example.org:8443/Roll/", "public_url", "https://people.example.org:8443/Roll"),
        ("ROLLCALL_SMTP_URL", "smtp://mail.example.org", "smtp_url", "smtp://mail.example.org"),
        ("ROLLCALL_SMTP_URL", "smtps://u%40x:p%3A@[::1]:465", "smtp_url", "smtps://u%40x:p%3A@[::1]:465"),
        ("ROLLCALL_MAIL_FROM", "Röll Call <a@example.org>", "mail_from", "Röll Call <a@example.org>"),
        ("ROLLCALL_PUBLIC_URL", "http://[::1]:8000", "public_url", "http://[::1]:8000"),
        ("ROLLCALL_REQUEST_TIMEOUT", "2.5", "request_timeout", 2.5),
        ("ROLLCALL_REQUEST_TIMEOUT", "7", "request_timeout", 7.0),
        ("ROLLCALL_STATS_TTL", "5", "stats_ttl", 5),
        ("ROLLCALL_CACHE_ENABLED", "false", "cache_enabled", False),
        ("ROLLCALL_RATE_LIMIT_ENABLED", "0", "rate_limit_enabled", False),
        ("ROLLCALL_REGISTRATION_ENABLED", "No", "registration_enabled", False),
        ("ROLLCALL_REGISTRATION_ENABLED", "TRUE", "registration_enabled", True),
        ("ROLLCALL_POOL_SIZE", "9", "pool_size", 9),
        ("ROLLCALL_MAX_OVERFLOW", "0", "max_overflow", 0),
        ("ROLLCALL_MAX_BODY_BYTES", "2048", "max_body_bytes", 2048),
        ("ROLLCALL_BULK_MAX_ROWS", "20", "bulk_max_rows", 20),
        ("ROLLCALL_TRUSTED_PROXIES", "2", "trusted_proxies", 2),
        ("ROLLCALL_SESSION_MINUTES", "15", "session_minutes", 15),
        ("ROLLCALL_CORS_ORIGINS", "https://a.example, http://b.example:81,", "cors_origins", ("https://a.example", "http://b.example:81")),
        ("ROLLCALL_METRICS_TOKEN", "t" * 16, "metrics_token", "t" * 16),
        ("ROLLCALL_LOG_FORMAT", "json", "log_format", "json"),
        ("ROLLCALL_EVENTS_DAYS", "30", "events_days", 30),
        ("WEB_CONCURRENCY", "4", "web_concurrency", 4),
        ("ROLLCALL_HOME", "/srv/state", "home", Path("/srv/state")),
    ],
)  # fmt: skip
def test_variable_sets_its_field(variable, text, field, value):
    assert getattr(Settings.from_environ({variable: text}), field) == value


@pytest.mark.parametrize(
    "variable", ["DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ROLLCALL_STATS_TTL", "ROLLCALL_ENV", "ROLLCALL_CORS_ORIGINS"]
)
def test_empty_variable_counts_as_unset(variable):
    assert Settings.from_environ({variable: ""}) == Settings.from_environ({})


def test_redis_url_serves_both_uses():
    settings = Settings.from_environ({"REDIS_URL": "redis://one"})
    assert (settings.cache_redis_url, settings.rate_limit_redis_url) == ("redis://one", "redis://one")


def test_each_use_of_redis_may_have_a_url_of_its_own():
    settings = Settings.from_environ({"REDIS_URL": "redis://one", "CACHE_REDIS_URL": "redis://two"})
    assert (settings.cache_redis_url, settings.rate_limit_redis_url) == ("redis://two", "redis://one")
    settings = Settings.from_environ({"REDIS_URL": "redis://one", "RATE_LIMIT_REDIS_URL": "redis://two"})
    assert (settings.cache_redis_url, settings.rate_limit_redis_url) == ("redis://one", "redis://two")


def test_state_folder_follows_xdg_for_ordinary_users_and_the_system_for_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Settings.from_environ({"XDG_STATE_HOME": "/home/ann/state"}).home == Path("/home/ann/state/rollcall")
    monkeypatch.setenv("HOME", "/home/ann")
    assert Settings.from_environ({}).home == Path("/home/ann/.local/state/rollcall")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Settings.from_environ({"XDG_STATE_HOME": "/home/ann/state"}).home == Path("/var/lib/rollcall")


def test_white_space_around_values_is_dropped():
    padded = {name: f" \t{value}\r\n" for name, value in PRODUCTION.items()} | {"ROLLCALL_POOL_SIZE": " 9 ", "REDIS_URL": " "}
    settings = Settings.from_environ(padded)
    assert (settings.environment, settings.database_url, settings.secret_key) == tuple(PRODUCTION.values())
    assert (settings.pool_size, settings.cache_redis_url) == (9, None)


# Files


GIVEN = [
    ("DATABASE_URL", "postgresql://u:hunter2@db/r", "database_url"),
    ("REDIS_URL", "redis://:hunter2@cache", "cache_redis_url"),
    ("SECRET_KEY", SECRET, "secret_key"),
    ("ROLLCALL_METRICS_TOKEN", "scrape-with-this-token", "metrics_token"),
    ("ROLLCALL_SMTP_URL", "smtps://u:hunter2@mail.example.org", "smtp_url"),
]


def test_every_secret_is_tested():
    assert {name for name, *_ in GIVEN} == set(SECRETS)


@pytest.mark.parametrize(("name", "value", "field"), GIVEN)
def test_secret_may_be_given_as_a_file(tmp_path, name, value, field):
    file = tmp_path / "secret"
    file.write_text(f"{value}\n")
    assert getattr(Settings.from_environ({f"{name}_FILE": f" {file} "}), field) == value


@pytest.mark.parametrize(("name", "value", "field"), GIVEN)
def test_secret_is_given_once(tmp_path, name, value, field):
    file = tmp_path / "secret"
    file.write_text(value)
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({name: value, f"{name}_FILE": str(file)})
    assert raised.value.problems == [f"{name} and {name}_FILE are both set, but only one of them may be."]


@pytest.mark.parametrize(
    ("content", "allowed"),
    [
        (None, "the path of a file that can be read (No such file or directory)"),
        (b"", "the path of a file with 1 to 65536 bytes"),
        (b" \n", "the path of a file with 1 to 65536 bytes"),
        (b"hunter2" * 10_000, "the path of a file with 1 to 65536 bytes"),
        (b"hunter2\xff", "the path of a text file in UTF-8"),
    ],
)
def test_unusable_file_is_named_without_its_content(tmp_path, content, allowed):
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(PRODUCTION | {"SECRET_KEY": "", "SECRET_KEY_FILE": str(file)})
    assert raised.value.problems == [f"SECRET_KEY_FILE is {str(file)!r}, but must be {allowed}."]


def test_what_is_wrong_in_a_file_is_said_of_the_setting_without_its_content(tmp_path):
    file = tmp_path / "secret"
    file.write_text("hunter2")
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({"SECRET_KEY_FILE": str(file), "DATABASE_URL_FILE": str(file)})
    assert [problem.split()[0] for problem in raised.value.problems] == ["DATABASE_URL", "SECRET_KEY"]
    assert "hunter2" not in str(raised.value)


# Secrets that are easy to guess


GUESSABLE = ["k" * 40, "ab" * 20, "0123456789abcdef" * 2, "abcdefghijklmnopqrstuvwxyz0123456789", "changeme" * 4, "0" * 31 + "1"]


@pytest.mark.parametrize("secret", GUESSABLE)
def test_production_refuses_a_secret_that_is_easy_to_guess(secret):
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(PRODUCTION | {"SECRET_KEY": secret})
    [problem] = raised.value.problems
    assert problem.startswith("SECRET_KEY is easy to guess")
    assert secret not in problem
    assert Settings.from_environ({"SECRET_KEY": secret}).secret_key == secret


@pytest.mark.parametrize("make", [lambda: secrets.token_hex(16), secrets.token_urlsafe, lambda: f"{secrets.randbits(128):040}"])
def test_production_takes_random_secrets(make):
    for _ in range(200):
        secret = make()
        assert Settings.from_environ(PRODUCTION | {"SECRET_KEY": secret}).secret_key == secret


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        Settings().pool_size = 9


BAD = [
    ("ROLLCALL_ENV", "prod", "development or production"),
    ("ROLLCALL_REQUEST_TIMEOUT", "soon", "a number of seconds from 0.1 to 3600"),
    ("ROLLCALL_REQUEST_TIMEOUT", "nan", "a number of seconds from 0.1 to 3600"),
    ("ROLLCALL_REQUEST_TIMEOUT", "inf", "a number of seconds from 0.1 to 3600"),
    ("ROLLCALL_REQUEST_TIMEOUT", "0", "a number of seconds from 0.1 to 3600"),
    ("ROLLCALL_STATS_TTL", "0", "a whole number from 1 to 86400"),
    ("ROLLCALL_STATS_TTL", "1.5", "a whole number from 1 to 86400"),
    ("ROLLCALL_STATS_TTL", "1_000", "a whole number from 1 to 86400"),
    ("ROLLCALL_STATS_TTL", "٣", "a whole number from 1 to 86400"),
    ("ROLLCALL_CACHE_ENABLED", "maybe", "true or false"),
    ("ROLLCALL_RATE_LIMIT_ENABLED", "2", "true or false"),
    ("ROLLCALL_REGISTRATION_ENABLED", "-", "true or false"),
    ("ROLLCALL_POOL_SIZE", "0", "a whole number from 1 to 100"),
    ("ROLLCALL_MAX_OVERFLOW", "-1", "a whole number from 0 to 100"),
    ("ROLLCALL_MAX_BODY_BYTES", "9" * 5000, "a whole number from 1024 to 1073741824"),
    ("ROLLCALL_BULK_MAX_ROWS", "all", "a whole number from 1 to 100000"),
    ("ROLLCALL_TRUSTED_PROXIES", "11", "a whole number from 0 to 10"),
    ("ROLLCALL_SESSION_MINUTES", "0", "a whole number from 1 to 525600"),
    ("WEB_CONCURRENCY", "0", "a whole number from 1 to 256"),
    ("ROLLCALL_PUBLIC_URL", "people.example.org", "an address such as https://people.example.org"),
    ("ROLLCALL_PUBLIC_URL", "ftp://a.example", "an address such as https://people.example.org"),
    ("ROLLCALL_PUBLIC_URL", "https://a.example/?x=1", "an address such as https://people.example.org"),
    ("ROLLCALL_PUBLIC_URL", "https://a.example/#x", "an address such as https://people.example.org"),
    ("ROLLCALL_PUBLIC_URL", "https://a.example/../b c", "an address such as https://people.example.org"),
    ("ROLLCALL_MAIL_FROM", "nobody", "an address such as rollcall@example.org or Rollcall <rollcall@example.org>"),
    ("ROLLCALL_MAIL_FROM", "a@b, c@d", "an address such as rollcall@example.org or Rollcall <rollcall@example.org>"),
    ("ROLLCALL_MAIL_FROM", "A <a@b> x", "an address such as rollcall@example.org or Rollcall <rollcall@example.org>"),
    ("ROLLCALL_CORS_ORIGINS", "*", "a comma-separated list of origins such as https://example.org"),
    ("ROLLCALL_CORS_ORIGINS", "https://a.example/path", "a comma-separated list of origins such as https://example.org"),
    ("ROLLCALL_CORS_ORIGINS", "https://*.example.org", "a comma-separated list of origins such as https://example.org"),
    ("ROLLCALL_CORS_ORIGINS", "https://.*", "a comma-separated list of origins such as https://example.org"),
    ("ROLLCALL_CORS_ORIGINS", "https://a$", "a comma-separated list of origins such as https://example.org"),
    ("ROLLCALL_CORS_ORIGINS", "https://u:p@a.example", "a comma-separated list of origins such as https://example.org"),
    ("ROLLCALL_CORS_ORIGINS", "https://bücher.example", "a comma-separated list of origins such as https://example.org"),
    ("ROLLCALL_CORS_ORIGINS", "https://[", "a comma-separated list of origins such as https://example.org"),
    ("ROLLCALL_CORS_ORIGINS", "https://a.example:port", "a comma-separated list of origins such as https://example.org"),
    ("ROLLCALL_HOME", "relative/folder", "an absolute path"),
    ("ROLLCALL_HOME", "~nobody-of-this-name/x", "an absolute path"),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "value", "allowed"), BAD)
def test_bad_value_is_named_with_what_is_allowed(variable, value, allowed):
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({variable: value})
    assert raised.value.problems == [f"{variable} is {value!r}, but must be {allowed}."]


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL", "CACHE_REDIS_URL", "RATE_LIMIT_REDIS_URL"])
@pytest.mark.parametrize(
    "value",
    [
        "mysql://u:hunter2@db/r",
        "postgresql+psycopg2://u:hunter2@db/r",
        "u:hunter2@db",
        "postgresql//u:hunter2@db",
        "postgresql://u:hunter2%zz@db/r",
        "postgresql://u:hunter2@db/r?no_such_option=1",
        "redis://u:hunter2@cache:port",
        "redis://u:hunter2@cache?socket_timeout=soon",
        "hunter2://",
    ],
)
def test_unreadable_url_is_refused_without_showing_it(variable, value):
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({variable: value})
    [problem] = raised.value.problems
    assert problem.startswith(f"{variable} is a URL that cannot be read, but must be a valid URL that starts with ")
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    "value",
    ["http://u:hunter2@mail", "smtp://", "smtp://u:hunter2@mail/path", "smtp://u:hunter2@mail:0", "smtp://u:hunter2@mail:x?y=1"],
)
def test_unreadable_smtp_url_is_refused_without_showing_it(value):
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({"ROLLCALL_SMTP_URL": value})
    [problem] = raised.value.problems
    assert problem.startswith("ROLLCALL_SMTP_URL is a URL that cannot be read, but must be a valid URL that starts with smtp://")
    assert "hunter2" not in problem


def test_production_needs_a_public_url_for_its_mails():
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(PRODUCTION | {"ROLLCALL_SMTP_URL": "smtp://mail"})
    assert raised.value.problems == ["ROLLCALL_PUBLIC_URL is required with ROLLCALL_SMTP_URL when ROLLCALL_ENV is production."]
    Settings.from_environ(PRODUCTION | {"ROLLCALL_SMTP_URL": "smtp://mail", "ROLLCALL_PUBLIC_URL": "https://a.example"})


def test_public_url_with_a_password_is_refused_without_showing_it():
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({"ROLLCALL_PUBLIC_URL": "https://u:hunter2@a.example"})
    [problem] = raised.value.problems
    assert problem == "ROLLCALL_PUBLIC_URL is a URL with a user, but must be an address such as https://people.example.org."


@pytest.mark.parametrize(("variable", "shortest"), [("SECRET_KEY", 32), ("ROLLCALL_METRICS_TOKEN", 16)])
def test_short_secret_is_refused_without_showing_it(variable, shortest):
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({variable: "hunter2"})
    assert raised.value.problems == [f"{variable} is a secret of 7 characters, but must be at least {shortest} characters long."]


def test_production_names_everything_that_is_missing_at_once():
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({"ROLLCALL_ENV": "production", "ROLLCALL_POOL_SIZE": "many"})
    assert [problem.split()[0] for problem in raised.value.problems] == ["ROLLCALL_POOL_SIZE", "DATABASE_URL", "SECRET_KEY"]
    assert "DATABASE_URL is required when ROLLCALL_ENV is production." in str(raised.value)


def test_production_starts_with_what_it_requires():
    assert Settings.from_environ(PRODUCTION).production


@pytest.mark.parametrize(
    ("environment", "bind"),
    [
        ({"PORT": "8104"}, "127.0.0.1:8104"),
        (PRODUCTION | {"PORT": "8104"}, "0.0.0.0:8104"),
        (PRODUCTION, "127.0.0.1:8000"),
        ({"ROLLCALL_BIND": " 192.0.2.1:80 ", "PORT": "8104"}, "192.0.2.1:80"),
        ({"ROLLCALL_BIND": "[::1]:8104"}, "[::1]:8104"),
        ({"ROLLCALL_BIND": "unix:/run/rollcall.sock"}, "unix:/run/rollcall.sock"),
        ({"GUNICORN_CMD_ARGS": "-w 4 --bind=127.0.0.1:8105 --reload", "ROLLCALL_BIND": "[::1]:8104"}, "127.0.0.1:8105"),
        ({"GUNICORN_CMD_ARGS": "-b 127.0.0.1:8106", "PORT": "8104"}, "127.0.0.1:8106"),
        ({"GUNICORN_CMD_ARGS": "--access-logfile '-", "PORT": "8104"}, "127.0.0.1:8104"),
    ],
)
def test_the_address_to_listen_on(environment, bind):
    assert Settings.from_environ(environment).bind == bind


@pytest.mark.parametrize(
    "environment",
    [
        {"ROLLCALL_BIND": "8000"},
        {"ROLLCALL_BIND": "127.0.0.1:0"},
        {"ROLLCALL_BIND": "127.0.0.1:70000"},
        {"ROLLCALL_BIND": "::1:80"},
        {"ROLLCALL_BIND": "http://127.0.0.1:80"},
        {"PORT": "0"},
        {"PORT": "65536"},
        {"PORT": "http"},
    ],
)
def test_an_address_that_cannot_be_used_is_refused_by_name(environment):
    [(name, value)] = environment.items()
    with pytest.raises(SettingsError, match=f"^{name} is ") as raised:
        Settings.from_environ(environment)
    assert repr(value) in str(raised.value)


def test_nothing_else_reads_the_environment():
    readers = [
        path.relative_to(servers.ROOT).as_posix()
        for path in (servers.ROOT / "src").rglob("*.py")
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    ]
    assert readers == ["src/rollcall/settings.py"]


@pytest.mark.parametrize(
    "command",
    [["-m", "flask", "--app", "wsgi", "routes"], ["-m", "gunicorn", "-b", "127.0.0.1:0", "wsgi:app"]],
    ids=["flask", "gunicorn"],
)
@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"DATABASE_URL": "mysql://u:hunter2@db/r"},
            "rollcall: DATABASE_URL is a URL that cannot be read, but must be a valid URL that starts with postgresql:// or postgres://.",
        ),
        (
            {"ROLLCALL_HOME": "/dev/null/state/home"},
            "rollcall: cannot write to ROLLCALL_HOME (/dev/null/state/home): Not a directory.",
        ),
    ],
    ids=["bad values", "unusable state folder"],
)
def test_bad_settings_end_the_start_with_one_sentence(command, environment, message):
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=servers.ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr.strip()) == (1, "", message)
