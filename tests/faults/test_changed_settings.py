"""Row 36 of the fault table, with some events."""

from tests.faults.changed_settings import change_settings, changed_settings

_PATCH = """
from dataclasses import replace
from xxhash import xxh3_64_intdigest
from exporter.ingest.resolver import Resolver
resolve = Resolver.__missing__
def resolve_by_settings(self, spelling):
    resolved = resolve(self, spelling)
    self[spelling] = resolved = replace(resolved, {})
    return resolved
Resolver.__missing__ = resolve_by_settings
"""
PRINT_OF_SERIES = _PATCH.format('seed=xxh3_64_intdigest("".join(resolved.series.key).encode())')
KEY_OF_RESOLVED_CODE = _PATCH.format("normalized=resolved.unknown or resolved.code")


def test_a_retry_after_the_settings_changed_is_a_duplicate(tmp_path):
    """Fails on each mutant below."""
    assert "40 duplicates; 40 counted" in changed_settings(tmp_path, quick=True)


def test_a_retry_is_a_conflict_when_the_fingerprint_is_of_the_series(tmp_path):
    """The mutant: the series has the category and the label values that the settings decided."""
    found = change_settings(tmp_path, 40, PRINT_OF_SERIES)
    assert not found.holds
    assert found.retries["conflict"] > 0


def test_a_retry_counts_twice_when_the_key_has_the_resolved_code(tmp_path):
    """The mutant: an alias that moved makes another key of an event without an id."""
    found = change_settings(tmp_path, 40, KEY_OF_RESOLVED_CODE)
    assert found.counted > found.sent
