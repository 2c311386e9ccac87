"""The share of each code that is usual: a day's share, and its median over a week of snapshots."""

from bisect import bisect_left, insort
from collections import deque

import numpy as np

from exporter.backtest.counters import Floats
from exporter.backtest.schedule import Schedule
from exporter.policy.model import Baseline


def usual_share(day: Floats, schedule: Schedule, policy: Baseline, step: int) -> Floats:
    """(baseline's rows, codes): `system_code:session_ends:share`.

    `day`, (rows of the long group, codes), is each code's increase in a day, of all codes; `step` is the
    seconds between rows.
    """
    baseline, snapshots = schedule.baseline, schedule.snapshots
    counts = schedule.long.at(day, baseline.rows)
    ends = counts.sum(axis=1, keepdims=True)
    share = (policy.prior_count + counts) / (policy.prior_ends + ends)
    taken = baseline.before(share, snapshots.rows)
    span = policy.median_window.seconds // (snapshots.every * step)
    medians = np.stack([_medians(column, span) for column in taken.T], axis=1)
    known = snapshots.at(medians, baseline.rows)
    return np.where(np.isnan(known), share, known)


def _medians(values: Floats, span: int) -> Floats:
    """Of each value and the `span` before it, NaN left out: both ends of a range of Prometheus 2 count."""
    ordered: list[float] = []
    window: deque[float] = deque()
    found = np.full(len(values), np.nan)
    for place, value in enumerate(values.tolist()):
        window.append(value)
        if value == value:  # noqa: PLR0124 (not NaN, a hundred times faster than numpy's)
            insort(ordered, value)
        if len(window) > span + 1:
            gone = window.popleft()
            if gone == gone:  # noqa: PLR0124
                del ordered[bisect_left(ordered, gone)]
        if ordered:
            half = len(ordered) // 2
            found[place] = (ordered[half] + ordered[~half]) / 2
    return found
