"""Rendering of /metrics: OpenMetrics 1.0 for each client that names OpenMetrics, otherwise text 0.0.4.

prometheus-client's `choose_encoder` echoes the client's version in Content-Type, and raises on a version that
is not a number.
"""

from typing import Final

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.metrics.family import WrittenFamily, client_lines

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def render(registry: Collector, accept: str) -> tuple[bytes, str]:
    """Body and Content-Type for an `Accept` header. Takes milliseconds: call it in a worker thread."""
    openmetrics = "application/openmetrics-text" in accept.lower()
    parts: list[bytes] = []
    others: list[Metric] = []
    for metric in registry.collect():
        if isinstance(metric, WrittenFamily):
            parts += metric.write(openmetrics)
        else:
            others.append(metric)
    # Last, because it ends with `# EOF` in OpenMetrics.
    parts.append(client_lines(others, openmetrics))
    return b"".join(parts), OPENMETRICS if openmetrics else TEXT
