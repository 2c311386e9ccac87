"""Simulates histories of each volume and seed and scores the alerts, on all cores."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from exporter.backtest.counters import Counters
from exporter.backtest.ends import STEP
from exporter.backtest.replay import load_rules
from exporter.rule_files import folder
from exporter.simulate.history import History
from exporter.simulate.scenario import STANDARD_DAYS, simulate, standard_plan
from exporter.simulate.traffic import Traffic
from exporter.taxonomy.loader import load as load_taxonomy
from tests.lab.families import OTHERS, Plain, ours
from tests.lab.score import Score, score_of

VOLUMES: Final = (10, 100, 1_000, 10_000, 1_000_000)
SYSTEMS: Final = ("streampixel", "softdrive")
OURS: Final = "ours"
KEPT: Final = 0.0025
"""The share of failures that spends half of the shipped objective's budget."""
TUNING: Final = tuple(range(101, 109))
"""Seeds on which the rules' thresholds were chosen."""
UNSEEN: Final = tuple(range(1, 9))
"""Reported seeds, on which no threshold was chosen."""


@dataclass(frozen=True, slots=True)
class Run:
    """A history. `burstier` multiplies the noise; `failing` is the share of failures, None for 5 %."""

    system: str
    volume: float
    seed: int
    burstier: float = 1.0
    failing: float | None = None


def counters(history: History, step: int) -> Counters:
    """The last scrape of every `step` seconds; absent if it failed."""
    bins = round(step / history.step)
    rows = len(history.ends) // bins + 1
    totals = np.zeros((rows, len(history.codes)), np.int64)
    totals[1:] = np.cumsum(history.ends, axis=0)[bins - 1 :: bins][: rows - 1]
    present = np.ones(rows, np.bool_)
    present[1:] = history.scraped[bins - 1 :: bins][: rows - 1]
    return Counters(history.system, history.start, step, history.codes, totals, present)


_taxonomy = cache(load_taxonomy)
_groups = cache(load_rules)


def scored(run: Run, rules: Path, families: Sequence[str]) -> dict[str, Score]:
    """Each family's score on one history."""
    traffic = Traffic(run.volume, failing=run.failing, burst_scale=run.burstier)
    plan = standard_plan(STANDARD_DAYS * 86400)
    history = simulate(run.system, traffic, STANDARD_DAYS, plan, run.seed)
    system = _taxonomy().systems[run.system]
    scraped = counters(history, STEP)
    alarms = {}
    if others := [name for name in OTHERS if name in families]:
        plain = Plain(scraped, system)
        alarms = {name: list(OTHERS[name](plain)) for name in others}
    if OURS in families:
        alarms[OURS] = ours(scraped, system, _groups(rules))
    return {name: score_of(history, system, fired) for name, fired in alarms.items()}


def campaign(
    volumes: Iterable[float],
    seeds: Iterable[int],
    families: Sequence[str] = (OURS,),
    rules: Path | None = None,
    burstier: float = 1.0,
    systems: Sequence[str] = SYSTEMS,
    failing: float | None = None,
) -> dict[tuple[str, float], Score]:
    """Scores by family and volume, all seeds and systems together; `rules` is a folder of rule files."""
    runs = [
        Run(system, volume, seed, burstier, failing)
        for volume, seed, system in product(volumes, seeds, systems)
    ]
    result: dict[tuple[str, float], Score] = {}
    with ProcessPoolExecutor() as pool:
        count = len(runs)
        scores = pool.map(scored, runs, [rules or folder()] * count, [tuple(families)] * count)
        for run, by_family in zip(runs, scores, strict=True):
            for family, score in by_family.items():
                result.setdefault((family, run.volume), Score()).add(score)
    return result
