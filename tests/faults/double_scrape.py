"""Row 38 of the fault table: two jobs of a real Prometheus scrape one exporter."""

import time
from pathlib import Path
from typing import Final

from exporter import names
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess
from tests.faults.senders import ends
from tests.faults.table import Mutant, reached, row

_EVENTS: Final = 1000
_COUNT: Final = f"{names.RULE_COUNT}1h"


def _counted(folder: Path, jobs: int, rules: str) -> float:
    """What the alerts count of `_EVENTS` when `jobs` jobs scrape the same target."""
    folder.mkdir()
    rule_file = folder / "session-ends.yml"
    rule_file.write_text(rules)
    with (
        ExporterProcess(folder / "data") as exporter,
        PrometheusProcess(
            folder / "prometheus",
            [f"127.0.0.1:{exporter.ports['ops']}"],
            interval=0.5,
            rules=[rule_file],
            jobs=jobs,
        ) as prometheus,
    ):
        scraped = f"sum by (job) ({names.SESSION_ENDS})"
        wait_for(lambda: len(prometheus.query(scraped)) == jobs, what="zeros from each job")
        wait_for(lambda: prometheus.query(_COUNT), what="a record of the zeros")
        assert exporter.post(ends("event", 0, _EVENTS)).json["accepted"] == _EVENTS
        each = [_EVENTS] * jobs
        wait_for(lambda: list(prometheus.query(scraped).values()) == each, what="a scrape")
        # The rules read each other, some of them one evaluation late.
        settled = f"sum({_COUNT}) and on () max(timestamp({_COUNT})) > {time.time() + 1}"
        counts = wait_for(lambda: prometheus.query(settled), what="records of all events")
        return float(counts[frozenset()])


@row(
    38,
    "double scrape, HA pair",
    "same counts",
    # The code of this mutant is the text that is removed from the rules.
    Mutant("maximum over jobs", "job, replica, prometheus_replica, ", "× [12]"),
)
def run(folder: Path, quick: bool, mutant: str = "") -> str:
    rules = (ROOT / "rules/session-ends.yml").read_text()
    assert mutant in rules
    rules = rules.replace("interval: 30s", "interval: 500ms")
    if mutant:
        rules = rules.replace(mutant, "")
    # increase() extrapolates, by other parts of a scrape interval in the two runs.
    single, most = (_EVENTS, 1.5) if quick else (_counted(folder / "single", 1, rules), 1.25)
    double = _counted(folder / "double", 2, rules)
    figure = f"{_EVENTS:,} events: {single:,.0f} with one job, {double:,.0f} with two"
    return reached(f"{figure}, × {double / single:.2f}", 0.8 < double / single < most)
