from tests.faults.kills import end_under_load


def test_fifty_kills_under_load_lose_and_double_nothing(tmp_path):
    """Fails when the answer goes out before the commit (mutant `ANSWER_FIRST` in the next test)."""
    outcome = end_under_load(tmp_path, 50, graceful=False)
    assert outcome.counted == outcome.events
    assert outcome.retries > 0, "no sender was ever cut off: the kills hit nothing"


def test_sigterm_under_load_drains_and_loses_nothing(tmp_path):
    """The five seconds are held in `make faults`; each stop here ends within the limit of `stop`."""
    outcome = end_under_load(tmp_path, 5, graceful=True)
    assert outcome.counted == outcome.events
