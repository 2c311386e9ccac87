"""The shipped rules, evaluated here and by promtool: the same series at every instant."""

import re
from pathlib import Path

import pytest
import yaml

from exporter.promql.rulefile import load
from exporter.promql.run import Run
from exporter.rule_files import folder
from tests.promql.eventful import STEP, eventful
from tests.promql.promtool import differences, evaluated

ROWS = 440
ORDER = ("words", "windows", "budget", "long", "snapshots", "baseline")
"""Groups that read each other, each after those whose results it reads at the same instant."""
DURATION = re.compile(r"(?<=[\[ :])((?:\d+[smhd])+)(?=[\]:) \n]|$)", re.M)


def shorter(match: re.Match[str]) -> str:
    """A few hours then show what takes days. Longer durations remain longer.

    The additional second of a range, which includes its first sample, remains.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    parts = re.findall(r"(\d+)([smhd])", match[1])
    whole, rest = divmod(sum(int(number) * units[unit] for number, unit in parts), STEP)
    return f"{max(1, round(2 * (whole / 2) ** 0.6)) * bool(whole) * STEP + rest}s"


def shortened(target: Path) -> list[Path]:
    """The rule files without annotations, which promtool would expand at each evaluation."""
    files = []
    for path in sorted(folder().glob("*.yml")):
        document = yaml.safe_load(DURATION.sub(shorter, path.read_text()))
        for rule in (rule for group in document["groups"] for rule in group["rules"]):
            rule.pop("annotations", None)
        files.append(target / path.name)
        files[-1].write_text(yaml.safe_dump(document, sort_keys=False, width=1_000_000))
    return files


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
    order = [f"session-ends-{name}" for name in ORDER]
    groups = sorted(
        load(files),
        key=lambda group: order.index(group.name) if group.name in order else len(order),
    )
    scraped = eventful(system, codes, seed, ROWS)
    run = Run(groups, scraped, 0.0, (ROWS - 1) * STEP, interval=STEP, keep=None)
    assert not run.failures
    theirs = evaluated(tmp_path, files, [group.name for group in groups], scraped, STEP)
    assert differences(run, theirs) == []
    signals = {firing.labels["signal"] for firing in run.firings}
    # A history has a queue; only softdrive has a planned code.
    own = {"overrun"} if system == "softdrive" else set()
    assert signals == {"budget", "elevated", "exporter", "new", "queue", "spike", "stopped"} | own
