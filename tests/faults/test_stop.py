"""SIGTERM in the midst of a stream of requests: whoever has connected is answered."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from urllib.parse import urlsplit

import pytest

import servers
from service import wait_for_workers

CLIENTS = 6


class Client(threading.Thread):
    """Sends one request after the other until nobody listens any more."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.address = urlsplit(url)
        self.served = 0
        self.broken: list[str] = []

    def run(self) -> None:
        while True:
            connection = http.client.HTTPConnection(self.address.hostname or "", self.address.port, timeout=30)
            try:
                connection.connect()
            except OSError:
                return
            try:
                connection.request("GET", "/health/live")
                answer = connection.getresponse()
                if answer.status == 200 and answer.read():
                    self.served += 1
                else:
                    self.broken.append(str(answer.status))
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(repr(error))
            finally:
                connection.close()


@pytest.mark.parametrize("number", range(3))
def test_no_request_is_reset(environment, number):
    with servers.gunicorn(environment, workers=3) as service:
        wait_for_workers(service, 3)
        clients = [Client(service.url) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        while sum(client.served for client in clients) < 50:
            time.sleep(0.01)
        service.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join()
        assert [client.broken for client in clients] == [[]] * CLIENTS
        assert service.process.wait(20) == 0
