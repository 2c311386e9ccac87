"""A listener: its application and limits, and how it refuses requests that exceed them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from exporter.errors import Refused
from exporter.logs import Sampler
from exporter.metrics.own import OwnMetrics
from exporter.problem import Header, problem
from exporter.server.certificates import Certificate
from exporter.server.hosts import AllowedHosts


@dataclass(frozen=True, slots=True)
class Listener:
    """An application at `address` (HOST:PORT), the setting `name`; over TLS if it has a `certificate`.

    `max_header` is in bytes. `receive_timeout`, in seconds, is for a head, for a body and for an answer.
    `hosts` is None on a listener with tokens, which answers for any host. `own` and `sampler` count and log
    refused requests; `requests{status}` counts requests of ingest only.
    """

    name: str
    address: str
    app: Any
    own: OwnMetrics
    sampler: Sampler
    max_header: int
    receive_timeout: float
    max_connections: int
    hosts: AllowedHosts | None = None
    certificate: Certificate | None = None

    def refused(self, error: Refused, client: str, answered: bool) -> None:
        """Count and log a request that never reached the application; `answered`: the peer got an answer."""
        self.own.refused.labels(error.reason).inc()
        if answered and self.name == "ingest":
            self.own.requests.labels(error.status).inc()
        self.sampler.warning(error.reason, "request refused", client=client, detail=error.detail)

    def unread(self, client: str) -> None:
        """Log a connection that was closed because its answer was not read in time."""
        text = "connection closed: the answer was not read in time"
        self.sampler.warning("unread", text, client=client)


def refusal(error: Refused, default_headers: Iterable[Header] = ()) -> bytes:
    """The answer to a refused request; the connection closes after it."""
    status, headers, body = problem(error)
    return serialized(status, [*default_headers, *headers, (b"connection", b"close")], body)


def serialized(status: int, headers: Iterable[Header], body: bytes) -> bytes:
    """An answer as it is sent."""
    head = b"".join([b"%s: %s\r\n" % line for line in headers])
    return b"%s%s\r\n%s" % (STATUS_LINE[status], head, body)
