"""A history as OpenMetrics text, for `promtool tsdb create-blocks-from openmetrics`."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from exporter import names
from exporter.simulate.history import DAY, History
from exporter.simulate.profiles import codes

JOB: Final = "session-end-exporter"
INSTANCE: Final = "127.0.0.1:10401"
"""The default target of deploy/prometheus/prometheus.yml."""
LEDGER: Final = "51a7ed00"
"""A ledger id is eight hexadecimal digits; this one is fixed."""


def openmetrics(
    histories: Sequence[History], since: float = -math.inf, until: float = math.inf
) -> Iterator[str]:
    """`session_ends_total` as whole lines, with the labels that a scrape of /metrics would store.

    A sample is the sum of all ends until its scrape. The first sample is a 0 at the start of the history,
    because the exporter exposes every code from the first scrape on. Only samples of [`since`, `until`),
    Unix seconds, are written.
    """
    family = names.SESSION_ENDS.removesuffix("_total")
    yield f"# HELP {family} Sessions that ended, by code.\n# TYPE {family} counter\n"
    for history in histories:
        times = history.start + np.arange(len(history.scraped) + 1) * history.step
        kept = np.concatenate(([True], history.scraped)) & (times >= since) & (times < until)
        stamps = [f" {time:.3f}".removesuffix(".000") + "\n" for time in times[kept]]
        for column, code in enumerate(codes(history.system)):
            totals = np.concatenate(([0], np.cumsum(history.ends[:, column])))[kept].tolist()
            pairs = code.labels | {names.LEDGER: LEDGER, "job": JOB, "instance": INSTANCE}
            inner = ",".join(f'{name}="{value}"' for name, value in pairs.items())
            series = f"{names.SESSION_ENDS}{{{inner}}} "
            yield "".join(f"{series}{total}{at}" for total, at in zip(totals, stamps, strict=True))
    yield "# EOF\n"


def daily(histories: Sequence[History]) -> Iterator[tuple[str, Iterator[str]]]:
    """The date (2026-01-05) and the text of each UTC day of the histories."""
    # promtool reads its whole input again for every two hours in it: a month takes 2 minutes in daily files,
    # and three days in a single file take 23 s.
    first = min(history.start for history in histories)
    last = max(history.end for history in histories)
    for day in range(int(first // DAY), int(last // DAY) + 1):
        date = datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m-%d")
        yield date, openmetrics(histories, since=day * DAY, until=(day + 1) * DAY)
