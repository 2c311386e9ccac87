"""Rows of the fault table that are tested in other packages."""

from typing import Final

from tests.faults.table import row_of_tests

_LEDGER: Final = "tests/ledger/test_"
_HISTORIES: Final = f"{_LEDGER}stateful.py"
_FAILURES: Final = f"{_LEDGER}redis_failures.py::test_"
_CLUSTER: Final = f"{_LEDGER}redis_cluster.py::test_"

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
OTLP: Final = row_of_tests(
    40,
    "hostile OTLP",
    "no 5xx, no count, /metrics parses",
    "tests/ingest/otlp/test_hostile.py",
    full="8,000 requests, and each constructed one: no 5xx, no count, /metrics parses",
)
