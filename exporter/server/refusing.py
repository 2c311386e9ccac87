"""Refuses requests that never reach the application, and ends their connections."""

from dataclasses import dataclass
from typing import Any, cast

from exporter.errors import Refused
from exporter.problem import REFUSED
from exporter.server.closing import BODY, IDLE, ClosingProtocol
from exporter.server.hosts import AllowedHosts
from exporter.server.refusals import Refusals, refusal


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of each connection of a listener.

    `max_header` is in bytes. `receive_timeout`, in seconds, is for a head, for a body and for an answer.
    `hosts` is None on a listener with tokens, which answers for any host.
    """

    max_header: int
    receive_timeout: float
    refusals: Refusals
    hosts: AllowedHosts | None = None


class RefusingProtocol(ClosingProtocol):
    """Refuses requests that break one of the `limits`."""

    def __init__(self, limits: Limits, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits

    def _refuse(self, error: Refused) -> None:
        """Refuse with `error` and end the connection; answers if no earlier request waits for an answer."""
        cycle = self.cycle
        pending = cycle is not None and not cycle.response_complete
        in_body = self._phase == BODY
        queued = bool(self.pipeline)
        answered = not queued and (not pending or (in_body and not cycle.response_started))
        self.limits.refusals.refused(error, self._peer(), answered)
        self._phase = IDLE
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
