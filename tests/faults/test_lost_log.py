"""A log that can't be written changes nothing, and is counted."""

import pytest

from tests.faults.lost_log import (
    GREETING_NEEDED,
    LOG_RAISES,
    STATE_LAST,
    STREAM_KEPT,
    STREAMS,
    silence,
)

ROUNDS = 5


@pytest.mark.parametrize("stream", STREAMS)
def test_an_exporter_without_a_stream_serves_and_ends_as_ever(tmp_path, stream):
    """Fails when a log call raises (mutant `LOG_RAISES`), when the ledger logs before it is broken
    (`STATE_LAST`), when Python flushes stderr at exit (`STREAM_KEPT`), and when the greeting is needed
    (`GREETING_NEEDED`)."""
    _check(tmp_path, stream)


def _check(folder, stream, mutant=""):
    found = silence(folder, stream, ROUNDS, mutant)
    assert (found.accepted, found.counted, found.refused) == (ROUNDS, ROUNDS, ROUNDS)
    assert found.code == 1, "the ledger was taken away"
    assert (found.lost > 0) is stream.startswith("stderr")


@pytest.mark.parametrize(
    ("stream", "mutant"),
    [
        ("stderr on a full disk", LOG_RAISES),
        ("stderr on a full disk", STATE_LAST),
        ("stderr on a full disk", STREAM_KEPT),
        ("stdout on a full disk", GREETING_NEEDED),
    ],
    ids=["log raises", "state last", "stream kept", "greeting needed"],
)
def test_without_the_guards_an_exporter_without_a_stream_is_seen_to_fail(tmp_path, stream, mutant):
    with pytest.raises(AssertionError):
        _check(tmp_path, stream, mutant)
