"""Hours of an exporter's series in which every kind of alert on session ends can fire."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from exporter.promql.samples import Samples
from exporter.promql.value import Floats
from tests.rules.series import CODES, code_texts, ends, parsed, scraped

STEP = 30
INSTANCES = ("exporter:1", "exporter:2")


def eventful(codes: Mapping[str, Sequence[str]], seed: int, rows: int) -> list[Samples]:
    """Outages, new codes, a stop, failed scrapes and a growing queue.

    The second replica restarts from zero and is absent for a while. `codes` are the codes of each system:
    the first is the normal code, the last a new one.
    """
    random = np.random.default_rng(seed)
    times = np.arange(rows, dtype=np.int64) * STEP * 1000
    present = np.ones((2, rows), np.bool_)
    for scrapes in present:
        for start in random.integers(20, rows, 12):
            scrapes[start : start + random.integers(1, 4)] = False
    present[1, rows // 2 : rows // 2 + 50] = False
    result: list[Samples] = []

    def add(series: str, values: Floats) -> None:
        row = parsed(series)
        scrapes = present[INSTANCES.index(dict(row)["instance"])]
        result.append(Samples.of(times, [row], values[np.newaxis], scrapes[np.newaxis]))

    for system, known in codes.items():
        for place, total in enumerate(_totals(random, len(known), rows)):
            code = CODES[system, known[place]]
            restarted = total.copy()
            restarted[rows // 3 + place :] -= total[rows // 3 + place]
            for instance, counted in zip(INSTANCES, (total, restarted), strict=True):
                add(ends(code, instance=instance), counted)
                for text in code_texts(replace(code, name=f"{code.name} {instance}"), instance):
                    add(text, np.ones(rows))
    for number, instance in enumerate(INSTANCES):
        add(scraped("process_start_time_seconds", instance), np.full(rows, 1000.0 * (number + 1)))
        for system in codes:
            objective = scraped("session_end_objective", instance, system=system)
            add(objective, np.full(rows, 0.995))
        waiting = random.poisson(1.0, rows).astype(np.float64)
        waiting[rows // 6 : rows // 5] += np.arange(rows // 5 - rows // 6)
        queue = scraped("session_queued_users", instance, system="streampixel", project="shop")
        add(queue, waiting)
    return result


def _totals(random: np.random.Generator, codes: int, rows: int) -> Floats:
    """(codes, rows): counters of ends."""
    rates = np.full((codes, rows), 0.05)
    rates[0] = 12.0
    rates[-1] = 0.0
    for begin, end, code, rate in (
        (0.34, 0.41, 1, 6.0),
        (0.34, 0.41, 2, 1.0),
        (0.57, 0.75, 3, 0.7),
        (0.68, 0.75, -1, 0.2),
        (0.76, 0.88, slice(None), 0.0),
    ):
        rates[code, int(begin * rows) : int(end * rows)] = rate
    return np.cumsum(random.poisson(rates), axis=1).astype(np.float64)
