"""HTTP/1.1 connections: uvicorn's, with limits that uvicorn leaves to a reverse proxy.

A request is refused when its head exceeds `Limits.max_header`, when head or body take longer than
`Limits.receive_timeout`, or when it is not HTTP. A connection whose answer is not read in that time is
closed. At most `READ_AHEAD` bytes of a body and one read wait for the application, 64 KiB together.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from exporter.errors import HeadersTooLarge, Refused, RequestTimeout, Unparseable
from exporter.names import LOGS_PATH
from exporter.problem import REFUSED
from exporter.server.direct import MAX_BODY, Direct, DirectRequest
from exporter.server.hosts import AllowedHosts, host_of
from exporter.server.joined import JoinedTransport
from exporter.server.refusals import Refusals, refusal

READ_AHEAD: Final = 4 * 1024
"""Bytes of a body that may wait for the application before reading stops. uvicorn allows 64 KiB."""
MAX_PIPELINE: Final = 64
"""Requests that wait behind one answer. uvicorn makes 9 MB of objects of a read with 3,000 requests."""
LINGER: Final = 1.0
"""Seconds between the last answer and the close. A close with unread bytes makes the kernel send a reset,
which deletes an answer that the sender has not read."""
MAX_DISCARD: Final = 1024**2
"""Bytes of a body that are discarded after an early answer, so that the sender reads the answer."""

_IDLE, _ACCEPTED, _HEAD, _BODY = range(4)
"""What a connection waits for: nothing or a next request, the first request, more of a head, of a body."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`max_header` is in bytes. `receive_timeout`, in seconds, is for a head, for a body and for an answer.
    `hosts` is None on a listener with tokens, which answers for any host."""

    max_header: int
    receive_timeout: float
    refusals: Refusals
    hosts: AllowedHosts | None = None


class _OtlpTimeout(RequestTimeout):
    """To OTLP clients, which send a request again after a 503, but drop its records after a 408."""

    status = 503


class _StopError(Exception):
    """Raised in a callback of the parser, which then parses no further."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection; uvicorn calls its methods."""

    _phase = _ACCEPTED
    _deadline_due = False
    _read_deadline = math.inf
    _write_deadline = math.inf
    _idle_deadline = math.inf
    _head_bytes = 0
    _may_exceed_head = False
    _request_ended = False
    _body_arrived = False
    _upgrade = False
    _ignores_input = False
    _discarded = 0
    _refused_in_parser: Refused | None = None
    _timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None
    _held: DirectRequest | None = None
    joined: JoinedTransport

    def __init__(self, limits: Limits, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits
        self._direct: Direct | None = getattr(self.app, "direct", None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # With asyncio's 64 KiB, a smaller answer that is not read would not be noticed.
        transport.set_write_buffer_limits(high=1, low=0)
        if hasattr(transport, "set_read_buffer_limits"):
            # TLS: uvloop's 256 KiB of encrypted bytes were two fifths of a connection's memory.
            transport.set_read_buffer_limits(high=64 * 1024)
        self.joined = JoinedTransport(transport, self.loop, self._lingers)
        self.transport = cast("asyncio.Transport", self.joined)
        self.flow = FlowControl(self.transport)
        self._read_deadline = self.loop.time() + self.limits.receive_timeout
        self._timer = self.loop.call_later(self._period(), self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        # A timer or a reference cycle would keep 300 kB of TLS buffers until the garbage collector runs,
        # which is thousands of connections later.
        for timer in (self._timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        self.joined.release()
        super().connection_lost(exc)
        # Pipelined requests never start now; each would keep this connection.
        self.pipeline.clear()
        self.cycle = None  # type: ignore[assignment]

    # --- input ------------------------------------------------------------------------------------

    def data_received(self, data: bytes | memoryview) -> None:
        if self._ignores_input:
            self._discard(len(data))
            return
        if self._phase <= _ACCEPTED:
            # Any byte starts the deadline, also blank lines before a request.
            self._phase, self._deadline_due = _HEAD, True
            self._head_bytes = self._discarded = 0
            self._idle_deadline = math.inf
        in_head = self._phase == _HEAD
        self._may_exceed_head = self._head_bytes + len(data) > self.limits.max_header
        self._request_ended = self._body_arrived = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._continue_without_upgrade(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserError as error:
            self._release()
            if not self._ignores_input:
                self._refuse(self._refused_in_parser or Unparseable(f"not HTTP: {error}"))
        else:
            self._release()
            if self._phase >= _HEAD:
                self._request_continues(len(data), in_head)

    def _request_continues(self, size: int, in_head: bool) -> None:
        """Start the deadline of an unfinished request, and count its bytes that are no body."""
        if self._deadline_due:
            self._deadline_due = False
            self._read_deadline = self.loop.time() + self.limits.receive_timeout
        if self._phase == _BODY:
            if self.cycle.response_complete:
                self._discard(size)
            elif len(self.cycle.body) > READ_AHEAD:
                # The application's next receive() resumes reading.
                self.flow.pause_reading()
            # Trailers and chunk extensions are no body, and have no length limit of their own.
            self._head_bytes = 0 if self._body_arrived or in_head else self._head_bytes + size
        elif in_head and not self._request_ended:
            self._head_bytes += size
        else:
            self._head_bytes = self._head_size()
        if self._head_bytes > self.limits.max_header:
            self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        # uvicorn makes a scope here, which only a task needs.
        self.url, self.headers, self.expect_100_continue = b"", [], False
        if self._phase == _IDLE:
            self._phase, self._deadline_due = _HEAD, True

    def on_headers_complete(self) -> None:
        if self._may_exceed_head and self._head_size() > self.limits.max_header:
            self._refused_in_parser = self._too_large()
            raise _StopError
        if len(self.pipeline) >= MAX_PIPELINE:
            self._ignores_input = True
            raise _StopError
        if self.parser.should_upgrade():
            self._upgrade = True
            return
        try:
            host = host_of(self.headers, self.parser.get_http_version(), self.url)
            if self.limits.hosts is not None:
                self.limits.hosts.check(host, self.url)
        except Refused as refused:
            self._refused_in_parser = refused
            raise _StopError from None
        self._held = self._hold()
        if self._held is None:
            self._start_task()
        self._phase, self._deadline_due = _BODY, True
        # The answer before may have been sent in the middle of this head.
        self._idle_deadline = math.inf

    def on_body(self, body: bytes) -> None:
        self._body_arrived = True
        if self._held is not None:
            if not self._held.body and len(body) <= MAX_BODY:
                self._held.body = body
                return
            self._release()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrade:
            return
        if self._held is not None:
            request, self._held = self._held, None
            self.cycle = cast("Any", request)
            request.start(self._peer())
        else:
            super().on_message_complete()
        self._phase, self._request_ended = _IDLE, True

    def _hold(self) -> DirectRequest | None:
        """The request as one without a task, if the application takes it and its answer comes next."""
        pending = self.cycle is not None and not self.cycle.response_complete
        if self._direct is None or pending or self.expect_100_continue or self.flow.write_paused:
            return None
        parser = self.parser
        # To HTTP/1.0 uvicorn closes after the answer, also if the peer asks to keep the connection.
        keep_alive = parser.get_http_version() != "1.0" and parser.should_keep_alive()
        if not keep_alive or parser.get_method() != b"POST":
            return None
        headers = dict(self.headers)
        # Chunked bodies may end with trailers.
        start = self._direct(self.url, headers) if b"content-length" in headers else None
        return None if start is None else DirectRequest(self, start, headers)

    def _start_task(self) -> None:
        url, headers, expects_continue = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects_continue
        self.headers.extend(headers)
        super().on_headers_complete()
        # A new list: uvicorn would add trailers to the headers that the application reads.
        self.headers = []

    def _release(self) -> None:
        """Start a held request as a task: its body is large or incomplete."""
        held, self._held = self._held, None
        if held is not None:
            self._start_task()
            if held.body:
                super().on_body(held.body)

    def _continue_without_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its Upgrade header, which RFC 9110 7.8 allows to ignore.

        httptools drops the body of such a request. Java's HttpClient asks for h2c with every first POST,
        and its events were answered 400.
        """
        self._upgrade = False
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(Unparseable("CONNECT is for proxies"))
            return
        version = self.parser.get_http_version().encode()
        lines = [b"%s: %s" % line for line in self.headers if line[0] != b"upgrade"]
        head = b"\r\n".join((b"%s %s HTTP/%s" % (method, self.url, version), *lines, b"\r\n"))
        self.parser = httptools.HttpRequestParser(self)
        self._head_bytes = 0
        self.data_received(head + rest)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> Refused:
        return HeadersTooLarge(
            f"request line and headers exceed {self.limits.max_header} bytes (max_header)"
        )

    # --- output -----------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.time() + self.limits.receive_timeout

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_deadline = math.inf

    def on_response_complete(self) -> None:
        """uvicorn's, without its timer for each answer: `_check` closes idle connections."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
                return
            self._idle_deadline = self.loop.time() + self.timeout_keep_alive
        if self._ignores_input and not self.pipeline:
            self._finish()

    def _refuse(self, error: Refused) -> None:
        """End the connection over `error`, with an answer if no earlier request waits for one."""
        cycle = self.cycle
        pending = cycle is not None and not cycle.response_complete
        in_body = self._phase == _BODY
        queued = bool(self.pipeline)
        answered = not queued and (not pending or (in_body and not cycle.response_started))
        self.limits.refusals.refused(error, self._peer(), answered)
        self._phase = _IDLE
        if answered:
            if pending:
                # Tells the application, which reads the body, not to count this as a disconnect.
                cast("dict[str, object]", cycle.scope)[REFUSED] = True
                cycle.disconnected = True
                cycle.message_event.set()
            self.transport.write(refusal(error, self.server_state.default_headers))
            self._finish()
        elif in_body and not queued:
            self.transport.abort()
        else:
            # The sender would take this answer for the answer to an earlier request, which was counted.
            self._ignores_input = True
            if in_body:
                self.pipeline.popleft()

    # --- the end ----------------------------------------------------------------------------------

    def shutdown(self) -> None:
        if self._ignores_input and (self.cycle is None or self.cycle.disconnected):
            self.transport.close()
        else:
            super().shutdown()

    def close_if_idle(self) -> bool:
        """Close if the connection has no request and its last answer was sent; whether it closed."""
        idle = self._idle_deadline < math.inf or self._linger_timer is not None
        if not idle or self.flow.write_paused:
            return False
        self.transport.abort()
        return True

    def _finish(self) -> None:
        """Close after the answer was sent, ignoring further input."""
        self._ignores_input = True
        self._phase = _IDLE
        if not self.transport.is_closing():
            self._linger()

    def _lingers(self) -> bool:
        """Whether a close has to wait because the body of an answered request may still arrive."""
        lingers = self._phase == _BODY
        if lingers:
            self._ignores_input = True
            self._phase = _IDLE
            self._linger()
        return lingers

    def _linger(self) -> None:
        """Give the peer time to read the answer; see `LINGER`. A close of TLS would read on for a timeout.

        Reading goes on, which ends the connection as soon as the peer closes it.
        """
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._linger_timer = self.loop.call_later(LINGER, self.transport.abort)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded <= MAX_DISCARD:
            return
        if self._linger_timer is not None:
            # The peer still has time to read the answer.
            self.flow.pause_reading()
        else:
            self._ignores_input = True
            self.transport.abort()

    # --- deadlines: one timer per connection ------------------------------------------------------

    def _check(self) -> None:
        """Enforce the deadlines, each of which is set at least a period ahead."""
        now, timeout = self.loop.time(), self.limits.receive_timeout
        if now >= self._idle_deadline:
            # Not the end of the checks: the last answer may be unread, and the close waits for its peer.
            self._idle_deadline = math.inf
            self.transport.close()
        if now >= self._write_deadline:
            self.transport.abort()
            self.limits.refusals.unread(self._peer())
            return
        try:
            if self._phase != _IDLE and now >= self._read_deadline:
                # Set before the refusal: a refusal that raises is tried again only after a timeout.
                self._read_deadline = now + timeout
                self._refuse_late(timeout)
        finally:
            read_deadline = self._read_deadline if self._phase != _IDLE else math.inf
            deadlines = (read_deadline, self._write_deadline, self._idle_deadline)
            at = min(*deadlines, now + self._period())
            self._timer = self.loop.call_at(at, self._check)

    def _period(self) -> float:
        return min(self.limits.receive_timeout, self.timeout_keep_alive)

    def _refuse_late(self, timeout: float) -> None:
        if self.flow.read_paused:
            # The application has not asked for more of the body.
            return
        if self._phase == _BODY and self.cycle.response_complete:
            self._finish()
        else:
            part = "body" if self._phase == _BODY else "head"
            otlp = self._phase == _BODY and self.cycle.scope["path"] == LOGS_PATH
            error = _OtlpTimeout if otlp else RequestTimeout
            self._refuse(error(f"the {part} took more than {timeout:g} s (receive_timeout)"))

    def _peer(self) -> str:
        return self.client[0] if self.client else ""
