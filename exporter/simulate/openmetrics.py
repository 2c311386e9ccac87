"""A history as OpenMetrics text, for `promtool tsdb create-blocks-from openmetrics`."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from exporter import names
from exporter.metrics.family import escaped
from exporter.simulate.history import History
from exporter.simulate.profiles import taxonomy
from exporter.simulate.traffic import DAY
from exporter.taxonomy.model import Code

JOB: Final = "session-end-exporter"
INSTANCE: Final = "127.0.0.1:10401"
"""As deploy/prometheus/prometheus.yml names and scrapes an exporter on its default port."""
LEDGER: Final = "51a7ed00"
"""A ledger's id is eight hexadecimal digits; the chance that a real one is this is 1 in 4 billion."""


def openmetrics(
    histories: Sequence[History],
    job: str = JOB,
    instance: str = INSTANCE,
    ledger: str = LEDGER,
    since: float = -math.inf,
    until: float = math.inf,
) -> Iterator[str]:
    """The text in pieces, a series each: `session_ends_total` under the labels that /metrics gives it.

    Samples are the sums of all ends so far at each scrape that happened, and a 0 at the history's start,
    because the exporter shows every code from its first scrape on. Whole lines only; `# EOF` is the last.

    Only samples of [`since`, `until`), Unix seconds, are written. promtool reads the whole text again for
    every two hours in it, so that its time grows with the square: three days of two systems took it 23 s,
    and a month of one system 2 minutes, day by day (`daily`).
    """
    family = names.SESSION_ENDS.removesuffix("_total")
    yield f"# HELP {family} Sessions that ended, by code.\n# TYPE {family} counter\n"
    for history in histories:
        system = taxonomy(history.system)
        rows = {code.code: code for code in (*system.codes, system.unknown)}
        at = history.start + np.arange(len(history.scraped) + 1) * history.step
        shown = np.concatenate(([True], history.scraped)) & (at >= since) & (at < until)
        stamps = [f" {time:.3f}".removesuffix(".000") + "\n" for time in at[shown]]
        for column, code in enumerate(history.codes):
            totals = np.concatenate(([0], np.cumsum(history.ends[:, column])))[shown].tolist()
            name = names.SESSION_ENDS + _labels(rows[code], ledger, job, instance) + " "
            yield "".join(f"{name}{total}{at}" for total, at in zip(totals, stamps, strict=True))
    yield "# EOF\n"


def daily(histories: Sequence[History]) -> Iterator[tuple[str, Iterator[str]]]:
    """A name such as 2026-01-05 and the text of each UTC day that the histories have."""
    first = min(history.start for history in histories)
    last = max(history.end for history in histories)
    for day in range(int(first // DAY), int(last // DAY) + 1):
        name = datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")
        yield name, openmetrics(histories, since=day * DAY, until=(day + 1) * DAY)


def _labels(code: Code, ledger: str, job: str, instance: str) -> str:
    taxonomy_values = (code.system, code.code, code.phase, code.category, code.outcome.value)
    pairs = dict(zip(names.SERIES_LABELS, taxonomy_values, strict=True))
    pairs |= {names.LEDGER: ledger, "job": job, "instance": instance}
    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in pairs.items()) + "}"
