"""A large load into a table that is nearly empty builds the indexes afterwards: the same ones, all or nothing."""

from __future__ import annotations

from contextlib import closing

import flask_migrate
import psycopg2
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import databases
from facts import NOON
from rollcall.infra.database import db
from rollcall.services.search import user_search
from rollcall.services.search.filters import UserFilter
from rollcall.services.statistics import tally
from rollcall.services.transfer import index_builds, seeds

INDEXES = (
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'users'::regclass ORDER BY 1"
)


@pytest.fixture
def app(settings, clock, monkeypatch):
    """An application with a database of its own, where 500 users are a large load."""
    monkeypatch.setattr(index_builds, "ROWS_AT_LEAST", 500)
    monkeypatch.setattr(index_builds, "LOCK_PATIENCE", "100ms")
    root = text("INSERT INTO users (username, email) VALUES ('root', 'root@z.test')")
    with databases.filled(settings, clock, root) as app, app.app_context():
        yield app


def fetch(query):
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def seed(count, built):
    with db.session() as session:
        seeds.seed_users(session, count, seed=1, now=NOON, progress=lambda _: None, building=built.append)
        session.commit()


def test_a_large_seed_builds_the_indexes_anew_and_they_are_the_same(app):
    indexes, built = fetch(INDEXES), []
    seed(600, built)
    assert len(built) == 1
    assert fetch(INDEXES) == indexes
    flask_migrate.check()
    with db.session() as session:
        assert tally.verify(session) == []
        assert user_search.numbered_page(session, UserFilter(search="root"), 1, 10).items[0].username == "root"
        assert tally.count(session) == 601


def test_a_load_into_a_table_that_is_not_nearly_empty_goes_straight_in(app):
    built = []
    seed(600, built)
    seed(600, built)
    assert len(built) == 1
    assert fetch("SELECT count(*) FROM users") == [(1201,)]


def test_an_import_of_the_command_line_builds_them_too(app, tmp_path):
    file = tmp_path / "users.csv"
    file.write_text("email,username\n" + "".join(f"import{n}@example.org,import{n}\n" for n in range(600)))
    indexes = fetch(INDEXES)
    done = app.test_cli_runner().invoke(args=["users", "import", str(file)])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "Imported 600 users.")
    assert "Building the indexes, which takes about " in done.stderr
    assert (fetch(INDEXES), fetch("SELECT count(*) FROM users")) == (indexes, [(601,)])


def test_where_a_name_is_taken_the_indexes_are_there_as_before(app):
    """The rows go in without the unique indexes; a name that is taken shows when these are built."""
    indexes = fetch(INDEXES)
    taken = text("INSERT INTO users (username, email) VALUES ('ROOT', 'other@z.test')")
    with (
        db.engine.connect() as connection,
        pytest.raises(IntegrityError),
        connection.begin(),
        index_builds.after_load(connection, 500, building=lambda _: None),
    ):
        connection.execute(taken)
    assert (fetch(INDEXES), fetch("SELECT username FROM users")) == (indexes, [("root",)])


def test_a_load_does_not_make_others_wait_behind_it_for_a_table_in_use(app):
    built = []
    with db.engine.connect() as connection:
        url = connection.connection.driver_connection.dsn
    with closing(psycopg2.connect(url)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM users")  # and its transaction stays open
        seed(600, built)
    assert built == []
    assert fetch("SELECT count(*) FROM users") == [(601,)]
