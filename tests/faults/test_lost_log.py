"""A log that can't be written changes nothing, and is counted."""

import pytest

from tests.faults.lost_log import GREETING_NEEDED, LOG_RAISES, STREAMS, WORDS_FIRST, silence

ROUNDS = 5


@pytest.mark.parametrize("stream", STREAMS)
def test_an_exporter_without_a_stream_serves_and_ends_as_ever(tmp_path, stream):
    """Fails when a log call raises (mutant `LOG_RAISES`), when the ledger logs before it says that it is
    broken (`WORDS_FIRST`), and when the greeting is needed (`GREETING_NEEDED`)."""
    found = silence(tmp_path, stream, ROUNDS)
    assert (found.accepted, found.counted, found.refused) == (ROUNDS, ROUNDS, ROUNDS)
    assert found.code == 1, "the ledger was taken away"
    assert (found.lost > 0) is stream.startswith("stderr")


@pytest.mark.parametrize(
    ("stream", "mutant"),
    [
        ("stderr on a full disk", LOG_RAISES),
        ("stderr on a full disk", WORDS_FIRST),
        ("stdout on a full disk", GREETING_NEEDED),
    ],
    ids=["log raises", "words first", "greeting needed"],
)
def test_without_the_guards_an_exporter_without_a_stream_is_seen_to_fail(tmp_path, stream, mutant):
    with pytest.raises(AssertionError):
        silence(tmp_path, stream, ROUNDS, mutant)
