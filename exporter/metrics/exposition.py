"""Content negotiation and rendering of /metrics.

prometheus-client's `choose_encoder` ignores q-values, echoes the client's version in Content-Type, and
raises on a version that is not a number.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Metric
from prometheus_client.registry import Collector

from exporter.metrics.family import WrittenFamily, client_lines

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def render(registry: Collector, accept: str | None) -> tuple[bytes, str]:
    """Body and Content-Type for an `Accept` header. Takes milliseconds: call it in a worker thread."""
    openmetrics = wants_openmetrics(accept)
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


def wants_openmetrics(accept: str | None) -> bool:
    """Whether OpenMetrics 1.0 is accepted, with a quality not below that of the text format."""
    # Prometheus names several versions of both, the preferred first (2.42:
    # `application/openmetrics-text;version=1.0.0,…,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`).
    openmetrics = text = 0.0
    for media, parameters, quality in _ranges(accept or ""):
        if media == "application/openmetrics-text":
            if parameters.get("version", "1.0.0") == "1.0.0":
                openmetrics = max(openmetrics, quality)
        elif media == "text/plain":
            text = max(text, quality)
    return openmetrics > 0 and openmetrics >= text


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether an `Accept-Encoding` header accepts gzip."""
    qualities = {coding: quality for coding, _, quality in _ranges(accept_encoding or "")}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _ranges(header: str) -> Iterable[tuple[str, dict[str, str], float]]:
    """Name, parameters and quality of each element of an Accept-like header (RFC 9110, 12.4.2)."""
    for element in header.split(","):
        name, *pairs = (part.strip().lower() for part in element.split(";"))
        parameters = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            parameters[key] = value.strip('"')
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        yield name, parameters, quality
