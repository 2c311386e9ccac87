"""Row 38 of the fault table: one exporter, scraped by two jobs of a real Prometheus with our rules."""

import time
from pathlib import Path
from typing import Final

from exporter import names
from tests.e2e.exporter_process import ROOT, ExporterProcess, wait_for
from tests.e2e.prometheus_process import PrometheusProcess
from tests.faults.table import Row, reached

EVENTS: Final = 1000
_COUNT: Final = f"{names.RULE_COUNT}1h"


def counted(folder: Path, jobs: int) -> float:
    """What the alerts count of `EVENTS` when so many jobs scrape the same target."""
    folder.mkdir()
    rules = folder / "session-ends.yml"
    text = (ROOT / "rules/session-ends.yml").read_text()
    rules.write_text(text.replace("interval: 30s", "interval: 1s"))
    with ExporterProcess(folder / "data") as exporter:
        target = f"127.0.0.1:{exporter.ports['ops']}"
        with PrometheusProcess(folder / "prometheus", [target], rules=[rules], jobs=jobs) as found:
            scraped = f"sum by (job) ({names.SESSION_ENDS})"
            wait_for(lambda: len(found.query(scraped)) == jobs, what="zeros from each job")
            wait_for(lambda: found.query(_COUNT), what="a record of the zeros")
            events = [
                {"id": f"event-{number}", "system": "streampixel", "code": 4001}
                for number in range(EVENTS)
            ]
            assert exporter.post(events).json["accepted"] == EVENTS
            every = [EVENTS] * jobs
            wait_for(lambda: list(found.query(scraped).values()) == every, what="all scraped")
            # The rules read each other, some of them one evaluation late.
            settled = f"sum({_COUNT}) and on () max(timestamp({_COUNT})) > {time.time() + 2}"
            return wait_for(lambda: found.query(settled), what="records of all")[frozenset()]


def _run(folder: Path, quick: bool) -> str:
    single, double = (counted(folder / str(jobs), jobs) for jobs in (1, 2))
    figure = f"{EVENTS:,} events: {single:,.0f} with one job, {double:,.0f} with two"
    # increase() extrapolates, by other parts of a scrape interval in the two runs.
    return reached(f"{figure}, × {double / single:.2f}", 0.8 < double / single < 1.25)


ROW: Final = Row(38, "double scrape, HA pair", "same counts", _run)
