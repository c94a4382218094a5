"""The queue and the loop: each mail goes out once, is tried again with growing pauses, and no server holds the loop up."""

from __future__ import annotations

import logging
import os
import signal
import ssl
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text

import servers
import smtp_server
from facts import NOON
from rollcall.errors import MailRefused, MailServerUnavailable
from rollcall.infra import smtp
from rollcall.infra.database import transaction
from rollcall.infra.smtp import Sender
from rollcall.services.mail import queue
from service import bearer, call, wait_for
from threads import together

TROUBLE = "451 try again later"


def queue_one(root_there, ann):
    answer = root_there.post(f"/users/{ann.id}/password-link")
    assert (answer.status_code, answer.json["mailed"]) == (201, True)
    return answer.json["url"]


def link_in(message) -> str:
    plain = message.get_body(("plain",)).get_content()
    [link] = [line for line in plain.splitlines() if line.startswith("https://")]
    return link


def test_a_mail_has_text_and_html_and_the_same_link_as_the_answer(root_there, ann, box, deliver):
    url = queue_one(root_there, ann)
    assert box.accepted == []  # no SMTP within a request
    assert deliver() == 1
    [message] = box.accepted
    assert message["From"] == "Rollcall <rollcall@example.org>"
    assert message["To"] == "ann@example.org"
    assert message["Subject"] == "Set your password for people.example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert link_in(message) == url
    html = message.get_body(("html",)).get_content()
    assert f'href="{url}"' in html
    for shown in ("Ann Lee", "ann", "18 Mar 2026, 12:00 UTC"):
        assert shown in html
        assert shown in message.get_body(("plain",)).get_content()


def test_names_are_escaped_in_html_alone(root_there, make_user, box, deliver):
    queue_one(root_there, make_user(full_name="<b>&"))
    deliver()
    [message] = box.accepted
    assert "&lt;b&gt;&amp;" in message.get_body(("html",)).get_content()
    assert "Hello <b>&," in message.get_body(("plain",)).get_content()


def test_the_token_is_kept_encrypted_and_only_until_the_mail_is_sent(root_there, ann, queued, deliver):
    token = queue_one(root_there, ann).partition("#")[2]
    [mail] = queued()
    assert mail.secret
    assert token not in mail.secret
    deliver()
    [mail] = queued()
    assert (mail.secret, mail.sent_at, mail.error) == (None, NOON, None)


def test_a_mail_is_sent_once(root_there, ann, box, deliver, clock):
    queue_one(root_there, ann)
    assert deliver() == 1
    clock.advance(days=1)
    assert deliver() == 0
    assert len(box.accepted) == 1


def test_a_server_that_fails_at_first_is_tried_again_after_growing_pauses(root_there, ann, box, deliver, clock, queued):
    queue_one(root_there, ann)
    box.answers = [TROUBLE] * 8
    pauses = []
    for _ in range(8):
        assert deliver() == 1
        [mail] = queued()
        assert mail.error == "the mail is refused for now (451)"
        pauses.append(mail.due_at - clock.now)
        clock.now = mail.due_at - timedelta(microseconds=1)
        assert deliver() == 0
        clock.now = mail.due_at
    assert pauses == [timedelta(seconds=each) for each in (10, 30, 120, 600, 1800, 3600, 3600, 3600)]
    assert deliver() == 1
    assert len(box.accepted) == 1
    assert queued()[0].attempts == 9


def test_a_server_that_is_away_loses_nothing(root_there, ann, box, make_app, deliver, clock, queued, mailing):
    queue_one(root_there, ann)
    nowhere = make_app(smtp_url=f"smtp://127.0.0.1:{smtp_server.free_port()}", public_url="https://people.example.org")
    assert deliver(nowhere) == 1
    assert queued()[0].error == "the server cannot be reached"
    clock.advance(seconds=10)
    assert deliver() == 1
    assert len(box.accepted) == 1


def test_a_refused_recipient_is_given_up_and_the_next_mail_goes_out(root_there, ann, make_user, box, deliver, queued):
    queue_one(root_there, ann)
    queue_one(root_there, make_user())
    box.answers = ["550 no such user"]
    assert deliver() == 2
    first, second = queued()
    assert (first.failed_at, first.error, first.secret) == (NOON, "the mail is refused (550)", None)
    assert second.sent_at == NOON
    box.recipient_answer = "550 no such user"
    queue_one(root_there, make_user())
    deliver()
    assert queued()[2].error == "the recipient is refused (550)"


def test_a_mail_whose_link_has_ended_is_not_sent(root_there, ann, box, deliver, queued):
    queue_one(root_there, ann)
    queue_one(root_there, ann)
    assert deliver() == 2
    assert [mail.error for mail in queued()] == ["its link does not work any more", None]
    assert len(box.accepted) == 1


def test_a_mail_is_given_up_when_its_link_has_expired(root_there, ann, box, deliver, clock, queued):
    queue_one(root_there, ann)
    clock.advance(days=7)
    deliver()
    assert queued()[0].error == "its link has expired"
    assert box.accepted == []


def test_a_mail_of_another_key_is_given_up(root_there, ann, make_app, box, deliver, queued):
    queue_one(root_there, ann)
    deliver(make_app(smtp_url=box.url, secret_key="t" * 32))
    assert queued()[0].error == "it was queued with another SECRET_KEY"


def test_mails_end_with_their_user_and_after_thirty_days(
    root_there, call_as, root, mailing, ann, make_user, deliver, clock, queued
):
    queue_one(root_there, ann)
    root_there.delete(f"/users/{ann.id}")
    assert queued() == []
    queue_one(root_there, make_user())
    deliver()
    clock.advance(days=30)
    deliver()
    assert queued() == []


def test_several_loops_send_each_mail_once(mailing, root_there, make_user, box, deliver, queued):
    for _ in range(20):
        queue_one(root_there, make_user())
    # A loop uses signals to bound its waits, so each is a process of its own in a service; here one claims beside another.
    claimed = []
    with mailing.app_context(), transaction() as work:
        claimed.append(queue.claim(work, NOON).id)
    assert deliver() == 19
    sent = [mail.id for mail in queued() if mail.sent_at]
    assert len(sent) == len(set(sent)) == len(box.accepted) == 19
    assert claimed[0] not in sent


def test_claims_at_once_take_different_mails(root_there, make_user, mailing, no_mails):
    for _ in range(8):
        queue_one(root_there, make_user())

    def claim() -> int:
        with mailing.app_context(), transaction() as work:
            return queue.claim(work, NOON).id

    assert len(set(together([claim] * 8))) == 8


# A server by itself


@pytest.fixture
def sending(message):
    """Send a mail over a connection of its own."""

    def send(url, **limits):
        with closing(Sender(url, **limits)) as sender:
            sender.send(message)

    return send


@pytest.fixture
def message():
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@example.org", "b@example.org", "x"
    made.set_content("secret content")
    return made


@pytest.mark.parametrize(
    "replies",
    [(), (b"220 here\r\n",), (b"220 here\r\n", b"250 here\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n")],
    ids=["no greeting", "no answer to EHLO", "no answer to the mail"],
)
def test_a_silent_server_ends_in_bounded_time(sending, replies):
    with smtp_server.scripted(*replies) as url, pytest.raises(MailServerUnavailable, match="does not answer in time"):
        sending(url, step_limit=0.3, mail_limit=2)


def test_a_server_that_drips_ends_in_bounded_time(sending):
    with (
        smtp_server.scripted(b"220 " + b"x" * 400 + b"\r\n", pause=0.05) as url,
        pytest.raises(MailServerUnavailable, match="does not answer in time"),
    ):
        sending(url, step_limit=5, mail_limit=0.5)


def test_what_is_no_smtp_server_is_said_so(sending):
    with smtp_server.scripted(b"HTTP/1.1 400 Bad Request\r\n") as url, pytest.raises(MailServerUnavailable):
        sending(url, step_limit=0.5)


def test_a_connection_serves_several_mails_and_outlives_the_servers_end(message):
    with smtp_server.serve() as box:
        sender = Sender(box.url)
        for _ in range(3):
            sender.send(message)
        assert len(box.accepted) == 3
        port = box.port
    with smtp_server.serve(port=port) as box:
        sender.send(message)
        assert len(box.accepted) == 1
        sender.close()


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_user_and_password_are_sent_and_never_told(sending, caplog):
    caplog.set_level(logging.DEBUG)
    with smtp_server.serve(password="p@ss word") as box:
        sending(f"smtp://mailer%40x:p%40ss%20word@127.0.0.1:{box.port}")
        assert box.logins == [("mailer@x", "p@ss word")]
        with pytest.raises(MailServerUnavailable) as raised:
            sending(f"smtp://mailer:wrong-hunter2@127.0.0.1:{box.port}")
    assert "hunter2" not in str(raised.value)
    assert "the user or the password is refused" in str(raised.value)
    assert "hunter2" not in "".join(record.getMessage() for record in caplog.records if record.name.startswith("rollcall"))


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_no_password_travels_in_the_clear_to_another_machine(sending, monkeypatch):
    with smtp_server.serve(password="hunter2") as box:
        monkeypatch.setattr(smtp, "_is_here", lambda _host: False)
        with pytest.raises(MailServerUnavailable, match="no password is sent"):
            sending(f"smtp://mailer:hunter2@127.0.0.1:{box.port}")
        assert box.logins == []


def test_a_certificate_that_nobody_vouches_for_is_refused(sending, tmp_path):
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", *files]
    made = subprocess.run(command, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    box = smtp_server.Mailbox(smtp_server.free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port, ssl_context=context)
    controller.start()
    try:
        with pytest.raises(MailServerUnavailable, match="certificate"):
            sending(f"smtps://127.0.0.1:{box.port}")
    finally:
        controller.stop()
    assert box.accepted == []


def test_refusals_for_good_and_for_now(sending):
    with smtp_server.serve() as box:
        box.answers = ["554 spam"]
        with pytest.raises(MailRefused, match="554"):
            sending(box.url)
        box.recipient_answer = "450 greylisted"
        with pytest.raises(MailServerUnavailable, match="450"):
            sending(box.url)
        box.recipient_answer = "550 secret content"
        with pytest.raises(MailRefused) as raised:
            sending(box.url)
    assert "secret" not in str(raised.value)


# As a process


def test_the_command_sends_what_is_due_and_says_when_mail_is_not_set_up(mailing, root_there, ann, box, app):
    queue_one(root_there, ann)
    result = mailing.test_cli_runner().invoke(args=["mail", "--once"])
    assert result.exit_code == 0, result.output
    assert len(box.accepted) == 1
    refused = app.test_cli_runner().invoke(args=["mail"])
    assert (refused.exit_code, refused.stderr) == (1, "Error: Mail is not set up: ROLLCALL_SMTP_URL is not set.\n")


@pytest.fixture
def environment(box, database_url):
    return {
        "DATABASE_URL": database_url,
        "SECRET_KEY": "s" * 31 + "t",
        "ROLLCALL_SMTP_URL": box.url,
        "ROLLCALL_MAIL_FROM": "rollcall@example.org",
        "ROLLCALL_PUBLIC_URL": "https://people.example.org",
    }


def test_the_server_sends_mails_beside_its_workers_and_begins_the_process_again(engine, root, ann, no_mails, box, environment):
    with servers.gunicorn(environment) as service:
        headers = bearer(engine, root)

        def ask() -> None:
            answer = call(service.url, "POST", f"/api/v1/users/{ann.id}/password-link", headers=headers)
            assert answer.json["mailed"] is True

        ask()
        wait_for(lambda: len(box.accepted) == 1)
        workers = {row["pid"] for row in call(service.url, "GET", "/api/v1/metrics/database", headers=headers).json["workers"]}
        [companion] = set(service.worker_pids()) - workers
        os.kill(companion, signal.SIGKILL)
        ask()
        wait_for(lambda: len(box.accepted) == 2)
        pids = service.worker_pids()
        log = service.log
        service.process.terminate()
        service.process.wait(20)
        for pid in pids:
            wait_for(lambda pid=pid: not Path(f"/proc/{pid}").exists())
        assert "Traceback" not in log.read_text()


def test_a_process_that_dies_after_the_servers_acceptance_sends_again_with_the_same_id(
    engine, root, ann, no_mails, box, environment, checkout
):
    """What cannot be known is done twice, and can be recognized: the promise of the queue."""
    away = {"ROLLCALL_SMTP_URL": f"smtp://127.0.0.1:{smtp_server.free_port()}"}
    with servers.gunicorn(environment | away) as service:
        answer = call(service.url, "POST", f"/api/v1/users/{ann.id}/password-link", headers=bearer(engine, root))
        assert answer.json["mailed"] is True
    processes: list[subprocess.Popen[bytes]] = []

    def loop() -> int:
        with engine.begin() as connection:
            connection.execute(due)
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "mail", "--once"]
        processes.append(subprocess.Popen(command, cwd=checkout, env=kept | environment))
        return processes[-1].wait(30)

    def kill() -> None:
        processes[-1].kill()

    due = text("UPDATE mails SET due_at = now() WHERE attempts < 2")
    box.on_data = kill  # accepted, but never noted
    assert loop() == -signal.SIGKILL
    assert len(box.accepted) == 1
    box.on_data = lambda: None
    due = text("SELECT 1")
    assert loop() == 0
    assert len(box.accepted) == 1, "the claim still holds"
    due = text("UPDATE mails SET due_at = now()")
    assert loop() == 0
    assert len(box.accepted) == 2
    assert len({message["Message-ID"] for message in box.accepted}) == 1
