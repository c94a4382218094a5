"""What a client does, or leaves undone, holds no worker past its time."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest

from deadline.harness import Observer, Server
from rollcall.infra.deadline.client import ClientSocket, bound_listener

HEAD = b"POST /api/v1/stuck/body HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\n"


def read_all(client: socket.socket) -> bytes:
    data = b""
    while part := client.recv(65536):
        data += part
    return data


def drip(client: socket.socket, data: bytes, until: float) -> None:
    """Send byte after byte, until it is answered or the time is up."""
    client.settimeout(0.05)
    for byte in data:
        client.sendall(bytes([byte]))
        with contextlib.suppress(TimeoutError):
            if client.recv(1, socket.MSG_PEEK) is not None:
                break
        if time.monotonic() > until:
            break
    client.settimeout(20)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (HEAD + b"Content-Length: 1000\r\n\r\nbegun", b""),
        (HEAD + b"Content-Length: 1000\r\n\r\n", b"x" * 1000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 100),
    ],
    ids=["stalled", "dripping", "dripping-chunks"],
)
def test_body(server: Server, head: bytes, body: bytes) -> None:
    start = time.monotonic()
    with server.connect() as client:
        client.sendall(head)
        drip(client, body, start + 5)
        reply = read_all(client)
    assert reply.startswith(b"HTTP/1.1 504 ")
    assert time.monotonic() - start <= 1.25
    assert b"request_timeout" in reply
    assert server.get("quick").seconds < 0.3


def pair(request: bytes) -> tuple[socket.socket, ClientSocket]:
    """A client that has sent a request, and the worker's end of its connection once the answer is out."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bound_listener(listener)
        client = socket.create_connection(listener.getsockname())
        client.sendall(request)
        accepted, _ = listener.accept()
    ours = ClientSocket(accepted, socket.AF_INET, lambda _seconds: None)
    ours.recv(len(HEAD))
    ours.head_is_read = True
    ours.sendall(b"head ")
    ours.sendall(b"body")
    ours.shutdown(socket.SHUT_WR)
    ours.settimeout(1)  # as gunicorn does before it waits for the client
    return client, ours


def test_who_has_sent_a_whole_request_is_not_waited_for() -> None:
    client, ours = pair(HEAD)
    with client, ours:
        ours.has_body = False
        assert ours.recv(4096) == b""
        assert read_all(client) == b"head body"


@pytest.mark.parametrize("has_body", [True, False])
def test_what_a_client_has_still_sent_is_taken_in_before_the_end(has_body: bool) -> None:
    client, ours = pair(HEAD + b"unread")
    with client:
        ours.has_body = has_body
        client.shutdown(socket.SHUT_WR)
        assert ours.recv(4096) == b""
        ours.close()
        assert read_all(client) == b"head body"  # no reset


@pytest.mark.heavy
def test_dripping_headers(server: Server) -> None:
    start = time.monotonic()
    with server.connect() as client, contextlib.suppress(ConnectionError):
        client.sendall(b"GET /api/v1/stuck/quick HTTP/1.1\r\n")
        drip(client, b"X-Long: " + b"x" * 1000, start + 20)
    assert 4.5 < time.monotonic() - start < 6.5
    assert server.get("quick").status == 200


def test_connections_opened_ahead(server: Server) -> None:
    with contextlib.ExitStack() as idle:
        for _ in range(6):
            idle.enter_context(server.connect())
        assert server.get("quick").seconds < 0.3


def test_client_that_does_not_read(server: Server, observer: Observer) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET /api/v1/stuck/export HTTP/1.1\r\nHost: here\r\n\r\n")
        # The stream's end and the time for its last piece.
        reply = server.get("quick")
        assert reply.status == 200
        assert reply.seconds < 4
    assert observer.busy() == []


def export(server: Server, version: str, each: float = 0.001, headers: str = "") -> bytes:
    with server.connect() as client:
        client.sendall(f"GET /api/v1/stuck/export?each={each} HTTP/{version}\r\nHost: here\r\n{headers}\r\n".encode())
        return read_all(client)


def cut_exports(server: Server) -> float:
    """How many the metrics have counted."""
    name = 'rollcall_request_timeouts_total{route="/api/v1/stuck/export"'
    lines = server.get("/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.mark.parametrize(
    ("each", "headers"),
    [(0.001, ""), (0.001, "Accept-Encoding: gzip\r\n"), (0.6, "")],
    ids=["between-rows", "compressed", "in-a-row"],
)
def test_export_past_its_deadline_has_no_end(server: Server, observer: Observer, each: float, headers: str) -> None:
    before = cut_exports(server)
    start = time.monotonic()
    reply = export(server, "1.1", each, headers)
    assert time.monotonic() - start <= 1.25
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"Transfer-Encoding: chunked" in reply
    assert not reply.endswith(b"0\r\n\r\n")
    assert server.get("state").json["checked_out"] == 0
    assert observer.busy() == []
    assert cut_exports(server) == before + 1


def test_unframed_export_past_its_deadline_is_reset(server: Server) -> None:
    with pytest.raises(ConnectionResetError):
        export(server, "1.0")
    assert server.get("answer").body == b"42"


def test_head_of_an_export_holds_no_connection(server: Server, observer: Observer) -> None:
    assert server.request("HEAD", "export?each=0.001").status == 200
    assert server.get("state").json["checked_out"] == 0
    assert observer.busy() == []


def test_client_that_leaves_an_export(server: Server, observer: Observer) -> None:
    with server.connect() as client:
        client.sendall(b"GET /api/v1/stuck/export?each=0.001 HTTP/1.1\r\nHost: here\r\n\r\n")
        client.recv(1000)
    assert server.get("state").json["checked_out"] == 0
    assert observer.busy() == []
