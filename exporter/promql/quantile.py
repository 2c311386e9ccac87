"""Quantiles: of the values in sliding windows, of groups of series, and of classic histograms."""

from bisect import bisect_left, insort

import numpy as np

from exporter.promql.value import Flags, Floats, Rows


def interpolated(values: Floats, low: Rows, high: Rows, quantile: Floats) -> Floats:
    """The quantile of `values[low[i]:high[i]]` at each i, as Prometheus interpolates it; `low` and `high`
    ascend. NaN counts as the smallest value."""
    order = np.lexsort((values, ~np.isnan(values)))
    ranks = np.empty(len(values), np.intp)
    ranks[order] = np.arange(len(values))
    ranked = ranks.tolist()
    window: list[int] = []
    begin = end = 0
    below, above, weights = [], [], []
    for first, last, wanted in zip(low.tolist(), high.tolist(), quantile.tolist(), strict=True):
        if first >= end:
            window, begin, end = [], first, first
        for rank in ranked[end:last]:
            insort(window, rank)
        for rank in ranked[begin:first]:
            del window[bisect_left(window, rank)]
        begin, end = first, max(end, last)
        lower, upper, weight = position(wanted, len(window))
        below.append(window[lower] if window else 0)
        above.append(window[upper] if window else 0)
        weights.append(weight)
    if not len(values):
        return np.full(len(low), np.nan)
    shares = np.array(weights)
    result = values[order[below]] * (1 - shares) + values[order[above]] * shares
    return outside(result, quantile)


def position(quantile: float, count: int) -> tuple[int, int, float]:
    """The places between which a quantile lies, and the weight of the second."""
    if not 0 <= quantile <= 1 or not count:
        return 0, 0, 0.0
    rank = quantile * (count - 1)
    lower = int(rank)
    return lower, min(count - 1, lower + 1), rank - lower


def outside(values: Floats, quantile: Floats) -> Floats:
    """A quantile below 0 is -Inf, above 1 +Inf, and of NaN NaN."""
    values = np.where(quantile < 0, -np.inf, np.where(quantile > 1, np.inf, values))
    return np.where(np.isnan(quantile), np.nan, values)


def of_rows(values: Floats, present: Flags, quantile: Floats) -> Floats:
    """(instants,): the quantile of the rows that are present at each instant; NaN sorts first."""
    count = present.sum(axis=0)
    smallest = np.where(np.isnan(values), 0, 1)
    keys = np.where(present, smallest, 2)
    order = np.lexsort((values, keys), axis=0)
    rank = np.where((quantile >= 0) & (quantile <= 1), quantile, 0.0) * np.maximum(count - 1, 0)
    lower = np.floor(rank).astype(np.intp)
    upper = np.minimum(np.maximum(count - 1, 0), lower + 1)
    weight = rank - lower
    ordered = np.take_along_axis(values, order, axis=0)
    both = (np.take_along_axis(ordered, place[np.newaxis], axis=0)[0] for place in (lower, upper))
    below, above = both
    return outside(below * (1 - weight) + above * weight, quantile)


def of_buckets(bounds: Floats, counts: Floats, present: Flags, quantile: Floats) -> Floats:
    """(instants,): the quantile of a classic histogram with a row per bucket, bounds ascending.

    `bucketQuantile`: linear within the bucket. NaN without a bucket +Inf.
    """
    result = np.full(counts.shape[1], np.nan)
    # Buckets come and go together: there are few different sets of them.
    packed = np.packbits(present, axis=0)
    sets, which = np.unique(packed, axis=1, return_inverse=True)
    for number in range(sets.shape[1]):
        columns = np.flatnonzero(which.reshape(-1) == number)
        rows = np.flatnonzero(present[:, columns[0]])
        result[columns] = _same_buckets(
            bounds[rows], counts[np.ix_(rows, columns)], quantile[columns]
        )
    return result


def _same_buckets(bounds: Floats, counts: Floats, quantile: Floats) -> Floats:
    none = np.full(counts.shape[1], np.nan)
    if not len(bounds) or not np.isposinf(bounds[-1]):
        return outside(none, quantile)
    # Equal bounds, written in different ways, are one bucket.
    edges = np.flatnonzero(np.append(True, bounds[1:] != bounds[:-1]))
    bounds, counts = bounds[edges], np.add.reduceat(counts, edges, axis=0)
    if len(bounds) < 2:
        return outside(none, quantile)
    counts = np.maximum.accumulate(counts, axis=0)
    rank = quantile * counts[-1]
    bucket = (counts[:-1] < rank).sum(axis=0)
    column = np.arange(counts.shape[1])
    start = np.where(bucket > 0, bounds[np.maximum(bucket - 1, 0)], 0.0)
    before = np.where(bucket > 0, counts[np.maximum(bucket - 1, 0), column], 0.0)
    count = counts[bucket, column] - before
    inside = start + (bounds[bucket] - start) * ((rank - before) / count)
    inside = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], inside)
    inside = np.where(bucket == len(bounds) - 1, bounds[-2], inside)
    return outside(np.where(counts[-1] == 0, np.nan, inside), quantile)
