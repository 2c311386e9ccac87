"""The changes that an incident can make to its bins."""

import numpy as np
import pytest

from exporter.simulate.window import Window

STEP = 15.0


def window(*rates: float, codes: tuple[int, ...] = (2,)) -> Window:
    """Four bins with two successes and then other codes."""
    seconds = (np.arange(4) + 0.5) * STEP
    grid = np.tile(np.array(rates), (4, 1))
    return Window(
        times=1e9 + seconds,
        seconds=seconds,
        step=STEP,
        length=60.0,
        rates=grid,
        exact=np.zeros(grid.shape, dtype=np.int64),
        repeats=np.zeros(grid.shape, dtype=np.int64),
        codes=codes,
        successes=(0, 1),
        load=np.ones_like,
        random=np.random.default_rng(1),
    )


@pytest.mark.parametrize(
    ("before", "codes", "share", "after"),
    [
        ((60, 30, 4, 6), (2,), 0.34, (40, 20, 34, 6)),
        ((60, 30, 4, 6), (2, 3), 0.4, (40, 20, 19, 21)),
        ((60, 30, 4, 6), (2,), 0.01, (60, 30, 4, 6)),
        ((6, 3, 1, 90), (2,), 0.5, (0, 0, 10, 90)),
        ((0, 0, 0, 0), (2,), 0.5, (0, 0, 0, 0)),
    ],
    ids=["proportional", "two codes", "higher already", "few successes", "no traffic"],
)
def test_set_share_replaces_successes(
    before: tuple[float, ...], codes: tuple[int, ...], share: float, after: tuple[float, ...]
) -> None:
    changed = window(*map(float, before), codes=codes)
    changed.set_share(share)
    assert changed.rates[0] == pytest.approx(after)


def test_multiply_share_keeps_the_number_of_ends() -> None:
    changed = window(60.0, 30.0, 4.0, 6.0)
    changed.multiply_share(np.array([1.0, 2.0, 2.5, 1.0]))
    assert changed.rates[:, 2] == pytest.approx([4.0, 8.0, 10.0, 4.0])
    assert changed.rates.sum(axis=1) == pytest.approx([100.0] * 4)
