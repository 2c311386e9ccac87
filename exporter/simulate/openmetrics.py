"""A history as OpenMetrics text, for `promtool tsdb create-blocks-from openmetrics`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from exporter import names
from exporter.metrics.exposition import label_text
from exporter.metrics.taxonomy import TaxonomyCollector
from exporter.simulate.history import DAY, HOUR, History
from exporter.simulate.profiles import codes
from exporter.taxonomy.loader import load
from exporter.taxonomy.model import Taxonomy

JOB: Final = "session-end-exporter"
INSTANCE: Final = "127.0.0.1:10401"
"""The default target of deploy/prometheus/prometheus.yml."""
LEDGER: Final = "51a7ed00"
"""A ledger id is eight hexadecimal digits; this one is fixed."""
_SPACING: Final = HOUR / 2
"""Seconds between samples of the taxonomy: rules and dashboards look back an hour for them. At each scrape,
its texts would be most of a file."""


def openmetrics(
    histories: Sequence[History], since: float = -math.inf, until: float = math.inf
) -> Iterator[str]:
    """`session_ends_total` and the taxonomy, with the labels that a scrape of /metrics would store.

    A count is the sum of all ends until its scrape. The first is a 0 at the start of the history,
    because the exporter exposes every code from the first scrape on. Only samples of [`since`, `until`),
    Unix seconds, are written.
    """
    yield f"# TYPE {names.SESSION_ENDS.removesuffix('_total')} counter\n"
    for history in histories:
        times = history.start + np.arange(len(history.scraped) + 1) * history.step
        kept = np.concatenate(([True], history.scraped)) & (times >= since) & (times < until)
        stamps = [f" {time}\n" for time in times[kept]]
        for column, code in enumerate(codes(history.system)):
            totals = np.concatenate(([0], np.cumsum(history.ends[:, column])))[kept].tolist()
            series = _series(names.SESSION_ENDS, code.labels | {names.LEDGER: LEDGER})
            yield "".join(f"{series}{total}{at}" for total, at in zip(totals, stamps, strict=True))
    times = np.arange(histories[0].start, histories[0].end, _SPACING)
    stamps = [f" {time}\n" for time in times[(times >= since) & (times < until)]]
    shipped = load().systems
    taxonomy = Taxonomy({each.system: shipped[each.system] for each in histories})
    for metric in TaxonomyCollector(taxonomy, f"http://{INSTANCE}", "").collect():
        yield f"# TYPE {metric.name} {metric.type}\n"
        for sample in metric.samples:
            series = _series(sample.name, sample.labels)
            yield "".join(f"{series}{sample.value}{at}" for at in stamps)
    yield "# EOF\n"


def _series(metric: str, labels: Mapping[str, str]) -> str:
    labels = {**labels, "job": JOB, "instance": INSTANCE}
    return f"{metric}{label_text([*labels], [*labels.values()])} "


def daily(histories: Sequence[History]) -> Iterator[tuple[str, Iterator[str]]]:
    """The date (2026-01-05) and the text of each UTC day of the histories, which are of the same time."""
    # promtool reads its whole input again for every two hours in it: a month takes 2 minutes in daily files,
    # and three days in a single file take 23 s.
    for day in range(int(histories[0].start // DAY), int(histories[0].end // DAY) + 1):
        date = datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")
        yield date, openmetrics(histories, since=day * DAY, until=(day + 1) * DAY)
