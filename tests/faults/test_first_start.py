from tests.faults.first_start import kill_creations, kill_first_starts


def test_a_ledger_whose_creation_was_killed_is_clean_at_the_next_start(tmp_path):
    """Fails when the file is created under its name (mutant `in_place` in the next test)."""
    found = kill_creations(tmp_path, 60)
    assert found.kills == 60
    assert found.unfinished, "no kill hit a creation"
    assert (found.damaged, found.leftovers) == (0, 0)


def test_a_ledger_created_under_its_name_is_found_damaged_after_a_kill(tmp_path):
    assert kill_creations(tmp_path, 100, in_place=True).damaged


def test_an_exporter_killed_at_its_first_start_is_ready_after_the_next(tmp_path):
    found = kill_first_starts(tmp_path, 3)
    assert (found.kills, found.damaged, found.leftovers) == (3, 0, 0)
