"""Databases as operators have them: other locales and encodings, roles with few rights, schemas of their own."""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import flask_migrate
import pytest
from click import ClickException
from sqlalchemy import create_engine, text

import databases
import servers
from rollcall.infra.database import db
from rollcall.infra.embedded_cluster import Account, run

CASES = Path(__file__).parent / "cases"
LATIN1 = "ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'"
NEEDS_UTF8 = r"has the encoding LATIN1, but Rollcall needs UTF8\. An administrator can make one: CREATE DATABASE"


def invoke(app, *arguments, **options):
    return app.test_cli_runner().invoke(args=arguments, **options)


def require_names_without_case(app):
    """The names of the cases conflict, and each finds the user whose name it is."""

    def import_file(name):
        return invoke(app, "users", "import", str(CASES / name))

    assert import_file("tr1.csv").exit_code == 0
    assert "username: This username is already in use." in import_file("tr2.csv").output
    assert "email: This e-mail address is already in use." in import_file("tr3.csv").output
    assert "email: Line 2 has this e-mail address, too." in import_file("case_dup_nonascii.csv").output
    elise = ["users", "create-superuser", "--password-stdin", "--username", "elise", "--email", "Élise@example.org"]
    assert invoke(app, *elise, input="a-fine-passphrase\n").exit_code == 0
    assert "already in use" in invoke(app, *elise[:-1], "élise@example.org", input="a-fine-passphrase\n").output
    assert invoke(app, "users", "promote", "ivan1").output == "IVAN1 is now a superuser.\n"
    assert invoke(app, "users", "demote", "ivan1@EXAMPLE.ORG").output == "IVAN1 is now a plain user.\n"
    client = app.test_client()
    for name in ("ivan1", "IVAN1", "Ivan1@example.org"):
        login = client.post("/api/v1/auth/login", json={"username": name, "password": "correct-horse-battery"})
        assert login.status_code == 200, name


def test_names_are_compared_alike_with_the_locale_c(settings, clock):
    with databases.application(settings, clock, "LOCALE_PROVIDER libc LOCALE 'C'") as app, app.app_context():
        flask_migrate.upgrade()
        require_names_without_case(app)
        flask_migrate.check()


@contextlib.contextmanager
def debians_postgres(home):
    """Debian's PostgreSQL, which knows ICU's locales, where the one of the wheel does not."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    assert folders, "apt-get install postgresql"
    programs, account = folders[-1].parent, None
    home.mkdir(mode=0o755)
    if os.geteuid() == 0:
        account = Account(*pwd.getpwnam("postgres")[2:4])
        os.chown(home, account.uid, account.gid)
    data, port = home / "data", servers.free_port()
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "rollcall", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
    run(initdb, account)
    options = f"-c listen_addresses='' -c unix_socket_directories={home} -c port={port} -c fsync=off"
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w"]
    run([*control, "-l", str(home / "log"), "-o", options, "start"], account)
    try:
        yield f"postgresql://rollcall@/postgres?host={home}&port={port}"
    finally:
        run([*control, "-m", "immediate", "stop"], account)
        shutil.rmtree(home)


@pytest.mark.heavy
def test_names_are_compared_alike_with_turkish_rules(settings, clock):
    turkish = "LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C.UTF-8'"
    with (
        debians_postgres(servers.fresh_home()) as url,
        databases.application(replace(settings, database_url=url), clock, turkish) as app,
        app.app_context(),
    ):
        flask_migrate.upgrade()
        with db.engine.connect() as connection:
            assert connection.scalar(text("SELECT lower('I')")) == "ı"  # such a database it is
        require_names_without_case(app)
        flask_migrate.check()
        flask_migrate.downgrade(revision="0012")
        flask_migrate.upgrade()


def test_a_database_in_latin1_is_refused_by_the_upgrade(settings, clock):
    with databases.application(settings, clock, LATIN1) as app, app.app_context():
        with pytest.raises(ClickException, match=NEEDS_UTF8):
            flask_migrate.upgrade()
        result = invoke(app, "users", "promote", "ann")
        assert (result.exit_code, result.output.count("\n")) == (1, 1)
        assert "needs UTF8" in result.output


def test_a_database_in_latin1_is_refused_at_the_start(settings, checkout):
    with contextlib.contextmanager(servers._database_on)(str(settings.database_url), LATIN1) as url:
        home = servers.fresh_home()
        started = subprocess.run(
            [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{servers.free_port()}", "wsgi:app"],
            cwd=checkout,
            env={"PATH": os.environ["PATH"], "ROLLCALL_HOME": str(home), "DATABASE_URL": url, "USER": getpass.getuser()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        shutil.rmtree(home)
    assert started.returncode != 0
    assert "\nrollcall: The database rollcall_test_" in started.stderr
    assert "needs UTF8" in started.stderr
    assert "Traceback" not in started.stderr


def test_a_role_without_create_on_the_database_needs_one_statement_of_an_administrator(settings, clock):
    with databases.application(settings, clock) as app, app.app_context():
        with db.engine.begin() as connection:
            name = connection.scalar(text("SELECT current_database()"))
            connection.execute(text("CREATE SCHEMA people"))
            connection.execute(text(f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET search_path = people"))
            connection.execute(text(f"REVOKE CREATE, TEMPORARY ON DATABASE {name} FROM PUBLIC, CURRENT_USER"))
            connection.execute(text(f"GRANT TEMPORARY ON DATABASE {name} TO CURRENT_USER"))
        db.engine.dispose()
        with pytest.raises(ClickException) as refusal:
            flask_migrate.upgrade()
        assert f"Have an administrator run 'CREATE EXTENSION pg_trgm' in the database {name}, then run" in refusal.value.message
        with db.engine.begin() as connection:
            connection.execute(text(f"GRANT CREATE ON DATABASE {name} TO CURRENT_USER"))
            connection.execute(text("CREATE EXTENSION pg_trgm SCHEMA public"))
            connection.execute(text(f"REVOKE CREATE ON DATABASE {name} FROM CURRENT_USER"))
        flask_migrate.upgrade()
        flask_migrate.check()
        require_names_without_case(app)
        with db.engine.connect() as connection:
            extensions = connection.scalars(text("SELECT extname FROM pg_extension")).all()
            assert set(extensions) == {"plpgsql", "pg_trgm"}
            assert connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")) == 0
        flask_migrate.downgrade(revision="base")
        flask_migrate.upgrade()


def test_a_schema_of_its_own_may_be_named_in_the_url(settings, clock):
    with contextlib.contextmanager(servers._database_on)(str(settings.database_url)) as url:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
        with engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA people"))
            connection.execute(text("CREATE EXTENSION pg_trgm SCHEMA public"))
        engine.dispose()
        separator = "&" if "?" in url else "?"
        named = replace(settings, database_url=f"{url}{separator}options=-csearch_path%3Dpeople")
        app = databases.create_app(named, clock)
        with app.app_context():
            flask_migrate.upgrade()
            with db.engine.connect() as connection:
                assert connection.scalar(text("SHOW search_path")) == "people"
                assert connection.scalar(text("SHOW timezone")) == "UTC"  # the service's own options hold, too
                assert connection.scalar(text("SELECT count(*) FROM people.users")) == 0
            db.engine.dispose()
