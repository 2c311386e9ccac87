"""What a run wrote against what promtool wrote."""

import math

from exporter.promql.run import Run
from tests.promql.dumped import Dump


def compared(run: Run, theirs: Dump) -> list[str]:
    """All differences at all of promtool's instants, scraped series included."""
    everything = run.query('{__name__=~".+"}', theirs)
    rows = {frozenset(labels): row for row, labels in enumerate(everything.labels)}
    assert len(rows) == len(everything.labels)
    differences = []
    for place, (at, series) in enumerate(theirs.items()):
        here = {key for key, row in rows.items() if everything.present[row, place]}
        differences += [f"{at} s: only here: {dict(key)}" for key in here - series.keys()]
        differences += [f"{at} s: only in promtool: {dict(key)}" for key in series.keys() - here]
        for key in here & series.keys():
            ours, other = everything.values[rows[key], place], series[key]
            if not same(float(ours), other):
                differences.append(f"{at} s: {dict(key)}: {ours}, in promtool {other}")
    return differences


def same(ours: float, other: float) -> bool:
    """Equal but for rounding; NaN is NaN."""
    return math.isclose(ours, other, rel_tol=1e-9, abs_tol=1e-9) or (
        math.isnan(ours) and math.isnan(other)
    )
