"""What a Prometheus sees: nothing is lost by scrapes that fail and exporters that restart."""

import numpy as np

from exporter.simulate.scrapes import LONGEST_RESTART, scrape
from exporter.simulate.traffic import Traffic

STEP = 15.0
BINS = 5760


def numbered() -> np.ndarray:
    """A day's ends, every bin another number."""
    return np.stack([np.arange(1, BINS + 1), np.arange(BINS) % 7], axis=1)


def test_restarts_move_ends_to_the_first_bin_after_them_and_lose_none() -> None:
    """Fails when the ends of a restart are dropped or stay where nothing was counted."""
    ends, traffic = numbered(), Traffic(p_missed_scrape=0.0, restarts_per_day=40.0)
    scraped = scrape(ends, STEP, traffic, np.random.default_rng(1))
    missed = np.flatnonzero(~scraped)
    assert len(missed) >= 20
    assert ends.sum(axis=0).tolist() == numbered().sum(axis=0).tolist()
    caught_up = [at for at in range(1, BINS) if scraped[at] and not scraped[at - 1]]
    assert all(ends[at, 0] > numbered()[at, 0] for at in caught_up)
    runs = np.diff(np.flatnonzero(np.concatenate(([True], scraped, [True])))) - 1
    assert set(runs) >= set(range(LONGEST_RESTART + 1))


def test_a_scrape_that_fails_changes_no_counts() -> None:
    ends = numbered()
    traffic = Traffic(p_missed_scrape=0.1, restarts_per_day=0.0)
    scraped = scrape(ends, STEP, traffic, np.random.default_rng(1))
    assert (ends == numbered()).all()
    # Binomial: five standard deviations of 5,760 draws at 0.1.
    assert abs((~scraped).sum() - 576) < 5 * np.sqrt(BINS * 0.1 * 0.9)


def test_a_history_shorter_than_a_restart_is_left_as_it_is() -> None:
    ends = numbered()[:1]
    traffic = Traffic(p_missed_scrape=0.0, restarts_per_day=100.0)
    assert all(
        scrape(ends, STEP * 400, traffic, np.random.default_rng(seed)).all() for seed in range(20)
    )
    assert ends.tolist() == [[1, 0]]
