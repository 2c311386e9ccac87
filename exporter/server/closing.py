"""Ends connections: deadlines, refusals, and a close after which the peer can read the last answer.

A close with unread bytes makes the kernel send a reset, which deletes an answer that the peer has not read.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.http.flow_control import FlowControl

from exporter.errors import Refused, RequestTimeout
from exporter.names import LOGS_PATH
from exporter.problem import REFUSED
from exporter.server.direct import DirectProtocol
from exporter.server.listener import Listener, refusal

LINGER: Final = 1.0
"""Seconds between the last answer and the close."""
MAX_DISCARD: Final = 1024**2
"""Bytes of a body that are discarded after an early answer, so that the sender reads the answer."""

IDLE, ACCEPTED, HEAD, BODY = range(4)
"""What a connection waits for: a next request, if any; the first request; more of a head; more of a body."""


class _Closed:
    """A closed transport, on which every operation does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class LingeringTransport:
    """A transport whose first `close` does nothing when `lingers` returns True: the protocol closes later."""

    def __init__(self, transport: asyncio.Transport, lingers: Callable[[], bool]) -> None:
        self._transport: Any = transport
        self._lingers = lingers
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        # An answer may come between an abort and `connection_lost`, and uvloop would raise an error.
        if not self.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if self._lingers():
                return
        self._transport.close()

    def is_closing(self) -> bool:
        return self._closing or bool(self._transport.is_closing())

    def release(self) -> None:
        """Drop the closed transport and the connection, so that an application which still computes an
        answer does not keep their buffers."""
        self._transport, self._lingers, self._closing = _Closed(), bool, True


class ClosingProtocol(DirectProtocol):
    """Closes so that the peer can read the last answer; `_phase` is one of `IDLE` to `BODY`.

    Enforces all deadlines of a connection with one timer, which no request starts or cancels. Refuses
    requests that are late, or that a subclass finds to break a limit of the listener.
    """

    _phase = ACCEPTED
    _ignores_input = False
    _discarded = 0
    _linger_timer: asyncio.TimerHandle | None = None
    _read_deadline = math.inf
    _write_deadline = math.inf
    _timer: asyncio.TimerHandle
    waiting_since = math.inf
    """When the connection was accepted or its last answer completed; infinity while there is a request."""

    def __init__(self, listener: Listener, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.listener = listener

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # With asyncio's 64 KiB, a smaller answer that is not read would not be noticed.
        transport.set_write_buffer_limits(high=1, low=0)
        if hasattr(transport, "set_read_buffer_limits"):
            # TLS: uvloop's 256 KiB of encrypted bytes were two fifths of a connection's memory.
            transport.set_read_buffer_limits(high=64 * 1024)
        self._lingering = LingeringTransport(transport, self._lingers)
        self.transport = cast("asyncio.Transport", self._lingering)
        self.flow = FlowControl(self.transport)
        self._read_deadline = self.loop.time() + self.listener.receive_timeout
        self._timer = self.loop.call_later(self._period(), self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        # A timer or a reference cycle would keep 300 kB of TLS buffers until the garbage collector runs,
        # which is thousands of connections later.
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        self._lingering.release()
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment]

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_deadline = self.loop.time() + self.listener.receive_timeout

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_deadline = math.inf

    def on_response_complete(self) -> None:
        """uvicorn's, without its timer for each answer: `_check` closes idle connections."""
        if not self.transport.is_closing():
            self.flow.resume_reading()
        # Also while it closes: over TLS, a close waits for the peer.
        self.waiting_since = self.loop.time()
        if self._ignores_input:
            self._finish()

    def abort(self) -> bool:
        """Close at once; returns whether a first or unfinished request is lost."""
        self.transport.abort()
        return self._phase in (ACCEPTED, HEAD)

    def _check(self) -> None:
        """Enforce the deadlines, each of which is set at least a period ahead."""
        now, timeout = self.loop.time(), self.listener.receive_timeout
        if self._phase == IDLE and now >= self.waiting_since + self.timeout_keep_alive:
            # The checks go on: the last answer may be unread, and the close waits for the peer.
            self.waiting_since = now
            self.transport.close()
        if now >= self._write_deadline:
            self.transport.abort()
            text = "connection closed: the answer was not read in time"
            self.listener.sampler.warning("unread", text, client=self._peer())
            return
        try:
            if self._phase != IDLE and now >= self._read_deadline:
                # Set before the refusal: a refusal that raises is tried again only after a timeout.
                self._read_deadline = now + timeout
                self._refuse_late(timeout)
        finally:
            idle_deadline = self.waiting_since + self.timeout_keep_alive
            deadline = idle_deadline if self._phase == IDLE else self._read_deadline
            at = min(deadline, self._write_deadline, now + self._period())
            # uvloop rounds to milliseconds. A timer that is early must not run again at once until it is due.
            self._timer = self.loop.call_at(max(at, now + 0.001), self._check)

    def _period(self) -> float:
        return min(self.listener.receive_timeout, self.timeout_keep_alive)

    def _refuse_late(self, timeout: float) -> None:
        if self.flow.read_paused:
            # The application has not asked for more of the body.
            return
        if self._phase == BODY and self.cycle.response_complete:
            self._finish()
        else:
            part = "body" if self._phase == BODY else "head"
            otlp = self._phase == BODY and self.cycle.scope["path"] == LOGS_PATH
            error = RequestTimeout(f"the {part} took more than {timeout:g} s (receive_timeout)")
            if otlp:
                # OTLP clients send a request again after a 503, but not after a 408.
                error.status = 503
            self._refuse(error)

    def _refuse(self, error: Refused) -> None:
        """Refuse with `error` and end the connection; an earlier request gets its answer before."""
        cycle = self.cycle
        pending = cycle is not None and not cycle.response_complete
        in_body = self._phase == BODY
        answered = not pending or (in_body and not cycle.response_started)
        self.listener.refused(error, self._peer(), answered)
        if in_body and not answered:
            self.transport.abort()
            return
        if not answered:
            # The sender would take this answer for the answer to the earlier request, which may be counted. A
            # Content-Length in characters instead of bytes leaves bytes that are no request.
            self._ignores_input, self._phase = True, IDLE
            return
        if pending:
            # Tells the application, which reads the body, not to count this as a disconnect.
            cast("dict[str, object]", cycle.scope)[REFUSED] = True
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(refusal(error, self.server_state.default_headers))
        self.waiting_since = self.loop.time()
        self._finish()

    def _finish(self) -> None:
        """Close after the answer was sent, ignoring further input."""
        self._ignores_input = True
        self._phase = IDLE
        if not self.transport.is_closing():
            self._linger(reading=True)

    def _lingers(self) -> bool:
        """Whether a close has to wait because the body of an answered request may still arrive."""
        lingers = self._phase == BODY
        if lingers:
            self._ignores_input = True
            self._linger(reading=False)
        return lingers

    def _linger(self, *, reading: bool) -> None:
        """Give the peer `LINGER` seconds to read the answer, then abort the connection."""
        # Not `close`, which on TLS would read until a timeout of its own. TLS always keeps reading: its
        # buffers are freed as soon as the peer closes the connection.
        plain = self.transport.can_write_eof()
        if plain:
            self.transport.write_eof()
        if plain and not reading:
            self.flow.pause_reading()
        else:
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
            self.transport.abort()
