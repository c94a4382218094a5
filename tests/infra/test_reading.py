"""Reading past the session: the same rows, the same errors, and a pool that is left as it was found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import Engine, Integer, Text, bindparam, func, insert, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rollcall.errors import DatabaseUnavailable
from rollcall.infra import reading
from rollcall.infra.database import session as read_session
from rollcall.infra.database import transaction
from rollcall.models import User

NAMES = reading.Statement(select(User.username).order_by(User.username))
PROCESS = reading.Statement(select(func.pg_backend_pid()))
KNOWN = reading.Statement(select(func.pg_backend_pid(), literal("100 %", Text), bindparam("word", type_=Text)), prepared=True)
NEW_USER = reading.Statement(
    insert(User).values(username=bindparam("name", type_=Text), email=bindparam("address", type_=Text)).returning(User.id)
)
RATIO = reading.Statement(select(literal(1, Integer) / bindparam("divisor", type_=Integer)))


def test_constants_and_parameters_come_to_the_database() -> None:
    statement = reading.Statement(select(literal("100 %", Text), bindparam("word", type_=Text)))
    assert "%(word)s" in statement.sql
    assert set(statement.with_values({"word": "x"}).values()) == {"100 %", "x"}


def test_what_a_transaction_has_written_is_read_in_it_and_nowhere_else(app: Flask, engine: Engine) -> None:
    with app.app_context():
        with transaction() as work:
            work.add(User(username="new", email="new@example.org"))
            work.flush()
            with Session(engine) as other:
                assert reading.rows(other, NAMES) == []
            assert reading.rows(work, NAMES) == [("new",)]
        assert reading.rows(read_session(), NAMES) == [("new",)]


def test_asking_for_the_reading_session_leaves_a_transaction_whole(app: Flask, engine: Engine) -> None:
    def interrupted() -> None:
        with transaction() as work:
            read_session().add(User(username="half", email="half@example.org"))
            work.flush()
            raise ZeroDivisionError

    with app.app_context():
        with pytest.raises(ZeroDivisionError):
            interrupted()
        assert reading.rows(read_session(), NAMES) == []


def test_the_connection_goes_back_as_it_came(app: Flask) -> None:
    with app.app_context():
        before = app.extensions["sqlalchemy"].engine
        before.dispose()  # of the connections that other tests have left, the pool would give another one
        [(process,)] = reading.rows(read_session(), PROCESS)
        assert before.pool.checkedout() == 0
        with before.connect() as connection:
            driver = connection.connection.dbapi_connection
            assert driver is not None
            assert driver.info.backend_pid == process  # type: ignore[attr-defined]
            assert not driver.autocommit


def test_a_mistake_in_a_statement_is_no_outage(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(Exception, match="division by zero"):
            reading.rows(read_session(), RATIO, divisor=0)
        assert reading.rows(read_session(), RATIO, divisor=1) == [(1,)]


def test_a_connection_that_was_ended_is_replaced(app: Flask, engine: Engine) -> None:
    with app.app_context():
        [(process,)] = reading.rows(read_session(), PROCESS)
        with engine.begin() as other:
            other.execute(select(func.pg_terminate_backend(process, 2000)))
        [(replacement,)] = reading.rows(read_session(), PROCESS)
    assert replacement != process


def test_a_database_that_is_away_is_said_to_be(make_app: Callable[..., Flask]) -> None:
    app = make_app(database_url="postgresql://user:secret@127.0.0.1:9/rollcall")
    with app.app_context(), pytest.raises(DatabaseUnavailable):
        reading.rows(read_session(), PROCESS)


def test_a_connection_that_ends_in_the_midst_is_an_outage(app: Flask) -> None:
    suicide = reading.Statement(select(func.pg_terminate_backend(func.pg_backend_pid())))
    with app.app_context():
        with pytest.raises(DatabaseUnavailable):
            reading.rows(read_session(), suicide)
        assert reading.rows(read_session(), RATIO, divisor=1) == [(1,)]


def test_listeners_hear_of_it(app: Flask, statements: list[str]) -> None:
    with app.app_context():
        reading.rows(read_session(), PROCESS)
    assert statements == [PROCESS.sql]


def prepared(app: Flask) -> list[str]:
    """What the one connection of the pool has prepared."""
    with app.extensions["sqlalchemy"].engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT name FROM pg_prepared_statements").scalars())


def test_a_prepared_statement_is_planned_once_for_each_connection(app: Flask) -> None:
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()
        [(process, *constant)] = reading.rows(read_session(), KNOWN, word="it's")
        assert constant == ["100 %", "it's"]
        assert reading.rows(read_session(), KNOWN, word="%(other)s") == [(process, "100 %", "%(other)s")]
        assert prepared(app) == [KNOWN.name]


@pytest.mark.parametrize("lost", ["DEALLOCATE ALL", None])
def test_a_connection_of_which_something_else_is_known_reads_all_the_same(app: Flask, lost: str | None) -> None:
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
        engine.dispose()
        [first] = reading.rows(read_session(), KNOWN, word="x")
        with engine.connect() as connection:
            if lost:  # as a pooler does that hands on another connection of the server
                connection.exec_driver_sql(lost)
            else:
                connection.info.clear()
        assert reading.rows(read_session(), KNOWN, word="x") == [first]
        assert reading.rows(read_session(), KNOWN, word="x") == [first]
        assert prepared(app) == [KNOWN.name]


def test_in_a_transaction_only_the_first_statement_is_prepared(app: Flask) -> None:
    with app.app_context():
        app.extensions["sqlalchemy"].engine.dispose()
        with transaction() as work:
            work.execute(select(1))
            assert reading.in_transaction(work, KNOWN, word="x")[0][2] == "x"
        assert prepared(app) == []
        with transaction() as work:
            assert reading.in_transaction(work, KNOWN, word="x")[0][2] == "x"
        assert prepared(app) == [KNOWN.name]


@pytest.mark.parametrize("lost", ["DEALLOCATE ALL", None])
def test_a_transaction_begins_again_where_its_first_statement_is_not_known(app: Flask, engine: Engine, lost: str | None) -> None:
    with app.app_context():
        pool = app.extensions["sqlalchemy"].engine
        pool.dispose()
        reading.rows(read_session(), KNOWN, word="x")
        with pool.connect() as connection:
            if lost:
                connection.exec_driver_sql(lost)
            else:
                connection.info.clear()
        with transaction() as work:
            assert reading.in_transaction(work, KNOWN, word="x")[0][2] == "x"
            work.add(User(username="new", email="new@example.org"))
            work.flush()
            with Session(engine) as other:
                assert reading.rows(other, NAMES) == []
        assert reading.rows(read_session(), NAMES) == [("new",)]


def test_a_write_is_in_the_transaction_that_it_begins(app: Flask, engine: Engine) -> None:
    with app.app_context():
        session = Session(app.extensions["sqlalchemy"].engine)
        reading.in_transaction(session, NEW_USER, name="new", address="new@example.org")
        session.rollback()
        assert reading.rows(read_session(), NAMES) == []


def test_a_violation_is_the_error_of_sqlalchemy_without_values(app: Flask) -> None:
    with app.app_context():
        with transaction() as work:
            reading.in_transaction(work, NEW_USER, name="new", address="new@example.org")
        with pytest.raises(IntegrityError) as caught, transaction() as work:
            reading.in_transaction(work, NEW_USER, name="NEW", address="secret@example.org")
        assert caught.value.orig.diag.constraint_name == "uq_users_username"
        assert "secret" not in str(caught.value)


def test_a_transaction_whose_connection_ends_is_an_outage_and_leaves_a_session_that_works(app: Flask) -> None:
    suicide = reading.Statement(select(func.pg_terminate_backend(func.pg_backend_pid())))
    with app.app_context():
        with pytest.raises(DatabaseUnavailable), transaction() as work:
            reading.in_transaction(work, suicide)
        with transaction() as work:
            assert reading.in_transaction(work, RATIO, divisor=1) == [(1,)]
