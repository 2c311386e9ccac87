"""What a run wrote against what promtool wrote."""

import numpy as np

from exporter.promql.run import Run
from tests.promql.dumped import Dump


def compared(run: Run, theirs: Dump) -> list[str]:
    """All differences at all of promtool's instants, scraped series included."""
    everything = run.query('{__name__=~".+"}', theirs)
    rows = {frozenset(labels): row for row, labels in enumerate(everything.labels)}
    assert len(rows) == len(everything.labels)
    found = []
    for place, (at, series) in enumerate(theirs.items()):
        here = {key for key, row in rows.items() if everything.present[row, place]}
        found += [f"{at} s: only here: {dict(key)}" for key in here - series.keys()]
        found += [f"{at} s: only in promtool: {dict(key)}" for key in series.keys() - here]
        for key in here & series.keys():
            ours, other = everything.values[rows[key], place], series[key]
            if not np.isclose(ours, other, rtol=1e-9, atol=1e-9, equal_nan=True):
                found.append(f"{at} s: {dict(key)}: {ours}, in promtool {other}")
    return found
