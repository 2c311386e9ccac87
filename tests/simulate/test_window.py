"""What an incident's function can do to its bins: the number of ends stays unless it says otherwise."""

from typing import Any

import numpy as np
import pytest

from exporter.simulate.traffic import Traffic
from exporter.simulate.window import Window

STEP = 15.0


def window(*rates: float, codes: tuple[int, ...] = (2,), length: float = 60.0) -> Window:
    """Four bins, two successes and then others; a length beyond a minute is of an incident cut short."""
    seconds = (np.arange(4) + 0.5) * STEP
    grid = np.tile(np.array(rates), (4, 1))
    parts: dict[str, Any] = {"codes": codes, "successes": (0, 1), "traffic": Traffic()}
    return Window(
        times=1e9 + seconds,
        seconds=seconds,
        step=STEP,
        length=length,
        rates=grid,
        exact=np.zeros(grid.shape, dtype=np.int64),
        random=np.random.default_rng(1),
        **parts,
    )


def test_taking_a_share_comes_from_successes_in_proportion() -> None:
    one = window(60.0, 30.0, 4.0, 6.0)
    one.take(0.34)
    assert one.rates[0] == pytest.approx([40.0, 20.0, 34.0, 6.0])
    two = window(60.0, 30.0, 4.0, 6.0, codes=(2, 3))
    two.take(0.4)
    assert two.rates[0] == pytest.approx([40.0, 20.0, 19.0, 21.0])


def test_taking_what_is_there_already_changes_nothing() -> None:
    """Fails when a small incident mends a code that has more than its share."""
    one = window(60.0, 30.0, 4.0, 6.0)
    one.take(0.01)
    assert one.rates[0] == pytest.approx([60.0, 30.0, 4.0, 6.0])


def test_taking_more_than_succeeds_leaves_no_success_and_nothing_below_zero() -> None:
    one = window(6.0, 3.0, 1.0, 90.0)
    one.take(0.5)
    assert one.rates[0] == pytest.approx([0.0, 0.0, 10.0, 90.0])
    none = window(0.0, 0.0, 0.0, 0.0)
    none.take(0.5)
    assert not none.rates.any()


def test_growing_multiplies_a_codes_own_share() -> None:
    one = window(60.0, 30.0, 4.0, 6.0)
    one.grow(np.array([1.0, 2.0, 2.5, 1.0]))
    assert one.rates[:, 2] == pytest.approx([4.0, 8.0, 10.0, 4.0])
    assert one.rates.sum(axis=1) == pytest.approx([100.0] * 4)


def test_adding_is_on_top_and_scaling_is_of_all_or_of_successes() -> None:
    one = window(60.0, 30.0, 4.0, 6.0)
    one.add(0.5)
    assert one.rates[0] == pytest.approx([60.0, 30.0, 54.0, 6.0])
    one.scale_successes(2.0)
    assert one.rates[0] == pytest.approx([120.0, 60.0, 54.0, 6.0])
    one.scale(np.array([0.5, 1.0, 1.0, 0.0]))
    assert one.rates[:, 3] == pytest.approx([3.0, 6.0, 6.0, 0.0])


def test_a_burst_is_exact_and_stays_within_the_window() -> None:
    one = window(60.0, 30.0, 4.0, 6.0)
    one.burst(3, 40, 30.0)
    assert one.exact[:, 3].tolist() == [20, 20, 0, 0]
    one.burst(3, 8, 120.0)
    assert one.exact.sum() == 48
    assert one.rates[0] == pytest.approx([60.0, 30.0, 4.0, 6.0])


def test_progress_and_slopes_are_of_the_whole_incident_even_when_it_is_cut() -> None:
    whole, cut = window(1.0, 1.0, 1.0, length=60.0), window(1.0, 1.0, 1.0, length=120.0)
    assert whole.progress == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert cut.progress == pytest.approx(whole.progress / 2)
    assert whole.slopes(15.0) == pytest.approx([0.5, 1.0, 1.0, 0.5])
    assert cut.slopes(15.0) == pytest.approx([0.5, 1.0, 1.0, 1.0])
