"""Failed log-ins: counted in PostgreSQL, for networks and accounts, so that strangers cannot lock the owner out."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from answers import refused
from browser import Browser
from facts import PASSWORD
from rollcall.errors import TooManyFailures
from rollcall.infra.database import session
from rollcall.services.identity import attempts
from rollcall.services.users import first_superuser
from threads import together

HOME, ELSEWHERE = "198.51.100.7", "203.0.113.{}"


@pytest.fixture
def app_with_limits(make_app):
    return make_app(rate_limit_enabled=True, pool_size=40)


@pytest.fixture
def try_log_in(app_with_limits):
    """Try to log in from an address."""

    def attempt(username="ann", password="wrong-password", address=HOME):
        login = {"username": username, "password": password}
        client = app_with_limits.test_client()
        return client.post("/api/v1/auth/login", json=login, environ_base={"REMOTE_ADDR": address})

    return attempt


def statuses(answers):
    return [answer.status_code for answer in answers]


@pytest.fixture
def fail_from_everywhere(app_with_limits, clock):
    """Count failures, ten from each of as many networks as it takes, without the time that hashing takes."""

    def fail(number, username="ann", networks=ELSEWHERE):
        found = Counter()
        with app_with_limits.app_context():
            for turn in range(number):
                account, _ = attempts.find_account(session(), username, networks.format(turn // 10), clock.now)
                try:
                    attempts.count(session(), account, clock.now)
                    found["counted"] += 1
                except TooManyFailures:
                    found["refused"] += 1
        return found

    return fail


# Networks


def test_ten_failures_from_a_network_whoever_is_tried(try_log_in):
    assert statuses(try_log_in(f"name{number}") for number in range(12)) == [401] * 10 + [429] * 2
    assert try_log_in("other", address=ELSEWHERE.format(1)).status_code == 401


@pytest.mark.parametrize(
    "written",
    ["198.51.100.7:{}", "::ffff:198.51.100.7", "[::ffff:198.51.100.7]:{}", "2001:db8::{}", "[2001:db8::{}]:443"],
)
def test_other_ways_to_write_an_address_are_no_fresh_start(try_log_in, written):
    found = statuses(try_log_in(f"name{n}", address=written.format(10_000 + n if ":{" in written else n)) for n in range(1, 13))
    assert found == [401] * 10 + [429] * 2


def test_networks_of_ipv6_are_told_apart(try_log_in):
    assert statuses(try_log_in(f"n{n}", address=f"2001:db8:0:{n}::1") for n in range(12)) == [401] * 12


def test_successes_do_not_count(try_log_in, ann):
    assert statuses(try_log_in(password=PASSWORD) for _ in range(12)) == [200] * 12


def test_successes_do_not_undo_failures_at_other_accounts(try_log_in, ann):
    """Who has an account could else guess at others for ever."""
    for number in range(9):
        assert try_log_in(f"name{number}").status_code == 401
        assert try_log_in("ann", PASSWORD).status_code == 200
    assert statuses(try_log_in(f"other{number}") for number in range(3)) == [401, 429, 429]


def test_window_ends_after_five_minutes(try_log_in, clock):
    for _ in range(11):
        answer = try_log_in("ghost")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "300")
    clock.advance(seconds=299)
    assert try_log_in("ghost").status_code == 429
    clock.advance(seconds=1)
    assert statuses(try_log_in("ghost") for _ in range(11)) == [401] * 10 + [429]


# Accounts


def test_stranger_locks_nobody_out_of_a_network_of_his(try_log_in, ann, fail_from_everywhere):
    assert try_log_in("ann", PASSWORD).status_code == 200
    assert fail_from_everywhere(150) == {"counted": 100, "refused": 50}
    assert try_log_in("ann", PASSWORD, ELSEWHERE.format(99)).status_code == 429
    assert try_log_in("ann", PASSWORD).status_code == 200


def test_strangers_at_the_same_network_lock_nobody_out_of_it(try_log_in, ann):
    try_log_in("ann", PASSWORD)
    assert statuses(try_log_in(f"name{n}") for n in range(12))[-1] == 429
    assert try_log_in("ann", PASSWORD).status_code == 200
    assert try_log_in("name0").status_code == 429


def test_at_a_known_network_the_account_is_limited_still(try_log_in, ann):
    try_log_in("ann", PASSWORD)
    assert statuses(try_log_in() for _ in range(12)) == [401] * 10 + [429] * 2
    assert try_log_in("ann", PASSWORD).status_code == 429


def test_network_is_forgotten_after_thirty_days(try_log_in, ann, clock, fail_from_everywhere):
    try_log_in("ann", PASSWORD)
    clock.advance(days=31, seconds=1)  # when it was seen is kept to a day
    fail_from_everywhere(100)
    assert try_log_in("ann", PASSWORD).status_code == 429


def test_network_is_remembered_from_the_last_log_in_on(try_log_in, ann, clock, fail_from_everywhere):
    try_log_in("ann", PASSWORD)
    clock.advance(hours=23)
    try_log_in("ann", PASSWORD)
    clock.advance(days=29, hours=23)
    fail_from_everywhere(100)
    assert try_log_in("ann", PASSWORD).status_code == 200


def test_a_hundred_failures_in_a_row_at_an_account(try_log_in, ann, fail_from_everywhere):
    assert fail_from_everywhere(102) == {"counted": 100, "refused": 2}
    answer = try_log_in("ann", PASSWORD)
    assert refused(answer, 429, "rate_limit_exceeded")
    assert "100 in a row" in answer.json["message"]
    assert (answer.headers["RateLimit-Limit"], answer.headers["Retry-After"]) == ("100", "86400")


def test_success_begins_the_row_anew(try_log_in, ann, fail_from_everywhere):
    assert fail_from_everywhere(90) == {"counted": 90}
    assert try_log_in("ann", PASSWORD).status_code == 200
    assert fail_from_everywhere(102, networks="192.0.2.{}") == {"counted": 100, "refused": 2}


def test_a_day_without_failures_begins_the_row_anew(try_log_in, ann, clock, fail_from_everywhere):
    fail_from_everywhere(100)
    clock.advance(hours=23, minutes=59)
    assert try_log_in("ann", PASSWORD).status_code == 429
    clock.advance(minutes=1)
    assert try_log_in("ann", PASSWORD).status_code == 200


def test_new_password_begins_the_row_anew(try_log_in, ann, as_root, fail_from_everywhere):
    fail_from_everywhere(100)
    assert as_root.patch(f"/users/{ann.id}", json={"password": "another-passphrase"}).status_code == 200
    assert try_log_in("ann", "another-passphrase").status_code == 200


def test_refused_tries_do_not_fill_the_row(try_log_in, ann):
    """Else one stranger could fill it from a single network."""
    assert Counter(statuses(try_log_in(address="192.0.2.1") for _ in range(110))) == {401: 10, 429: 100}
    assert try_log_in("ann", PASSWORD).status_code == 200


def test_username_and_e_mail_in_any_case_are_one_account(try_log_in, ann, fail_from_everywhere):
    for place, name in enumerate([ann.username, ann.email, "ANN", ann.email.upper()]):
        assert fail_from_everywhere(25, name, f"192.0.{place}.{{}}") == {"counted": 25}
    assert try_log_in("ann", PASSWORD).status_code == 429


def test_unknown_names_are_limited_like_known_ones(try_log_in, ann, fail_from_everywhere):
    assert fail_from_everywhere(102, "ghost") == {"counted": 100, "refused": 2}


@pytest.mark.parametrize("name", ["\ud800", "\0", "x" * 10_000], ids=ascii)
def test_names_that_cannot_be_are_counted_like_others(app_with_limits, call_as, ann, name):
    caller = call_as(ann, app_with_limits)
    body = {"username": name, "password": "x"}
    assert statuses(caller.post("/auth/login", json=body) for _ in range(11)) == [401] * 10 + [429]


def test_deactivated_user_is_limited_as_well(try_log_in, make_user):
    make_user(username="bob", email="bob@example.org", is_active=False)
    assert statuses(try_log_in("bob", PASSWORD) for _ in range(11)) == [403] * 10 + [429]


# How it is counted


def test_tries_at_once_do_not_pass_the_limit(try_log_in, ann):
    assert Counter(statuses(together([try_log_in] * 40))) == {401: 10, 429: 30}


def test_tries_at_once_with_the_right_password_are_all_taken_back(try_log_in, ann, engine):
    try_log_in("ann", PASSWORD)
    together([lambda: try_log_in("ann", PASSWORD)] * 8)
    with engine.connect() as connection:
        assert set(connection.scalars(text("SELECT failures FROM login_failures"))) == {0}


def test_applications_count_together(make_app, ann):
    apps = [make_app(rate_limit_enabled=True) for _ in range(3)]
    login = {"username": "ann", "password": "wrong-password"}
    assert statuses(apps[n % 3].test_client().post("/api/v1/auth/login", json=login) for n in range(12)) == [401] * 10 + [429] * 2


def test_table_holds_neither_names_nor_addresses(try_log_in, engine):
    try_log_in("ann@example.org")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM login_failures")).all()
    assert len(rows) == 3
    assert {len(bytes(row.key)) for row in rows} == {32}


def test_what_is_over_is_swept_a_few_at_a_time(try_log_in, engine, clock):
    for number in range(10):
        try_log_in(f"name{number}")
    clock.advance(days=2)
    for number in range(3):
        try_log_in("other", address=ELSEWHERE.format(number))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM login_failures WHERE lapses_at <= :now"), {"now": clock.now}) == 0


def test_networks_of_long_ago_are_swept(try_log_in, ann, engine, clock):
    for number in range(5):
        try_log_in("ann", PASSWORD, ELSEWHERE.format(number))
    clock.advance(days=31, seconds=1)
    try_log_in("ann", PASSWORD, "192.0.2.1")
    with engine.connect() as connection:
        found = connection.execute(text("SELECT user_id, network::text, seen_at FROM login_networks")).all()
    assert found == [(ann.id, "192.0.2.1/32", clock.now)]


def test_limited_log_in_costs_two_statements_more_than_one_without(app_with_limits, ann):
    with app_with_limits.app_context():
        engine = app_with_limits.extensions["sqlalchemy"].engine
    sent = []
    # What is done once a day in each process is not counted.
    event.listen(engine, "before_cursor_execute", lambda *call: "security_events_keep" in call[2] or sent.append(call[2]))
    client, login = app_with_limits.test_client(), {"username": "ann", "password": PASSWORD}
    for number in (7, 6):  # the account, the count; session, event, sweep; once a day the network; taken back
        sent.clear()
        assert client.post("/api/v1/auth/login", json=login).status_code == 200
        assert len(sent) == number, "\n".join(sent)


# What a client is told


def test_answers_tell_how_many_may_still_fail(try_log_in, ann):
    told = [try_log_in().headers for _ in range(2)] + [try_log_in("ann", PASSWORD).headers]
    assert [(each["RateLimit-Limit"], each["RateLimit-Remaining"]) for each in told] == [("10", "9"), ("10", "8"), ("10", "8")]
    assert [each["X-RateLimit-Remaining"] for each in told] == ["9", "8", "8"]
    assert {each["RateLimit-Reset"] for each in told} == {"300"}
    assert not [each for each in told if "Retry-After" in each]


def test_refusal_says_when_to_come_back(try_log_in, clock):
    answer = [try_log_in() for _ in range(11)][-1]
    assert refused(answer, 429, "rate_limit_exceeded")
    assert answer.json["message"] == "Too many wrong passwords: at most 10 in 5 minutes. Try again later."
    told = answer.headers
    assert (told["Retry-After"], told["RateLimit-Reset"], told["RateLimit-Remaining"]) == ("300", "300", "0")
    assert told["X-RateLimit-Reset"] == str(int((clock.now + timedelta(minutes=5)).timestamp()))


# One's own password


@pytest.fixture
def guess(app_with_limits, call_as):
    def guesser(user, address=HOME):
        caller = call_as(user, app_with_limits)

        def send(current="wrong-password", **changes):
            given = {"password": "another-passphrase", "current_password": current} | changes
            body = {name: value for name, value in given.items() if value is not None}
            return caller.patch(f"/users/{user.id}", json=body, environ_base={"REMOTE_ADDR": address})

        return send

    return guesser


def test_guesses_at_the_own_password_are_limited_like_log_ins(guess, root, clock):
    send = guess(root)
    assert statuses(send() for _ in range(5)) == [422] * 5
    clock.advance(minutes=1)
    assert statuses(send() for _ in range(7)) == [422] * 5 + [429] * 2
    assert send(PASSWORD).status_code == 429


def test_guesses_and_log_ins_are_counted_together(guess, try_log_in, root):
    assert statuses(guess(root)() for _ in range(6)) == [422] * 6
    assert statuses(try_log_in("root") for _ in range(6)) == [401] * 4 + [429] * 2


def test_changes_that_need_no_password_do_not_undo_guesses(guess, root):
    send = guess(root)
    assert [send().headers["RateLimit-Remaining"] for _ in range(5)] == ["9", "8", "7", "6", "5"]
    assert send(password=None, full_name="New").status_code == 200
    assert send().headers["RateLimit-Remaining"] == "4"


def test_own_password_is_used_ten_times_a_minute(guess, root, make_user):
    send, current = guess(root), PASSWORD
    found = []
    for number in range(12):
        new = f"another-passphrase-{number}"
        found.append(send(current, password=new).status_code)
        current = new
    assert found == [200] * 10 + [429] * 2


def test_passwords_of_others_are_not_limited_so(app_with_limits, call_as, root, ann):
    caller = call_as(root, app_with_limits)
    found = [caller.patch(f"/users/{ann.id}", json={"password": f"a-fine-passphrase-{n}"}).status_code for n in range(12)]
    assert found == [200] * 12


@pytest.mark.parametrize("page", ["/profile/password", "/dashboard/users/{}/password"])
def test_guesses_on_the_pages_are_limited_as_well(app_with_limits, sign_in, root, page):
    browser = Browser(app_with_limits.test_client())
    with browser.client.session_transaction() as cookie:
        cookie["token"] = sign_in(root)["Authorization"].removeprefix("Bearer ")
    token = next(browser.open("/profile/password").root.all("input", name="csrf_token"))["value"]
    new = "another-passphrase"
    data = {"csrf_token": token, "current_password": "wrong-password", "password": new, "password_again": new}
    pages = [browser.open(page.format(root.id), "POST", data=data) for _ in range(12)]
    assert [each.status for each in pages] == [422] * 10 + [429] * 2


# The set-up link


def test_guesses_at_the_set_up_link_are_limited_and_close_it_to_nobody(app_with_limits):
    browser = Browser(app_with_limits.test_client())
    token = browser.open("/login").root.one("input", name="csrf_token")["value"]
    pages = [browser.open("/setup/wrong", "POST", data={"csrf_token": token}) for _ in range(12)]
    assert [page.status for page in pages] == [404] * 10 + [429] * 2
    fields = {"username": "ada", "email": "ada@example.org", "password": PASSWORD, "password_again": PASSWORD}
    link = first_superuser.link_path(str(app_with_limits.secret_key))
    page = browser.press(browser.open(link), "Create the first administrator", **fields)
    assert page.address == "/dashboard"


def test_first_superuser_knows_the_network_of_the_set_up(app_with_limits, try_log_in, fail_from_everywhere):
    browser = Browser(app_with_limits.test_client())
    browser.client.environ_base["REMOTE_ADDR"] = HOME
    fields = {"username": "ada", "email": "ada@example.org", "password": PASSWORD, "password_again": PASSWORD}
    browser.press(
        browser.open(first_superuser.link_path(str(app_with_limits.secret_key))), "Create the first administrator", **fields
    )
    fail_from_everywhere(100, "ada")
    assert try_log_in("ada", PASSWORD).status_code == 200


def test_switched_off_nothing_is_counted(nobody, ann, engine):
    assert statuses(nobody.post("/auth/login", json={"username": "ann", "password": "x"}) for _ in range(12)) == [401] * 12
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM login_failures")) == 0
