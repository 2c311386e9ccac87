"""Closes a connection so that its peer can read the last answer, and frees its memory.

A close with unread bytes makes the kernel send a reset, which deletes an answer that the peer has not read.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn.protocols.http.flow_control import FlowControl

from exporter.server.direct import DirectProtocol

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
    """Closes so that the peer can read the last answer; `_phase` is one of `IDLE` to `BODY`."""

    _phase = ACCEPTED
    _ignores_input = False
    _discarded = 0
    _linger_timer: asyncio.TimerHandle | None = None

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

    def connection_lost(self, exc: Exception | None) -> None:
        # A timer or a reference cycle would keep 300 kB of TLS buffers until the garbage collector runs,
        # which is thousands of connections later.
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        self._lingering.release()
        super().connection_lost(exc)
        self.cycle = None  # type: ignore[assignment]

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
