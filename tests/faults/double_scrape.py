"""Row 38 of the fault table: two jobs of a real Prometheus scrape one exporter."""

import time
from pathlib import Path
from typing import Final

from exporter import names
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess
from tests.faults.table import Mutant, Row, reached

_EVENTS: Final = 1000
_COUNT: Final = f"{names.RULE_COUNT}1h"


def _counted(folder: Path, jobs: int, rules: str) -> float:
    """What the alerts count of `_EVENTS` when `jobs` jobs scrape the same target."""
    folder.mkdir()
    rule_file = folder / "session-ends.yml"
    rule_file.write_text(rules.replace("interval: 30s", "interval: 1s"))
    with ExporterProcess(folder / "data") as exporter:
        target = f"127.0.0.1:{exporter.ports['ops']}"
        with PrometheusProcess(
            folder / "prometheus", [target], rules=[rule_file], jobs=jobs
        ) as prometheus:
            scraped = f"sum by (job) ({names.SESSION_ENDS})"
            wait_for(lambda: len(prometheus.query(scraped)) == jobs, what="zeros from each job")
            wait_for(lambda: prometheus.query(_COUNT), what="a record of the zeros")
            events = [
                {"id": f"event-{number}", "system": "streampixel", "code": 4001}
                for number in range(_EVENTS)
            ]
            assert exporter.post(events).json["accepted"] == _EVENTS
            each = [_EVENTS] * jobs
            wait_for(lambda: list(prometheus.query(scraped).values()) == each, what="a scrape")
            # The rules read each other, some of them one evaluation late.
            settled = f"sum({_COUNT}) and on () max(timestamp({_COUNT})) > {time.time() + 2}"
            counts = wait_for(lambda: prometheus.query(settled), what="records of all events")
            return float(counts[frozenset()])


def _run(folder: Path, quick: bool, mutant: str = "") -> str:
    rules = (ROOT / "rules/session-ends.yml").read_text()
    if mutant:
        assert mutant in rules
        rules = rules.replace(mutant, "")
    single = _EVENTS if mutant else _counted(folder / "single", 1, rules)
    double = _counted(folder / "double", 2, rules)
    figure = f"{_EVENTS:,} events: {single:,.0f} with one job, {double:,.0f} with two"
    # increase() extrapolates, by other parts of a scrape interval in the two runs.
    return reached(f"{figure}, × {double / single:.2f}", 0.8 < double / single < 1.25)


ROW: Final = Row(
    38,
    "double scrape, HA pair",
    "same counts",
    _run,
    # The code of this mutant is the text that is removed from the rules.
    [Mutant("maximum over jobs", "job, replica, prometheus_replica, ", "× [12]")],
)
