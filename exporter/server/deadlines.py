"""The deadlines of a connection: for a request, for the reading of its answer, and for the next request."""

import asyncio
import math

from exporter.errors import RequestTimeout
from exporter.names import LOGS_PATH
from exporter.server.closing import BODY, IDLE
from exporter.server.refusing import RefusingProtocol


class _OtlpTimeout(RequestTimeout):
    """`RequestTimeout` for OTLP clients: they send a request again after a 503, but not after a 408."""

    status = 503


class TimedProtocol(RefusingProtocol):
    """Enforces all deadlines of a connection with one timer, which no request starts or cancels."""

    _read_deadline = math.inf
    _write_deadline = math.inf
    _idle_deadline = math.inf
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._read_deadline = self.loop.time() + self.limits.receive_timeout
        self._timer = self.loop.call_later(self._period(), self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

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

    def close_if_idle(self) -> bool:
        """Close if the connection has no request and its last answer was sent; returns whether it closed."""
        idle = self._idle_deadline < math.inf or self._linger_timer is not None
        if not idle or self.flow.write_paused:
            return False
        self.transport.abort()
        return True

    def _check(self) -> None:
        """Enforce the deadlines, each of which is set at least a period ahead."""
        now, timeout = self.loop.time(), self.limits.receive_timeout
        if now >= self._idle_deadline:
            # The checks go on: the last answer may be unread, and the close waits for the peer.
            self._idle_deadline = math.inf
            self.transport.close()
        if now >= self._write_deadline:
            self.transport.abort()
            self.limits.refusals.unread(self._peer())
            return
        try:
            if self._phase != IDLE and now >= self._read_deadline:
                # Set before the refusal: a refusal that raises is tried again only after a timeout.
                self._read_deadline = now + timeout
                self._refuse_late(timeout)
        finally:
            read_deadline = self._read_deadline if self._phase != IDLE else math.inf
            deadlines = (read_deadline, self._write_deadline, self._idle_deadline)
            at = min(*deadlines, now + self._period())
            self._timer = self.loop.call_at(at, self._check)

    def _period(self) -> float:
        return min(self.limits.receive_timeout, self.timeout_keep_alive)

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
