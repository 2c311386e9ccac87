"""HTTP/1.1 connections: uvicorn's, with the limits on senders that uvicorn leaves to a proxy.

A connection is refused when its request line and headers exceed `Limits.max_header`, when head or
body take longer than `Limits.receive_timeout` to arrive, or when it is not HTTP; it is dropped when
its answer is not read in that time. A body is read at most `READ_AHEAD` bytes, and the one read under
way, ahead of the application: an application that stops at a limit has cost no more than 64 KiB past it.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from exporter.errors import HeadersTooLarge, Refused, RequestTimeout, Unparseable
from exporter.logs import Sampler
from exporter.metrics.own import OwnMetrics
from exporter.problem import REFUSED, problem
from exporter.server.hosts import AllowedHosts, host_of
from exporter.server.joined import JoinedTransport

READ_AHEAD: Final = 4 * 1024
"""Bytes of an unfinished body that wait for the application before reading stops. uvicorn stops at 64 KiB
and lets the read under way come on top; these, a read of 56 KiB and the framing are less than 64 KiB."""
MAX_PIPELINE: Final = 64
"""Requests waiting behind one answer: a single read of 56 KiB holds 3,000 of them, 9 MB of
objects that uvicorn makes before it stops reading."""
LINGER: Final = 1.0
"""Seconds between an answer that ends a connection and its end: closing on bytes not yet read makes
the kernel send a reset, which deletes the answer on the sender's side before it is read."""
MAX_DISCARD: Final = 1024**2
"""Bytes of a body that are thrown away after an early answer, so that its sender gets to read it."""

_IDLE, _ACCEPTED, _HEAD, _BODY = range(4)
"""What a connection waits for: nothing or a next request, a first one, a head's rest, a body's."""


class Watch(Protocol):
    """Is told what a connection does to its peer; called on the event loop, must not raise."""

    def refused(self, error: Refused, client: str, answered: bool) -> None:
        """A request never reached the application; `answered` is whether the peer was told."""

    def unread(self, client: str) -> None:
        """A connection was dropped because its answer was not read in time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of a head, seconds for a head, a body and an answer, who is told, and the hosts that requests
    may be for: None for any, because a token is asked for."""

    max_header: int
    receive_timeout: float
    watch: Watch
    hosts: AllowedHosts | None = None


class Refusals:
    """The `Watch` of one listener: counts and logs what its connections refuse.

    `requests{status}` is of ingest requests only, so `own.requests` moves only with `ingest` set.
    """

    def __init__(self, own: OwnMetrics, sampler: Sampler, *, ingest: bool) -> None:
        self._own = own
        self._sampler = sampler
        self._ingest = ingest

    def refused(self, error: Refused, client: str, answered: bool) -> None:
        self._own.refused.labels(error.reason).inc()
        if answered and self._ingest:
            self._own.requests.labels(error.status).inc()
        self._sampler.warning(error.reason, "request refused", client=client, detail=error.detail)

    def unread(self, client: str) -> None:
        self._sampler.warning("unread", "dropped: the answer was not read in time", client=client)


class _StopError(Exception):
    """Raised in a parser's callback: the rest of what was read is not to be parsed."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `guarded` gives it its limits; uvicorn makes and feeds it."""

    limits: ClassVar[Limits]

    _phase = _ACCEPTED
    _fresh = False
    _due = math.inf
    _write_due = math.inf
    _head = 0
    _large = False
    _ended = False
    _stirred = False
    _upgrade = False
    _deaf = False
    _discarded = 0
    _stopped: Refused | None = None
    _timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None
    _joined: JoinedTransport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # With asyncio's 64 KiB an answer smaller than that is never known to be unread.
        transport.set_write_buffer_limits(high=1, low=0)
        if hasattr(transport, "set_read_buffer_limits"):
            # TLS: uvloop's 256 KiB of undecrypted bytes were two fifths of what a connection may take.
            transport.set_read_buffer_limits(high=64 * 1024)
        self._joined = JoinedTransport(transport, self.loop, self._lingers)
        self.transport = cast("asyncio.Transport", self._joined)
        self.flow = FlowControl(self.transport)
        timeout = self.limits.receive_timeout
        self._due = self.loop.time() + timeout
        self._timer = self.loop.call_later(timeout, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        # A cycle or a timer that holds the transport holds some 300 kB of TLS buffers, and the collector
        # comes after thousands of connections. uvicorn leaves the keep-alive timer after a reset.
        for timer in (self._timer, self._linger_timer, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        self._joined.release()
        super().connection_lost(exc)
        # Requests that wait behind an answer are never begun: each would keep this connection.
        self.pipeline.clear()
        self.cycle = None  # type: ignore[assignment]

    # --- what arrives -----------------------------------------------------------------------------

    def data_received(self, data: bytes | memoryview) -> None:
        if self._deaf:
            self._discard(len(data))
            return
        if self._phase <= _ACCEPTED:
            # Blank lines before a request end uvicorn's keep-alive timer and start no request:
            # the deadline has to begin with any byte.
            self._phase, self._fresh, self._head, self._discarded = _HEAD, True, 0, 0
            if self.timeout_keep_alive_task is not None:
                self.timeout_keep_alive_task.cancel()
                self.timeout_keep_alive_task = None
        in_head = self._phase == _HEAD
        self._large = self._head + len(data) > self.limits.max_header
        self._ended = self._stirred = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserError as error:
            if self._deaf:
                return
            self._refuse(self._stopped or Unparseable(f"not HTTP: {error}"))
        else:
            if self._phase >= _HEAD:
                self._unfinished(len(data), in_head)

    def _unfinished(self, size: int, in_head: bool) -> None:
        """A request's rest is yet to come: hold it to its deadline and its share of bytes."""
        if self._fresh:
            self._fresh = False
            self._due = self.loop.time() + self.limits.receive_timeout
        if self._phase == _BODY:
            if self.cycle.response_complete:
                self._discard(size)
            elif len(self.cycle.body) > READ_AHEAD:
                # The application's next receive() goes on reading.
                self.flow.pause_reading()
            # Trailers and chunk extensions are no body, but they may be as long as a sender likes.
            self._head = 0 if self._stirred or in_head else self._head + size
        else:
            self._head = self._head + size if in_head and not self._ended else self._head_size()
        if self._head > self.limits.max_header:
            self._refuse(self._too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._phase == _IDLE:
            self._phase, self._fresh = _HEAD, True

    def on_headers_complete(self) -> None:
        if self._large and self._head_size() > self.limits.max_header:
            self._stopped = self._too_large()
            raise _StopError
        if len(self.pipeline) >= MAX_PIPELINE:
            self._deaf = True
            raise _StopError
        if self.parser.should_upgrade():
            self._upgrade = True
            return
        self._check_host()
        super().on_headers_complete()
        # uvicorn would add trailers to the scope's headers, under the application's feet.
        self.headers = []
        self._phase, self._fresh = _BODY, True

    def _check_host(self) -> None:
        try:
            host = host_of(self.headers, self.parser.get_http_version(), self.url)
            if self.limits.hosts is not None:
                self.limits.hosts.check(host, self.url)
        except Refused as refused:
            self._stopped = refused
            raise _StopError from None

    def on_body(self, body: bytes) -> None:
        self._stirred = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrade:
            return
        super().on_message_complete()
        self._phase, self._ended = _IDLE, True

    def _without_upgrade(self, rest: bytes) -> None:
        """Read the request again as if it had asked for no other protocol (RFC 9110 7.8 allows it).

        httptools drops the body of a request with `Upgrade`, and Java's HttpClient asks for h2c
        with every first POST: its events were lost with a 400.
        """
        self._upgrade = False
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(Unparseable("CONNECT is for proxies"))
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(  # noqa: PLW2901
                    token
                    for token in tokens
                    if token.lower() not in (b"upgrade", b"http2-settings")
                )
            if name not in (b"upgrade", b"http2-settings"):
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self._head = 0
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> Refused:
        return HeadersTooLarge(
            f"request line and headers exceed {self.limits.max_header} bytes (max_header)"
        )

    # --- what leaves ------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_due = self.loop.time() + self.limits.receive_timeout

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_due = math.inf

    def on_response_complete(self) -> None:
        last = not self.pipeline
        super().on_response_complete()
        if last and self._deaf:
            self._hang_up()

    def shutdown(self) -> None:
        if self._deaf and (self.cycle is None or self.cycle.disconnected):
            self.transport.close()
        else:
            super().shutdown()

    def close_if_idle(self) -> bool:
        """Close between two requests or after the last, once the answer left; whether it did."""
        idle = self.timeout_keep_alive_task is not None or self._linger_timer is not None
        if not idle or self.flow.write_paused:
            return False
        self.transport.abort()
        return True

    def _refuse(self, error: Refused) -> None:
        """End the connection over `error`, answering it if the next answer due is this one's."""
        cycle = self.cycle
        pending = cycle is not None and not cycle.response_complete
        of_body = self._phase == _BODY
        queued = bool(self.pipeline)
        answered = not queued and (not pending or (of_body and not cycle.response_started))
        self.limits.watch.refused(error, self._peer(), answered)
        self._phase = _IDLE
        if answered:
            if pending:
                # What reads the body would take it for a sender that went away, and count it again.
                cast("dict[str, object]", cycle.scope)[REFUSED] = True
                cycle.disconnected = True
                cycle.message_event.set()
            status, headers, body = problem(error)
            lines = [*self.server_state.default_headers, *headers, (b"connection", b"close")]
            head = b"".join(b"%s: %s\r\n" % line for line in lines)
            if not self.transport.is_closing():
                self.transport.write(b"%s%s\r\n%s" % (STATUS_LINE[status], head, body))
            self._hang_up()
        elif of_body and not queued:
            self.transport.abort()
        else:
            # An answer written now would be taken for an earlier request's, whose events count.
            self._deaf = True
            if of_body:
                self.pipeline.popleft()

    def _hang_up(self) -> None:
        self._deaf = True
        self._phase = _IDLE
        if not self.transport.is_closing():
            self._linger(reading=True)

    def _lingers(self) -> bool:
        """Asked when the connection is to be closed: an answered request's body may still be arriving."""
        if self._phase != _BODY:
            return False
        self._deaf = True
        self._phase = _IDLE
        self._linger(reading=False)
        return True

    def _linger(self, *, reading: bool) -> None:
        """Leave the peer time to read the answer. `close` would take away the answer (plain), or go on
        reading whatever is sent for the whole of the shutdown's timeout (TLS)."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            reading = False
        if reading:
            self.flow.resume_reading()
        else:
            self.flow.pause_reading()
        self._linger_timer = self.loop.call_later(LINGER, self.transport.abort)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > MAX_DISCARD:
            self._deaf = True
            self.transport.abort()

    # --- the one timer of a connection ------------------------------------------------------------

    def _check(self) -> None:
        """Look at the deadlines; each is set at least a timeout ahead, so none falls in between."""
        now = self.loop.time()
        timeout = self.limits.receive_timeout
        if now >= self._write_due:
            self.transport.abort()
            self.limits.watch.unread(self._peer())
            return
        try:
            self._check_read(now)
        finally:
            due = self._due if self._phase != _IDLE else math.inf
            at = min(due, self._write_due, now + timeout)
            self._timer = self.loop.call_at(at, self._check)

    def _check_read(self, now: float) -> None:
        """Refuse the request whose head or body is overdue."""
        if self._phase == _IDLE or now < self._due:
            return
        timeout = self.limits.receive_timeout
        # First: a refusal that fails is tried again a timeout later, and not without a pause.
        self._due = now + timeout
        if self.flow.read_paused:
            # It is the application that has not asked for more.
            return
        if self._phase == _BODY and self.cycle.response_complete:
            self._hang_up()
        else:
            part = "body" if self._phase == _BODY else "head"
            self._refuse(
                RequestTimeout(f"the {part} took more than {timeout:g} s (receive_timeout)")
            )

    def _peer(self) -> str:
        return self.client[0] if self.client else ""


def guarded(limits: Limits) -> type[GuardedProtocol]:
    """The protocol class for a listener with these limits; uvicorn's `Config(http=...)` takes it."""
    return type("GuardedProtocol", (GuardedProtocol,), {"limits": limits})
