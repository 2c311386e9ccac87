"""Scores the alerts on simulated histories and recordings, on all cores."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np

from exporter.backtest.counters import STEP, Counters
from exporter.backtest.replay import load_rules
from exporter.rule_files import RULES
from exporter.simulate.history import Counts, History
from exporter.taxonomy.loader import load as load_taxonomy
from tests.lab.cases import CASES
from tests.lab.families import OTHERS, Plain, ours
from tests.lab.observer import seen_after
from tests.lab.recordings import FLIGHTS, flights, recording
from tests.lab.score import Score, Trial, score_of

OURS: Final = "ours"
TUNING: Final = tuple(range(101, 109))
"""Seeds on which the rules' thresholds were chosen."""
UNSEEN: Final = tuple(range(1, 9))
"""Reported seeds, on which no threshold was chosen."""


def trial(history: History, users: bool) -> Trial:
    """The counters at the last scrape of every `STEP` s; absent if that scrape failed.

    `users`: whether senders give users.
    """
    system = _taxonomy().systems[history.system]
    bins = round(STEP / history.step)
    rows = len(history.ends) // bins + 1

    def totals(ends: Counts) -> Counts:
        result = np.zeros((rows, len(history.codes)), np.int64)
        result[1:] = np.cumsum(ends, axis=0)[bins - 1 :: bins][: rows - 1]
        return result

    present = np.ones(rows, np.bool_)
    present[1:] = history.scraped[bins - 1 :: bins][: rows - 1]
    counters = Counters(
        history.system,
        history.start,
        STEP,
        history.codes,
        totals(history.ends),
        present,
        totals(history.repeats if users else np.zeros_like(history.repeats)),
    )
    best = {
        incident: seen_after(history, incident, system)
        for incident in history.incidents
        if incident.expects != "nothing"
    }
    return Trial(system, counters, best)


_taxonomy = cache(load_taxonomy)
_groups = cache(load_rules)


def scored(
    case: tuple[str, float, int], users: bool, rules: Path, families: Sequence[str]
) -> dict[str, Score]:
    """Each family's score on the histories of a case's name, volume and seed, or on a recording."""
    name, volume, seed = case
    if name in FLIGHTS:
        trials: Iterable[Trial] = [flights(name)]
    elif name not in CASES:
        trials = [recording(Path(name))]
    else:
        trials = (trial(history, users) for history in CASES[name].histories(volume, seed))
    result = {family: Score() for family in families}
    for item in trials:
        plain = Plain(item.counters, item.system)
        for family, score in result.items():
            if family == OURS:
                alarms = ours(item.counters, item.system, _groups(rules))
            else:
                alarms = list(OTHERS[family](plain))
            score.add(score_of(item, alarms))
    return result


def cases(
    names: Iterable[str],
    seeds: Sequence[int],
    families: Sequence[str] = (OURS,),
    rules: Path | None = None,
    users: bool = False,
    volumes: Sequence[float] = (),
) -> dict[tuple[str, str, float], Score]:
    """Scores by case, family and volume, all seeds together; `volumes` instead of the cases' own.

    A name is that of a case, of a half-year of flights, or a path; the last two have volume and seed 0.
    """
    wanted: list[tuple[str, float, int]] = []
    for name in names:
        if name in CASES:
            wanted += product([name], volumes or CASES[name].volumes, seeds)
        else:
            wanted.append((name, 0, 0))
    result = {(name, family, volume): Score() for family in families for name, volume, _ in wanted}
    here = partial(scored, users=users, rules=rules or RULES, families=tuple(families))
    with ProcessPoolExecutor() as pool:
        for (name, volume, _), by_family in zip(wanted, pool.map(here, wanted), strict=True):
            for family, score in by_family.items():
                result[name, family, volume].add(score)
    order = {name: number for number, (name, *_) in enumerate(wanted)}
    return dict(sorted(result.items(), key=lambda item: order[item[0][0]]))
