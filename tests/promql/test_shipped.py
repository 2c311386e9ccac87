"""The shipped rules in exporter.promql and in promtool: the same series at every instant."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from exporter.promql.rulefile import load
from exporter.promql.run import Run
from exporter.promql.samples import Samples
from exporter.promql.value import Floats
from exporter.rule_files import RULES
from tests.promql.promtool import at_interval, differences, evaluated
from tests.rules.series import CODES, code_texts, ends, parsed, scraped

STEP, ROWS = 30, 280
ORDER = ("words", "windows", "stopped", "budget", "long", "snapshots", "baseline")
"""Groups that read each other's results, in an order in which each result is written before it is read."""
SOFTDRIVE = ("none", "13", "01", "04", "1002")
"""The first is the normal code, the second is planned, the last is new."""
INSTANCES = ("exporter:1", "exporter:2")
DURATION = re.compile(r"(?<=[\[ :])((?:\d+[smhd])+)(?=[\]:) \n]|$)", re.M)


def eventful() -> list[Samples]:
    """Outages, a new code, a stop, failed scrapes and a growing queue.

    The second replica restarts from zero and is absent for a while.
    """
    random = np.random.default_rng(2)
    times = np.arange(ROWS, dtype=np.int64) * STEP * 1000
    present = np.ones((2, ROWS), np.bool_)
    for scrapes in present:
        for start in random.integers(20, ROWS, 12):
            scrapes[start : start + random.integers(1, 4)] = False
    present[1, ROWS // 2 : ROWS // 2 + 50] = False
    result: list[Samples] = []

    def add(series: str, values: Floats) -> None:
        row = parsed(series)
        scrapes = present[INSTANCES.index(dict(row)["instance"])]
        result.append(Samples(times, (row,), values[np.newaxis], scrapes[np.newaxis]))

    for place, total in enumerate(totals(random)):
        code = CODES["softdrive", SOFTDRIVE[place]]
        restarted = total.copy()
        restarted[ROWS // 3 + place :] -= total[ROWS // 3 + place]
        for instance, counted in zip(INSTANCES, (total, restarted), strict=True):
            add(ends(code, instance=instance), counted)
            for text in code_texts(replace(code, name=f"{code.name} {instance}"), instance):
                add(text, np.ones(ROWS))
    for number, instance in enumerate(INSTANCES):
        add(scraped("process_start_time_seconds", instance), np.full(ROWS, 1000.0 * (number + 1)))
        objective = scraped("session_end_objective", instance, system="softdrive")
        add(objective, np.full(ROWS, 0.995))
        links = scraped("session_exporter_links_info", instance, runbooks=f"http://{instance}")
        add(links, np.ones(ROWS))
        waiting = random.poisson(1.0, ROWS).astype(np.float64)
        waiting[ROWS // 6 : ROWS // 5] += np.arange(ROWS // 5 - ROWS // 6)
        queue = scraped("session_queued_users", instance, system="streampixel", project="shop")
        add(queue, waiting)
    return result


def totals(random: np.random.Generator) -> Floats:
    """(codes, rows): counters of ends."""
    rates = np.full((len(SOFTDRIVE), ROWS), 0.05)
    rates[0] = 12.0
    rates[-1] = 0.0
    for begin, end, code, rate in (
        (0.34, 0.41, 1, 6.0),
        (0.34, 0.41, 2, 1.0),
        (0.57, 0.75, 3, 0.7),
        (0.68, 0.75, -1, 0.2),
        (0.76, 0.88, slice(None), 0.0),
    ):
        rates[code, int(begin * ROWS) : int(end * ROWS)] = rate
    return np.cumsum(random.poisson(rates), axis=1).astype(np.float64)


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
    for path in sorted({*RULES.glob("*.yml")} - {RULES / "exporter.yml"}):
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
    series = eventful()
    run = Run(at_interval(groups, STEP), series, 0.0, (ROWS - 1) * STEP, keep=True)
    names = [group.name for group in groups]
    theirs = evaluated(tmp_path, files, names, series, STEP)
    assert differences(run, theirs) == []
    signals = {firing.labels["signal"] for firing in run.firings}
    assert signals == {"budget", "elevated", "new", "overrun", "queue", "spike", "stopped"}
