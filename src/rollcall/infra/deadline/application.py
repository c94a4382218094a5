"""The Flask application with a deadline: it sets each request's budget, and answers 504 when the budget is used up.

Only ``before_request`` and the view may be interrupted; error handlers, ``after_request`` and teardown never.
"""

from __future__ import annotations

import errno
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Flask, Request, Response, g, request, request_started
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine
from werkzeug.exceptions import GatewayTimeout

from rollcall.errors import BadRequest, RequestTimeout
from rollcall.infra import request_id
from rollcall.infra.deadline import alarm, sql
from rollcall.infra.deadline.budget import Budget, Stage, active, current, enter, leave
from rollcall.infra.deadline.client import ClientSocket

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

HEADER = "X-Request-Timeout"
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

#: Called with each timeout and the rule of its route, such as ``/api/v1/users/<int:id>``; for metrics.
on_timeout: list[Callable[[RequestTimeout, str], None]] = []


class TimedOut(GatewayTimeout):
    """The ordinary exception that Flask's error handlers see in place of a ``RequestTimeout``.

    :param timeout: what happened.
    """

    def __init__(self, timeout: RequestTimeout) -> None:
        super().__init__(f"Request exceeded {timeout.limit}s timeout")
        self.timeout = timeout


class DeadlineFlask(Flask):
    """Flask, with a deadline for each request: ``config["REQUEST_TIMEOUT"]``, in seconds."""

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        client = environ.get("gunicorn.socket")
        started = client.started if isinstance(client, ClientSocket) else None
        # Not as a ``with`` block: this is on the way of every request.
        token = enter(Budget(self.config["REQUEST_TIMEOUT"], started))
        try:
            return super().wsgi_app(environ, start_response)
        finally:
            leave(token)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        # Everything here is sync; Flask would look into each hook of each request to find that out.
        return func

    def full_dispatch_request(self) -> Response:
        # As Flask's own, but for _in_time.
        self._got_first_request = True
        try:
            request_started.send(self, _async_wrapper=self.ensure_sync)
            answer = self._in_time()
        except Exception as error:  # noqa: BLE001
            answer = self.handle_user_exception(error)
        return self.finalize_request(answer)

    def _in_time(self) -> ResponseReturnValue:
        budget = current()
        if budget is None:
            return self._answer()
        self._set_limit(budget, request_ctx.request)
        try:
            answer = alarm.interruptible(budget, self._answer)
            if budget.stage is Stage.OPEN:
                # The view may have suppressed the timeout, or was in clean-up.
                budget.check("python")
        except RequestTimeout as timeout:
            report(timeout, Label.of_request())
            raise TimedOut(timeout) from timeout
        return answer

    def _answer(self) -> ResponseReturnValue:
        answer = self.preprocess_request()
        return self.dispatch_request() if answer is None else answer

    def _set_limit(self, budget: Budget, asked: Request) -> None:
        """The limit of this request: its route's own or the general one, or less if the client says so."""
        if asked.endpoint is not None:
            view = self.view_functions[asked.endpoint]
            # A class-based view has a function for each method.
            view_class = getattr(view, "view_class", None)
            times = getattr(getattr(view_class, asked.method.lower(), view) if view_class else view, "deadline_times", None)
            if times is not None:
                budget.set_limit(budget.limit * times)
        client = asked.environ.get("gunicorn.socket")
        if isinstance(client, ClientSocket):
            client.budget = budget
            if budget.limit > self.config["REQUEST_TIMEOUT"]:
                client.extend(budget.limit)
        wish = asked.environ.get("HTTP_X_REQUEST_TIMEOUT")
        if wish is not None:
            if not _SECONDS.fullmatch(wish) or float(wish) <= 0:
                raise BadRequest(f"{HEADER} must be a positive number of seconds, such as 2.5.")
            budget.set_limit(min(budget.limit, float(wish)))

    def do_teardown_appcontext(self, *args: Any) -> None:
        try:
            super().do_teardown_appcontext(*args)
        except RequestTimeout as timeout:
            # An answer that is ready stands. And the timeout of one clean-up must not keep the others from theirs.
            report(timeout, Label("teardown", str(g.get("request_id", "-"))))
            for clean_up in reversed(self.teardown_appcontext_funcs):
                with suppress(RequestTimeout):
                    clean_up(timeout)


def enter_worker(engine: Engine) -> None:
    """Enforce the deadline in this process. A web worker calls it once, after its fork and in its main thread.

    :param engine: the application's; no connection of it may be open yet.
    """
    sql.bound_waits(engine)
    alarm.install()


class Label(NamedTuple):
    """The name of a request in logs and metrics."""

    route: str
    request_id: str

    @classmethod
    def of_request(cls) -> Label:
        return cls(request.url_rule.rule if request.url_rule else "unmatched", request_id.current())


def report(timeout: RequestTimeout, label: Label) -> None:
    """Log a timeout of the current budget and tell the metrics."""
    budget = current()
    log.warning(
        "deadline of %ss passed: route=%s stuck_in=%s last_statement=%s outcome=%s",
        timeout.limit,
        label.route,
        timeout.stuck_in,
        (budget.fingerprint() if budget is not None else None) or "-",
        "unknown" if timeout.outcome_unknown else "saved" if timeout.saved else "nothing",
        extra={"request_id": label.request_id},
    )
    for tell in on_timeout:
        tell(timeout, label.route)


class _StreamCut(ConnectionResetError):
    """Ends a response after its headers were sent. Servers log this exception as a client that disconnected."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "the reply passed its deadline")


class _Stream(Iterator[bytes]):
    def __init__(self, chunks: Iterator[bytes], budget: Budget) -> None:
        self._chunks = chunks
        self._budget = budget
        self._label = Label.of_request()
        self._client = request.environ.get("gunicorn.socket")
        self._framed = request.environ.get("SERVER_PROTOCOL") != "HTTP/1.0"
        # Taken while the status is still open: a slow first chunk is a 504 like any other.
        self._first: list[bytes] = [chunk for chunk in (next(chunks, None),) if chunk is not None]

    def __next__(self) -> bytes:
        if self._first:
            return self._first.pop()
        with active(self._budget):
            try:
                return alarm.interruptible(self._budget, self._advance)
            except RequestTimeout as timeout:
                report(timeout, self._label)
                if not self._framed and isinstance(self._client, ClientSocket):
                    self._client.reset()
                self.close()
                raise _StreamCut from timeout

    def _advance(self) -> bytes:
        self._budget.check("stream")
        return next(self._chunks)

    def close(self) -> None:
        """End the iterator, so that the blocks in it (``with``) give their connection back."""
        with active(self._budget):
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()


def stream(chunks: Iterator[bytes], **response: Any) -> Response:
    """Return a streamed response with a deadline.

    Past it the statement is cancelled, the iterator closed, and the reply ends so that the client can tell: without the
    final chunk, or by a reset where HTTP/1.0 has no chunks.

    :param chunks: usually a generator that holds its database connection in a ``with`` of its own: the request's
        session is closed before the second chunk is made.
    :param response: keyword arguments of :class:`flask.Response`, such as ``mimetype``.
    """
    body = _Stream(chunks, current() or Budget(math.inf))
    if request.method == "HEAD":  # Werkzeug never iterates, nor closes, the body of such a reply
        body.close()
        return Response(iter(()), **response)
    reply = Response(body, **response)
    # Not only through the iterator: compression puts its own in the place of ours.
    reply.call_on_close(body.close)
    return reply
