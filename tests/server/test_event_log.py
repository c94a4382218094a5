"""The log as JSON: one object a line, and a line for each security event that was committed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import servers
from facts import PASSWORD
from service import bearer, call, wait_for, wait_for_workers

SECRET = "secret-key-of-the-tests-" + "x" * 20


@pytest.fixture(scope="module", params=["json", "text"])
def service(request: Any, shared_app: Any, database_url: str) -> Iterator[tuple[str, servers.Gunicorn]]:
    environment = {"DATABASE_URL": database_url, "SECRET_KEY": SECRET, "ROLLCALL_LOG_FORMAT": request.param}
    with servers.gunicorn(environment) as server:
        wait_for_workers(server)
        yield request.param, server


def test_each_committed_event_is_a_line_where_the_log_is_json(service: Any, engine: Any, root: Any, ann: Any) -> None:
    log_format, server = service
    headers = bearer(engine, root) | {"X-Request-ID": "req-7"}
    assert call(server.url, "PATCH", f"/api/v1/users/{ann.id}", {"username": "ROOT"}, headers).status_code == 409
    assert call(server.url, "PATCH", f"/api/v1/users/{ann.id}", {"is_superuser": True}, headers).status_code == 200
    login = {"username": "ann", "password": PASSWORD}
    assert call(server.url, "POST", "/api/v1/auth/login", login).status_code == 200
    call(server.url, "GET", "/api/v1/events", headers=headers)
    if log_format == "text":
        text = server.log.read_text()
        assert "user_changed" not in text
        assert "[req-7]" not in text
        return
    wait_for(lambda: "login_succeeded" in server.log.read_text())
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {"time", "level", "process", "request_id", "logger", "message"} <= set.intersection(*map(set, lines))
    [changed, logged_in] = [line for line in lines if "event" in line]
    assert (changed["message"], changed["request_id"]) == ("user_changed", "req-7")
    assert changed["event"]["actor"] == {"id": root.id, "username": "root"}
    assert changed["event"]["changes"] == {"is_superuser": [False, True]}
    assert changed["event"]["id"] < logged_in["event"]["id"]
    assert PASSWORD not in server.log.read_text()
