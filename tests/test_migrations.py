"""The migrations: up, down and up again, on an empty and on a filled database; and the models beside them."""

from __future__ import annotations

import flask_migrate
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import event, inspect, text

import databases
from rollcall import bundled
from rollcall.infra.database import db
from rollcall.services.statistics import tally

R2_INDEXES = ["ix_users_is_active", "ix_users_is_superuser", "ix_users_created_at"]
FILL = text("""
    INSERT INTO users (email, username, full_name, is_active, is_superuser, created_at)
    SELECT 'Mail' || n || '@example.org', 'User' || n, 'Ann Lee', n % 3 > 0, n % 7 = 0,
           timestamptz '2026-03-11 00:00+00' - n * interval '5 h 1 us'
    FROM generate_series(1, 500) AS n
""")
SCHEMA = text("""
    SELECT 'column', table_name, column_name, data_type || coalesce(character_maximum_length, 0) || is_nullable
           || coalesce(column_default, '') || is_identity
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
              WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'function', '', proname, prosrc || prosecdef || proconfig::text FROM pg_proc
              WHERE pronamespace = 'public'::regnamespace AND prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
    ORDER BY 1, 2, 3
""")


@pytest.fixture
def empty(settings, clock):
    """An application on an empty database, in its context."""
    with databases.application(settings, clock) as app, app.app_context():
        yield app


@pytest.fixture
def scripts():
    config = Config()
    config.set_main_option("script_location", str(bundled.folder("migrations")))
    return ScriptDirectory.from_config(config)


def schema():
    with db.engine.connect() as connection:
        return {tuple(row) for row in connection.execute(SCHEMA) if row[1] != "alembic_version"}


def fetch(query):
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def fill():
    with db.engine.begin() as connection:
        connection.execute(FILL)


def differences():
    with db.session() as session:
        return tally.verify(session)


def test_there_is_one_head_and_one_line(scripts):
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
    assert not any(script.is_branch_point or script.is_merge_point for script in scripts.walk_revisions())


def test_every_migration_says_what_it_is_for_and_goes_down(scripts):
    for script in scripts.walk_revisions():
        assert script.module.__doc__, script.path
        assert callable(script.module.downgrade), script.path


def test_up_down_up_on_an_empty_database(empty):
    flask_migrate.upgrade()
    first = schema()
    flask_migrate.downgrade(revision="base")
    assert {row for row in schema() if row[0] != "function"} == set()
    flask_migrate.upgrade()
    assert schema() == first


def test_every_single_step_goes_down_and_up_to_the_same_schema(empty, scripts):
    revisions = [script.revision for script in scripts.walk_revisions()][::-1]
    before = {}
    for revision in revisions:
        flask_migrate.upgrade(revision=revision)
        before[revision] = schema()
    for lower in revisions[-2::-1]:
        flask_migrate.downgrade(revision=lower)
        assert schema() == before[lower]
    flask_migrate.upgrade()
    assert schema() == before[revisions[-1]]


def test_users_survive_a_way_down_and_up_and_are_tallied_anew(empty):
    flask_migrate.upgrade()
    fill()
    users = fetch("SELECT * FROM users ORDER BY id")
    flask_migrate.downgrade(revision="0001")
    with db.engine.begin() as connection:
        connection.execute(text("DELETE FROM users WHERE id % 10 = 0"))  # while nothing tallies
    flask_migrate.upgrade()
    assert fetch("SELECT * FROM users ORDER BY id") == [user for user in users if user[0] % 10]
    assert differences() == []
    assert fetch("SELECT sum(users)::int FROM user_tally") == [(450,)]
    assert fetch("SELECT sum(users)::int FROM user_tally_totals") == [(450,)]


def test_down_to_nothing_and_up_on_a_filled_database(empty):
    flask_migrate.upgrade()
    fill()
    flask_migrate.downgrade(revision="base")
    flask_migrate.upgrade()
    fill()
    assert differences() == []
    assert fetch("SELECT count(*) FROM users") == [(500,)]


def test_upgrade_twice_is_an_upgrade(empty):
    flask_migrate.upgrade()
    first = schema()
    flask_migrate.upgrade()
    assert schema() == first


def test_models_are_what_the_migrations_make(empty):
    flask_migrate.upgrade()
    flask_migrate.check()  # exits where they differ


def test_check_would_find_a_difference(empty):
    flask_migrate.upgrade()
    with db.engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_users_created_at"))
    with pytest.raises(SystemExit):
        flask_migrate.check()


def test_names_are_unique_without_regard_to_case_under_one_collation(empty):
    flask_migrate.upgrade()
    collations = fetch("""
        SELECT name.relname::text, used.collname::text, found.indisunique
        FROM pg_index AS found JOIN pg_class AS name ON name.oid = found.indexrelid
             JOIN pg_collation AS used ON used.oid = found.indcollation[0]
        WHERE name.relname LIKE 'uq_users_%' ORDER BY 1
    """)
    assert collations == [("uq_users_email", "C", True), ("uq_users_username", "C", True)]
    definitions = dict(fetch("SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'uq_users_%'"))
    for name, definition in definitions.items():
        assert f"user_name_key(({name.removeprefix('uq_users_')})::text)" in definition


def test_indexes_of_r2_have_a_migration_of_their_own(empty, scripts):
    flask_migrate.upgrade(revision="0001")
    before = {index["name"] for index in inspect(db.engine).get_indexes("users")}
    flask_migrate.upgrade(revision="0002")
    after = {index["name"] for index in inspect(db.engine).get_indexes("users")}
    assert after - before == set(R2_INDEXES)
    assert before <= after


def test_indexes_of_r2_are_dropped_in_reverse_order(empty):
    flask_migrate.upgrade(revision="0002")
    sent = []
    event.listen(db.engine, "before_cursor_execute", lambda *call: sent.append(call[2]))
    flask_migrate.downgrade(revision="0001")
    dropped = [statement.split()[-1] for statement in sent if "DROP INDEX" in statement]
    assert dropped == R2_INDEXES[::-1]


def test_interrupted_index_build_is_made_good(empty):
    flask_migrate.upgrade(revision="0001")
    with db.engine.begin() as connection:  # what an interrupted build leaves: the name is taken
        connection.execute(text("CREATE INDEX ix_users_created_at ON users (full_name)"))
    flask_migrate.upgrade(revision="0002")
    [(definition,)] = fetch("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_users_created_at'")
    assert "(created_at, id)" in definition


def test_triggers_run_with_their_owners_rights_and_search_path(empty):
    flask_migrate.upgrade()
    functions = fetch("SELECT prosecdef, proconfig FROM pg_proc WHERE proname LIKE 'user_tally_%'")
    assert len(functions) == 8
    assert set(map(str, functions)) == {"(True, ['search_path=public, pg_temp'])"}


def test_networks_of_the_sessions_so_far_are_known_ones(empty):
    """Else a stranger could lock everybody out on the day of the upgrade."""
    flask_migrate.upgrade(revision="0012")
    with db.engine.begin() as connection:
        connection.execute(text("INSERT INTO users (email, username) VALUES ('ann@example.org', 'ann')"))
        connection.execute(
            text("""
            INSERT INTO sessions (token_hash, user_id, expires_at, created_at, address)
            SELECT sha256(convert_to(n::text, 'UTF8')), id, now(), now() - age * interval '1 day', address::inet
            FROM users, (VALUES (1, 1, '203.0.113.5'), (2, 3, '203.0.113.5'), (3, 5, '2001:db8::5'), (4, 5, '2001:db8::6'),
                                (5, 31, '203.0.113.6'), (6, 1, NULL)) AS given (n, age, address)
        """)
        )
    flask_migrate.upgrade()
    found = fetch("SELECT network::text, round(extract(epoch FROM now() - seen_at) / 86400)::int FROM login_networks ORDER BY 1")
    assert found == [("2001:db8::/64", 5), ("203.0.113.5/32", 1)]
    assert fetch("SELECT relpersistence::text FROM pg_class WHERE relname = 'login_failures'") == [("u",)]
