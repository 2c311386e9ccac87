"""Rows of the fault table that are tests of other packages, at full length with FAULTS=full."""

from typing import Final

from tests.faults.table import Row, parts

_LEDGER: Final = "tests/ledger/test_"

FSYNC: Final = Row(
    4,
    "fsync error",
    "50 points, a retry counts once",
    parts(
        _LEDGER + "faults.py::test_a_failed_fsync_breaks_the_ledger_and_a_retry_after_the_"
        "restart_counts_once",
        full="each of 50 fsyncs failed once; each id counted once",
        short="5 fsyncs failed; each id counted once",
    ),
)
DAMAGE: Final = Row(
    6,
    "flips and truncations",
    "1,000, never a silent zero",
    parts(
        _LEDGER + "recovery.py::test_a_flipped_bit_or_a_cut_file_loses_nothing_or_is_moved_aside",
        full="3 × 1,000: nothing lost, or moved aside and named",
        short="3 × 70: nothing lost, or moved aside and named",
    ),
)
HEADERS: Final = Row(
    13,
    "header flood",
    "431 or closed; memory + ≤ 32 MiB",
    parts(
        "tests/server/test_header_flood.py",
        full="5 × 40 MiB, two ways: memory + ≤ 32 MiB",
        short="5 × 40 MiB, two ways: memory + ≤ 32 MiB",
    ),
)
ENGINE: Final = Row(
    24,
    "Redis: flush, OOM, reshard, timeout",
    "503; a retry is exact",
    parts(
        *(
            f"{_LEDGER}redis.py::test_{name}"
            for name in (
                "scripts_that_the_engine_forgot_are_loaded_again",
                "without_memory_nothing_of_a_batch_is_written_and_a_retry_is_exact",
                "a_silent_engine_is_answered_503_in_time_and_a_retry_is_exact",
                "writes_that_are_paused_are_answered_503_and_come_back_by_themselves",
            )
        ),
        *(
            f"{_LEDGER}redis_cluster.py::test_{name}"
            for name in (
                "a_batch_of_which_some_shards_failed_is_503_and_its_retry_is_exact",
                "a_slot_that_moves_under_load_loses_and_doubles_nothing",
            )
        ),
    ),
)
