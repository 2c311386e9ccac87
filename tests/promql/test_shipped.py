"""The shipped rules, evaluated here and by promtool: the same series at every instant."""

from pathlib import Path

import pytest

from exporter.promql.rulefile import load
from exporter.promql.run import Run
from exporter.promql.selector import Settings
from tests.promql.compared import compared
from tests.promql.dumped import dump
from tests.promql.eventful import STEP, eventful
from tests.promql.shipped import ordered, shortened

ROWS = 440


@pytest.mark.parametrize(
    ("system", "codes", "seed"),
    [
        ("streampixel", ("1000", "4001", "4005", "1006", "4003"), 1),
        ("softdrive", ("none", "13", "01", "04", "1002"), 2),
    ],
)
def test_shipped_rules_write_what_promtool_writes(
    tmp_path: Path, system: str, codes: tuple[str, ...], seed: int
) -> None:
    files = shortened(tmp_path)
    groups = ordered(load(files))
    scraped = eventful(system, codes, seed, ROWS)
    run = Run(
        groups,
        scraped,
        0.0,
        (ROWS - 1) * STEP,
        interval=STEP,
        keep=None,
        settings=Settings(subquery_step=STEP * 1000),
    )
    assert not run.failures
    theirs = dump(tmp_path, files, [group.name for group in groups], scraped, STEP)
    assert compared(run, theirs) == []
    assert len(theirs) == ROWS
    signals = {firing.labels["signal"] for firing in run.firings}
    # A history has a queue; only softdrive has a planned code.
    own = {"overrun"} if system == "softdrive" else set()
    assert signals == {"budget", "elevated", "exporter", "new", "queue", "spike", "stopped"} | own
