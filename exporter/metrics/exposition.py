"""/metrics as bytes: which format, and how it is written.

prometheus-client's `choose_encoder` is not used: it ignores q-values, repeats the sender's version in
the answer's Content-Type, and raises on a version that is not a number.

Figures for 2,000 series with their `_created` and exemplars are in `exporter.metrics.family`: the
registry's large families write themselves, all others go through `generate_latest`.
"""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.metrics.family import CounterFamily

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _Collected(Collector):
    """What one scrape collected, for prometheus-client's writers."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def render(registry: Collector, accept: str | None) -> tuple[bytes, str]:
    """Every family of the registry, and the Content-Type, for the value of an `Accept` header.

    Pure Python and milliseconds long: call it on a worker thread.
    """
    openmetrics = wants_openmetrics(accept)
    parts: list[bytes] = []
    others: list[Metric] = []
    for metric in registry.collect():
        if isinstance(metric, CounterFamily):
            parts.append(metric.write(openmetrics))
        else:
            others.append(metric)
    # Last, because it ends with OpenMetrics' `# EOF`.
    parts.append((generate_openmetrics if openmetrics else generate_latest)(_Collected(others)))
    return b"".join(parts), OPENMETRICS if openmetrics else TEXT


def wants_openmetrics(accept: str | None) -> bool:
    """Whether OpenMetrics 1.0 is named, and liked at least as much as the text format.

    Prometheus names several versions of both, the one it likes best first (2.42:
    `application/openmetrics-text;version=1.0.0,…,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`).
    """
    openmetrics = text = 0.0
    for media, parameters, quality in _ranges(accept or ""):
        if media == "application/openmetrics-text":
            if parameters.get("version", "1.0.0") == "1.0.0":
                openmetrics = max(openmetrics, quality)
        elif media == "text/plain":
            text = max(text, quality)
    return openmetrics > 0 and openmetrics >= text


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether an `Accept-Encoding` header names gzip or `*`, and not with `q=0`."""
    qualities = {coding: quality for coding, _, quality in _ranges(accept_encoding or "")}
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def _ranges(header: str) -> Iterable[tuple[str, dict[str, str], float]]:
    """Name, parameters and quality of each element of an Accept-like header (RFC 9110, 12.4.2)."""
    for element in header.split(","):
        name, *pairs = (part.strip().lower() for part in element.split(";"))
        parameters = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            parameters[key.strip()] = value.strip().strip('"')
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        yield name, parameters, quality
