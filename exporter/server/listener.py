"""Requests that the connections of a listener refuse: by which limits, with which answer and log line."""

from collections.abc import Iterable
from dataclasses import dataclass

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from exporter.errors import Refused
from exporter.logs import Sampler
from exporter.metrics.own import OwnMetrics
from exporter.problem import Header, problem
from exporter.server.hosts import AllowedHosts


class Refusals:
    """Counts and logs the refused requests. `requests{status}` counts requests of ingest only."""

    def __init__(self, own: OwnMetrics, sampler: Sampler, *, ingest: bool) -> None:
        self._own = own
        self._sampler = sampler
        self._ingest = ingest

    def refused(self, error: Refused, client: str, answered: bool) -> None:
        """Count and log a request that never reached the application; `answered`: the peer got an answer."""
        self._own.refused.labels(error.reason).inc()
        if answered and self._ingest:
            self._own.requests.labels(error.status).inc()
        self._sampler.warning(error.reason, "request refused", client=client, detail=error.detail)

    def unread(self, client: str) -> None:
        """Log a connection that was closed because its answer was not read in time."""
        self._sampler.warning(
            "unread", "connection closed: the answer was not read in time", client=client
        )


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


def refusal(error: Refused, default_headers: Iterable[Header] = ()) -> bytes:
    """The answer to a refused request; the connection closes after it."""
    status, headers, body = problem(error)
    return serialized(status, [*default_headers, *headers, (b"connection", b"close")], body)


def serialized(status: int, headers: Iterable[Header], body: bytes) -> bytes:
    """An answer as it is sent."""
    head = b"".join([b"%s: %s\r\n" % line for line in headers])
    return b"%s%s\r\n%s" % (STATUS_LINE[status], head, body)
