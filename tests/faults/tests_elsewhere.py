"""Rows of the fault table that are tested in other packages."""

from typing import Final

from tests.faults.table import Mutant, patched, row_of_tests

_LEDGER: Final = "tests/ledger/test_"
_HISTORIES: Final = f"{_LEDGER}stateful.py"
_FAILURES: Final = f"{_LEDGER}redis_failures.py::test_"
_CLUSTER: Final = f"{_LEDGER}redis_cluster.py::test_"
_CERTIFICATES: Final = "tests/server/test_certificates.py::test_"
_HUGE: Final = "1.7e308"
_RESOLVED: Final = """
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
# The series contains the category and the label values that follow from the settings.
_FINGERPRINT_OF_SERIES: Final = _RESOLVED.format(
    'seed=xxh3_64_intdigest("".join(resolved.series.key).encode())'
)
# With an alias that moved, an event without an id gets another key.
_KEY_OF_CODE: Final = _RESOLVED.format("normalized=resolved.unknown or resolved.code")


FSYNC: Final = row_of_tests(
    4,
    "fsync error",
    "50 points, a retry counts once",
    _LEDGER + "faults.py::test_failed_fsync_breaks_the_ledger_and_a_retry_counts_once",
    full="each of 50 fsyncs failed once; each id counted once",
)
DAMAGE: Final = row_of_tests(
    6,
    "flips and truncations",
    "1,000, never a silent zero",
    _LEDGER + "recovery.py::test_flipped_bit_or_cut_file_loses_nothing_or_is_moved_aside",
    full="3 × 1,000: nothing lost, or moved aside and named",
)
CONFLICTS: Final = row_of_tests(
    9,
    "same id, other payload",
    "first wins, `conflict`",
    _HISTORIES,
    _LEDGER + "contract.py::test_id_with_other_content_is_a_conflict_and_the_first_wins",
    "tests/ingest/test_pipeline.py::test_conflict_is_rejected_at_its_place_and_first_event_stands",
    full="1,000 histories of 40 steps against a dict; 4 ledgers; first wins, conflict",
)
CLOCKS: Final = row_of_tests(
    11,
    "clock jumps ±25 h",
    "no early expiry, no doubles",
    _HISTORIES,
    _LEDGER + "contract.py::test_jump_of_the_wall_clock_expires_nothing",
    full="1,000 histories of 40 steps with jumps; 4 ledgers, both ways: nothing expired, 0 doubles",
)
HEADERS: Final = row_of_tests(
    13,
    "header flood",
    "431 or closed; memory + ≤ 32 MiB",
    "tests/server/test_header_flood.py",
    full="5 × 40 MiB, two ways: memory + ≤ 32 MiB",
)
NOTIFICATIONS: Final = row_of_tests(
    19,
    "event text in notifications",
    "inert",
    "tests/alertmanager/test_texts.py::test_hostile_text_is_inert_in_slack",
    "tests/alertmanager/test_texts.py::test_hostile_text_is_inert_in_a_mail",
    "tests/rules/test_code_texts.py::test_alerts_show_hostile_texts_of_a_taxonomy_unchanged",
    full="links, tags, templates, newlines, bidi: inert in Slack, mail and rules",
)
REDIS: Final = row_of_tests(
    24,
    "Redis: flush, OOM, reshard, timeout",
    "503; a retry is exact",
    _FAILURES + "flushed_scripts_are_loaded_again",
    _FAILURES + "out_of_memory_writes_nothing_and_a_retry_is_exact",
    _FAILURES + "silent_redis_is_503_in_time_and_a_retry_is_exact",
    _FAILURES + "paused_writes_are_503_and_the_problem_precedes_the_log",
    _CLUSTER + "batches_of_a_silent_shard_are_503_and_retries_are_exact",
    _CLUSTER + "slot_moving_under_load_loses_and_doubles_nothing",
)
FILES: Final = row_of_tests(
    28,
    "files deleted or swapped",
    "503 within 1 s, exit",
    _LEDGER + "files.py",
    "tests/deploy/test_docs.py::test_backup_is_restored_in_the_volume_of_a_running_container",
    full="no receipt after a change; the ledger breaks within a second, and the exporter exits",
    mutants=(
        Mutant(
            "comparison of the files",
            "".join(
                patched(f"exporter.ledger.files.OpenFiles.{name}", "lambda self: None")
                for name in ("check", "check_changes")
            ),
            "deleted_file_is_not_shown",
        ),
    ),
)
DURATIONS: Final = row_of_tests(
    32,
    "durations of 1e308",
    "refused, or left out; the sum stays finite",
    "tests/ingest/test_classify.py::test_duration_is_0_to_a_year",
    "tests/ingest/test_classify.py::test_other_durations_are_rejected",
    "tests/beacons/test_decode.py::test_duration_out_of_range_is_ignored_and_counted",
    full="at most a year; of a browser, at most a week",
    mutants=(
        Mutant("bound", patched("exporter.ingest.classify.MAX_DURATION", _HUGE), "_rejected"),
        Mutant(
            "bound of beacons", patched("exporter.beacons.decode.MAX_DURATION", _HUGE), "_ignored"
        ),
    ),
)
CERTIFICATE: Final = row_of_tests(
    34,
    "certificate renewed on disk",
    "served < 60 s, open connections kept",
    _CERTIFICATES + "changed_certificate_is_served_and_open_connections_stay",
    _CERTIFICATES + "unusable_new_certificate_leaves_the_previous_one_in_use",
    full="a whole pair is served at the next check, after 1 s at most; open connections kept",
    mutants=(
        Mutant(
            "watch of the files",
            patched("exporter.watched.RECHECK", "3600")
            # The test waits for a minute otherwise.
            + patched(
                "tests.e2e.exporter_process.wait_for", "lambda ready, *_: original(ready, 3)"
            ),
            "changed_certificate",
        ),
        Mutant(
            "trial of a new pair",
            patched(
                "exporter.server.certificates._new_context",
                "lambda context=original(): context",
            ),
            "unusable_new_certificate",
        ),
    ),
)
HOSTS: Final = row_of_tests(
    35,
    "DNS rebinding: foreign Host, no token",
    "421 on both, nothing counted",
    "tests/server/test_listener.py",
    "tests/e2e/test_serve.py::test_foreign_host_is_answered_on_open_paths_only",
    full="foreign names: 421; own, allowed and open paths: 200",
    mutants=(
        Mutant(
            "check of the host",
            patched("exporter.server.listener.AllowedHosts.check", "lambda *_: None"),
            "foreign_host",
        ),
    ),
)
SETTINGS: Final = row_of_tests(
    36,
    "settings change before a retry",
    "duplicate, not conflict",
    "tests/ingest/test_other_settings.py",
    "tests/ledger/test_other_settings.py",
    full="equal keys and fingerprints under another taxonomy and other labels",
    mutants=(
        Mutant("fingerprint of the sender's words", _FINGERPRINT_OF_SERIES, "test_keys_and"),
        Mutant("key of the sender's words", _KEY_OF_CODE, "test_keys_and"),
    ),
)
LABELS: Final = row_of_tests(
    37,
    "labels that break a scrape",
    "refused by check and serve",
    "tests/test_settings.py::test_mistake_names_setting_value_and_what_to_write",
    "tests/commands/test_check.py::test_check_and_serve_report_mistakes_of_every_kind_in_one_run",
    full="repeated, reserved and invalid names are refused with key and value",
    mutants=(
        Mutant(
            "distinct labels",
            patched("exporter.settings.values.Counter", "lambda _names: {}"),
            "mistake_names_setting",
        ),
        Mutant(
            "reserved labels",
            patched("exporter.settings.values.RESERVED_LABELS", "frozenset()"),
            "mistake_names_setting",
        ),
    ),
)
OTLP: Final = row_of_tests(
    40,
    "hostile OTLP",
    "no 5xx, no count, /metrics parses",
    "tests/ingest/otlp/test_hostile.py",
    full="8,000 requests, and each constructed one: no 5xx, no count, /metrics parses",
)
