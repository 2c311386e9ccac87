import pytest

from tests.faults.hanging_disk import SENDERS, UNWATCHED, hang, stop_while_it_hangs


def test_a_disk_that_hangs_is_answered_503_and_counted_once_afterwards(tmp_path):
    """Fails when nothing watches the write (mutant `UNWATCHED` in the next test)."""
    found = hang(tmp_path, 4, patience=30, longest=1)
    assert found.statuses == {503}
    assert found.counted == found.events == SENDERS + 1


def test_without_a_watch_posts_wait_for_as_long_as_the_disk_hangs(tmp_path):
    with pytest.raises(AssertionError, match="8 posts were not answered within 5 s"):
        hang(tmp_path, 4, patience=5, longest=1, mutant=UNWATCHED)


def test_sigterm_while_the_disk_hangs_ends_the_exporter_with_an_error(tmp_path):
    """Fails when `close` waits for the writer's thread, or returns before it called `on_broken`."""
    _, code = stop_while_it_hangs(tmp_path, 1)
    assert code == 1
