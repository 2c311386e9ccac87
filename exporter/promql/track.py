"""What a rule wrote so far, while it reads its own results."""

import numpy as np

from exporter.promql.samples import Samples
from exporter.promql.value import Flags, Labels, Times


class Track:
    """Columns are the rule's evaluations, of which the first ones are known; rows come as they appear."""

    def __init__(self, times: Times) -> None:
        self.times = times
        self.failed = np.zeros(len(times), np.bool_)
        self._rows: dict[Labels, int] = {}
        self._values = np.zeros((0, len(times)))
        self._present = np.zeros((0, len(times)), np.bool_)

    def put(self, part: slice, written: Samples, failed: Flags) -> int | None:
        """Writes columns; the first of them, counted from the part's, that is not what it was before."""
        places = [self._row(row) for row in written.labels]
        new = np.zeros((len(self._rows), len(failed)))
        there = np.zeros(new.shape, np.bool_)
        there[places] = written.present
        new[places] = np.where(written.present, written.values, 0.0)
        before, was = self._values[:, part], self._present[:, part]
        same = (there == was) & ((new == before) | ~there | (np.isnan(new) & np.isnan(before)))
        different = np.flatnonzero(~same.all(axis=0) | (self.failed[part] != failed))
        self._values[:, part], self._present[:, part] = new, there
        self.failed[part] = failed
        return int(different[0]) if len(different) else None

    def carry(self, part: slice) -> None:
        """Assumes that the columns of `part` are as the column before."""
        if part.start > 0:
            self._values[:, part] = self._values[:, part.start - 1, np.newaxis]
            self._present[:, part] = self._present[:, part.start - 1, np.newaxis]

    def samples(self, part: slice) -> Samples:
        present = self._present[:, part]
        return Samples(
            self.times[part],
            tuple(self._rows),
            self._values[:, part],
            present,
            ~present & ~self.failed[part],
        )

    def _row(self, row: Labels) -> int:
        place = self._rows.setdefault(row, len(self._rows))
        if place == len(self._values):
            width = (1, len(self.times))
            self._values = np.concatenate([self._values, np.zeros(width)])
            self._present = np.concatenate([self._present, np.zeros(width, np.bool_)])
        return place
