"""Quantiles: of the values in sliding windows, of groups of series, and of classic histograms."""

from bisect import bisect_left, insort

import numpy as np

from exporter.promql.value import Flags, Floats, Indexes


def of_windows(values: Floats, low: Indexes, high: Indexes, quantile: Floats) -> Floats:
    """The quantile of `values[low[i]:high[i]]` at each i, interpolated as in Prometheus.

    `low` and `high` ascend. NaN is the smallest value.
    """
    if not len(values):
        return np.full(len(low), np.nan)
    order = np.lexsort((values, ~np.isnan(values)))
    ranks = np.argsort(order).tolist()
    window: list[int] = []
    begin = end = 0
    below, above, weights = [], [], []
    for first, last, wanted in zip(low.tolist(), high.tolist(), quantile.tolist(), strict=True):
        for rank in ranks[end:last]:
            insort(window, rank)
        for rank in ranks[begin:first]:
            del window[bisect_left(window, rank)]
        begin, end = first, last
        position = max(len(window) - 1, 0) * (wanted if 0 <= wanted <= 1 else 0.0)
        lower = int(position)
        below.append(window[lower] if window else 0)
        above.append(window[min(lower + 1, len(window) - 1)] if window else 0)
        weights.append(position - lower)
    return _interpolated(values[order[below]], values[order[above]], np.array(weights), quantile)


def of_rows(values: Floats, present: Flags, quantile: Floats) -> Floats:
    """(instants,): the quantile of the rows that are present at each instant. NaN is the smallest."""
    order = np.lexsort((values, np.where(present, ~np.isnan(values), 2)), axis=0)
    ordered = np.take_along_axis(values, order, axis=0)
    last = np.maximum(present.sum(axis=0) - 1, 0)
    position = np.where((quantile >= 0) & (quantile <= 1), quantile, 0.0) * last
    lower = np.floor(position).astype(np.intp)
    below = np.take_along_axis(ordered, lower[np.newaxis], axis=0)[0]
    above = np.take_along_axis(ordered, np.minimum(lower + 1, last)[np.newaxis], axis=0)[0]
    return _interpolated(below, above, position - lower, quantile)


def _interpolated(below: Floats, above: Floats, weight: Floats, quantile: Floats) -> Floats:
    return _outside(below * (1 - weight) + above * weight, quantile)


def _outside(values: Floats, quantile: Floats) -> Floats:
    """A quantile below 0 is -Inf, above 1 it is +Inf, and NaN is NaN."""
    values = np.where(quantile < 0, -np.inf, np.where(quantile > 1, np.inf, values))
    return np.where(np.isnan(quantile), np.nan, values)


def of_buckets(bounds: Floats, counts: Floats, present: Flags, quantile: Floats) -> Floats:
    """(instants,): the quantile of a classic histogram with a row per bucket, bounds ascending.

    As `bucketQuantile` of Prometheus: linear within a bucket, NaN without a bucket +Inf.
    """
    result = np.full(counts.shape[1], np.nan)
    # Buckets appear and disappear together: there are few different sets of them.
    sets, members = np.unique(np.packbits(present, axis=0), axis=1, return_inverse=True)
    for number in range(sets.shape[1]):
        columns = np.flatnonzero(members.reshape(-1) == number)
        rows = np.flatnonzero(present[:, columns[0]])
        if len(rows) and np.isposinf(bounds[rows[-1]]):
            part = counts[np.ix_(rows, columns)]
            result[columns] = _of_full_buckets(bounds[rows], part, quantile[columns])
    return _outside(result, quantile)


def _of_full_buckets(bounds: Floats, counts: Floats, quantile: Floats) -> Floats:
    # Equal bounds with different spellings are one bucket.
    edges = np.flatnonzero(np.append(True, bounds[1:] != bounds[:-1]))
    bounds, counts = bounds[edges], np.add.reduceat(counts, edges, axis=0)
    if len(bounds) < 2:
        return np.full(counts.shape[1], np.nan)
    counts = np.maximum.accumulate(counts, axis=0)
    rank = quantile * counts[-1]
    bucket = (counts[:-1] < rank).sum(axis=0)
    column = np.arange(counts.shape[1])
    start = np.where(bucket > 0, bounds[bucket - 1], 0.0)
    before = np.where(bucket > 0, counts[bucket - 1, column], 0.0)
    inside = start + (bounds[bucket] - start) * (rank - before) / (counts[bucket, column] - before)
    inside = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], inside)
    inside = np.where(bucket == len(bounds) - 1, bounds[-2], inside)
    return np.where(counts[-1] == 0, np.nan, inside)
