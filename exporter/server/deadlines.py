"""Refuses requests, and enforces the deadlines of a request, of its answer and of the next request."""

import asyncio
import math
from typing import Any, cast

from exporter.errors import Refused, RequestTimeout
from exporter.names import LOGS_PATH
from exporter.problem import REFUSED
from exporter.server.closing import ACCEPTED, BODY, HEAD, IDLE, ClosingProtocol
from exporter.server.listener import Listener, refusal


class _OtlpTimeout(RequestTimeout):
    """`RequestTimeout` for OTLP clients: they send a request again after a 503, but not after a 408."""

    status = 503


class TimedProtocol(ClosingProtocol):
    """Enforces all deadlines of a connection with one timer, which no request starts or cancels.

    Refuses requests that are late, or that a subclass finds to break a limit of the listener.
    """

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
        self._read_deadline = self.loop.time() + self.listener.receive_timeout
        self._timer = self.loop.call_later(self._period(), self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

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
            error = _OtlpTimeout if otlp else RequestTimeout
            self._refuse(error(f"the {part} took more than {timeout:g} s (receive_timeout)"))

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
