"""``/metrics`` and ``/api/v1/metrics/database``: who may read them, what is counted, and that no label grows without end."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from answers import refused
from rollcall.api import errors
from rollcall.errors import RequestTimeout
from rollcall.infra import deadline

TOKEN = "scrape-me-" + "x" * 20


def samples(client, **options):
    """Every sample of the exposition by its name and labels."""
    text = client.get("/metrics", **options).get_data(as_text=True)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found, name, **labels):
    return found.get((name, frozenset(labels.items())), 0.0)


# Who may read


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1"])
def test_this_machine_reads_without_a_token(app, address):
    answer = app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")


@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.1", "192.168.1.1", "::2", "", "unix:"])
def test_others_do_not(app, address):
    answer = app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": address})
    assert refused(answer, 403, "authorization_error")


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "127.0.0.1:4711", "[::1]:4711"])
def test_this_machine_is_known_by_its_address_however_it_is_written(app, address):
    assert app.test_client().get("/metrics", environ_base={"REMOTE_ADDR": address}).status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
@pytest.mark.parametrize("proxies", [0, 1])
def test_a_proxy_on_this_machine_opens_it_to_nobody(make_app, header, proxies):
    answer = make_app(trusted_proxies=proxies).test_client().get("/metrics", headers={header: "127.0.0.1"})
    assert refused(answer, 403, "authorization_error")


@pytest.mark.parametrize("own", [None, TOKEN])
def test_an_api_token_with_the_scope_opens_it_from_anywhere(make_app, api_token, root, own):
    app = make_app(metrics_token=own)
    elsewhere = {"environ_base": {"REMOTE_ADDR": "203.0.113.7"}}
    assert api_token(root, "metrics:read", on=app).get("//metrics", **elsewhere).status_code == 200
    assert refused(api_token(root, "users:read", on=app).get("//metrics", **elsewhere), 403, "insufficient_scope")


def test_an_api_token_opens_it_for_superusers_alone_while_it_is_valid(api_token, ann, root, engine):
    assert refused(api_token(ann, "metrics:read").get("//metrics"), 403, "authorization_error")
    caller = api_token(root, "metrics:read")
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM api_tokens")
    assert refused(caller.get("//metrics"), 401, "authentication_error")


@pytest.fixture
def guarded(make_app):
    return make_app(metrics_token=TOKEN).test_client()


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.7"])
def test_bearer_of_the_token_reads_from_anywhere(guarded, address):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address}).status_code == 200


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer é", TOKEN])
def test_where_a_token_is_set_nobody_reads_without_it(guarded, given):
    answer = guarded.get("/metrics", headers={"Authorization": given} if given else {})
    assert refused(answer, 401, "authentication_error")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_token_of_a_superuser_is_no_scraper_token(guarded, root, sign_in):
    assert guarded.get("/metrics", headers=sign_in(root)).status_code == 401


# What is counted


def test_requests_are_counted_by_route_and_status(app, as_root, nobody):
    client = app.test_client()
    labels = {"method": "GET", "route": "/api/v1/users/<user_id:user_id>"}
    before = samples(client)
    for user_id in (1, 1, 4711, 4712):
        as_root.get(f"/users/{user_id}")
    nobody.get("/users/1")
    after = samples(client)

    def more(status):
        name = "rollcall_request_seconds_count"
        return value(after, name, **labels, status=status) - value(before, name, **labels, status=status)

    assert (more("200"), more("404"), more("401")) == (2, 2, 1)


def test_labels_hold_no_ids_paths_or_made_up_methods(app, as_root):
    for path in ("/users/123456789", "/made-up-path", "/users/123456789/nothing", "//setup/123456789"):
        as_root.get(path)
        as_root("MADEUP", path)
    text = app.test_client().get("/metrics").get_data(as_text=True)
    assert "123456789" not in text
    assert "made-up" not in text
    assert "MADEUP" not in text
    assert 'route="unmatched"' in text


def test_every_metric_of_ours_says_what_it_is(app):
    text = app.test_client().get("/metrics").get_data(as_text=True)
    described = set(re.findall(r"^# HELP (rollcall_\w+) \S+", text, re.MULTILINE))
    assert described >= {
        "rollcall_request_seconds",
        "rollcall_request_timeouts_total",
        "rollcall_rate_limit_refusals_total",
        "rollcall_cache_hits_total",
        "rollcall_cache_misses_total",
        "rollcall_cache_failures_total",
        "rollcall_pool_connections",
    }


def test_timeouts_are_counted_by_what_they_were_stuck_in(make_app):
    app = make_app()

    def stuck():
        raise RequestTimeout(1.0, "sql")

    app.add_url_rule("/api/v1/stuck", "stuck", stuck)
    client = app.test_client()
    labels = {"route": "/api/v1/stuck", "stuck_in": "sql"}
    before = value(samples(client), "rollcall_request_timeouts_total", **labels)
    assert refused(client.get("/api/v1/stuck"), 504, "request_timeout")
    assert value(samples(client), "rollcall_request_timeouts_total", **labels) == before + 1


def test_one_listener_counts_timeouts_however_many_applications_there_are(make_app):
    make_app()
    make_app()
    assert deadline.on_timeout.count(errors._count_timeout) == 1


def test_refusals_by_a_limit_are_counted(make_app):
    client = make_app(rate_limit_enabled=True).test_client()
    labels = {"route": "/api/v1/auth/register"}
    before = value(samples(client), "rollcall_rate_limit_refusals_total", **labels)
    # An address that no other test uses: in memory the counters live as long as the process.
    answers = [
        client.post("/api/v1/auth/register", json={}, environ_base={"REMOTE_ADDR": "198.51.100.9"}).status_code for _ in range(7)
    ]
    assert answers == [422] * 5 + [429] * 2
    assert value(samples(client), "rollcall_rate_limit_refusals_total", **labels) == before + 2


def test_hits_and_misses_of_the_cache_are_counted(make_app, root, sign_in, tmp_path):
    client, headers = make_app(cache_enabled=True, home=tmp_path).test_client(), sign_in(root)
    before = samples(client)
    for _ in range(3):
        client.get("/api/v1/dashboard/stats", headers=headers)
    after = samples(client)
    grown = [value(after, name) - value(before, name) for name in ("rollcall_cache_misses_total", "rollcall_cache_hits_total")]
    assert grown == [1, 2]


# The pools


def test_pool_is_told_with_five_numbers_that_agree(as_root):
    report = as_root.get("/metrics/database").json
    five = {"pool_size", "checked_in", "checked_out", "overflow", "total_connections"}
    [worker] = report["workers"]
    assert set(worker) == five | {"pid"}
    assert {name: worker[name] for name in five} == {name: report[name] for name in five}
    assert (report["pool_size"], report["checked_out"], report["overflow"]) == (2, 0, 0)
    assert report["total_connections"] == report["checked_in"] + report["checked_out"]


def test_connections_that_are_held_are_told(app, as_root):
    with app.app_context():
        engine = app.extensions["sqlalchemy"].engine
    with engine.connect(), engine.connect(), engine.connect():
        report = as_root.get("/metrics/database").json
    assert (report["checked_out"], report["overflow"]) == (3, 2)
    assert as_root.get("/metrics/database").json["checked_out"] == 0


def test_plain_users_do_not_see_the_pools(as_ann):
    assert refused(as_ann.get("/metrics/database"), 403, "authorization_error")
