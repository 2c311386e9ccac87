"""Selectors: the last sample at each instant, and the samples of a range before it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporter.promql.expression import Range, Selector
from exporter.promql.samples import Store, Stored
from exporter.promql.value import Flags, Floats, Labels, Rows, Times, Vector, take
from exporter.promql.windows import Windows

LOOKBACK: Final = 5 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """`left_open`: a range and the lookback are without their first instant, as from Prometheus 3 on; all
    else is as in 2.42. `subquery_step`: of a subquery that gives none. In milliseconds."""

    left_open: bool = False
    lookback: int = LOOKBACK
    subquery_step: int = 60_000


@dataclass(frozen=True, slots=True)
class Instants:
    """The instants of an evaluation.

    `place` is the rule's among all rules. `now` are the rule's own evaluation times, which are later than
    `at` in a subquery. No sample is visible that is written later: after `now`, or at `now` by a rule at
    the same or a later place. None when all samples are visible.
    """

    at: Times
    now: Times | None = None
    place: int = 0

    def visible(self, stored: Stored, wanted: Times) -> Times:
        """The latest time of a visible sample for each wanted time."""
        if self.now is None:
            return wanted
        return np.minimum(wanted, self.now - (1 if stored.place >= self.place else 0))


def reference(selector_at: int | None, offset: int, at: Times) -> Times:
    """The time that a selector looks back from, at each instant."""
    return np.asarray((at if selector_at is None else np.full_like(at, selector_at)) - offset)


def instant(store: Store, selector: Selector, instants: Instants, settings: Settings) -> Vector:
    """The last sample of each series within the lookback, unless a stale marker came after it."""
    return _concatenated(
        [
            (stored.samples.labels, *_last(stored, selector, instants, settings)[:2])
            for stored in store.select(selector)
        ],
        len(instants.at),
    )


def timestamps(store: Store, selector: Selector, instants: Instants, settings: Settings) -> Vector:
    """The Unix time of these samples instead of their values."""
    parts = []
    for stored in store.select(selector):
        _, present, places = _last(stored, selector, instants, settings)
        times = np.broadcast_to(stored.samples.times[places] / 1000, present.shape)
        parts.append((stored.samples.labels, times, present))
    return _concatenated(parts, len(instants.at))


def ranges(
    store: Store, range_: Range, instants: Instants, settings: Settings
) -> Iterator[Windows]:
    """The samples of each series in the range before each instant, by common timestamps."""
    selector = range_.selector
    end = reference(selector.at, selector.offset, instants.at)
    for stored in store.select(selector):
        limit = instants.visible(stored, end)
        yield Windows.of(stored.samples, end, limit, range_.range, settings.left_open)


def _last(
    stored: Stored, selector: Selector, instants: Instants, settings: Settings
) -> tuple[Floats, Flags, Rows]:
    """Values, where they are, and the place of each among the timestamps."""
    samples = stored.samples
    wanted = reference(selector.at, selector.offset, instants.at)
    limit = instants.visible(stored, wanted)
    if not len(samples.times):
        shape = len(samples.labels), len(wanted)
        return np.zeros(shape), np.zeros(shape, np.bool_), np.zeros(shape, np.intp)
    known = samples.last_known
    if np.array_equal(samples.times, limit):
        if known.shape[0] == 1 and bool((known[0] == np.arange(len(limit))).all()):
            return samples.values, samples.present, known
        places = known
    else:
        column = np.searchsorted(samples.times, limit, side="right") - 1
        places = np.where(column >= 0, known[:, np.maximum(column, 0)], -1)
    age = wanted - samples.times[places]
    fresh = places >= 0
    fresh &= age < settings.lookback if settings.left_open else age <= settings.lookback
    places = np.maximum(places, 0)
    values, present = take(samples.values, places), take(samples.present, places)
    return values, present & fresh, places


def _concatenated(parts: list[tuple[tuple[Labels, ...], Floats, Flags]], count: int) -> Vector:
    if len(parts) == 1:
        return Vector(*parts[0])
    if not parts:
        return Vector((), np.zeros((0, count)), np.zeros((0, count), np.bool_))
    names = tuple(labels for part in parts for labels in part[0])
    return Vector(
        names,
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )
