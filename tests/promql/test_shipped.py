"""The shipped rules in exporter.promql and in promtool: the same series at every instant."""

import re
from pathlib import Path

import yaml

from exporter.promql.rulefile import load
from exporter.promql.run import Run
from exporter.rule_files import folder
from tests.promql.eventful import STEP, eventful
from tests.promql.promtool import differences, evaluated

ROWS = 280
ORDER = ("words", "windows", "stopped", "budget", "long", "snapshots", "baseline")
"""Groups that read each other's results, in an order in which each result is written before it is read."""
CODES = {"softdrive": ("none", "13", "01", "04", "1002")}
"""Only softdrive has a planned code."""
DURATION = re.compile(r"(?<=[\[ :])((?:\d+[smhd])+)(?=[\]:) \n]|$)", re.M)


def shorter(match: re.Match[str]) -> str:
    """Shortens days to hours. Longer durations remain longer.

    The additional second of a range, which includes its first sample, remains.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    parts = re.findall(r"(\d+)([smhd])", match[1])
    whole, rest = divmod(sum(int(number) * units[unit] for number, unit in parts), STEP)
    return f"{max(1, round(2 * (whole / 2) ** 0.6)) * bool(whole) * STEP + rest}s"


def test_shipped_rules_write_the_samples_of_promtool(tmp_path: Path) -> None:
    files = []
    # `backtest` leaves out the rules about the exporter itself.
    for path in sorted({*folder().glob("*.yml")} - {folder() / "exporter.yml"}):
        document = yaml.safe_load(DURATION.sub(shorter, path.read_text()))
        for rule in (rule for group in document["groups"] for rule in group["rules"]):
            # promtool would expand annotations at each evaluation.
            rule.pop("annotations", None)
        files.append(tmp_path / path.name)
        files[-1].write_text(yaml.safe_dump(document, sort_keys=False, width=1_000_000))
    order = [f"session-ends-{name}" for name in ORDER]
    groups = sorted(
        load(files),
        key=lambda group: order.index(group.name) if group.name in order else len(order),
    )
    scraped = eventful(CODES, 2, ROWS)
    run = Run(groups, scraped, 0.0, (ROWS - 1) * STEP, interval=STEP, keep=None)
    assert not run.failures
    names = [group.name for group in groups]
    theirs = evaluated(tmp_path, files, names, scraped, STEP)
    assert differences(run, theirs) == []
    signals = {firing.labels["signal"] for firing in run.firings}
    assert signals == {"budget", "elevated", "new", "overrun", "queue", "spike", "stopped"}
