"""`python -m tests.faults [--quick] [ROW …]`: the fault table at full length, a line a row.

Exits with 1 when a row does not hold. Goals are those of the design's fault table.
"""

import asyncio
import statistics
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Final

from tests.e2e import test_serve
from tests.e2e.exporter_process import ExporterProcess
from tests.faults import test_full_disk
from tests.faults.beacon_flood import ALLOWED, BURST
from tests.faults.beacon_flood import RATE as BEACONS
from tests.faults.beacon_flood import flood as send_beacons
from tests.faults.endless_body import MAX_BODY, MOST_READ, endless
from tests.faults.engine_kills import kill_engine
from tests.faults.exposition import SHOWN_AT_ONCE
from tests.faults.failovers import fail_over
from tests.faults.fuzz import fuzz_in_processes
from tests.faults.gzip_bomb import FITTING, GROWTH, MIB, bomb, growth
from tests.faults.honest import p99
from tests.faults.kills import end_under_load
from tests.faults.label_flood import flood
from tests.faults.order import observe
from tests.faults.password_flood import RATE, guess
from tests.faults.poison import poison
from tests.faults.power_cut import cut_power, write_down
from tests.faults.slow_sockets import SMALL_BUFFERS, besiege
from tests.faults.table import Row, main, parts, reached


def kills(folder: Path, quick: bool) -> str:
    outcome = end_under_load(folder, 5 if quick else 500, graceful=False)
    assert outcome.retries, "the kills hit nothing"
    figure = f"{outcome.ends} kills, {outcome.events:,} events, {outcome.retries:,} retries"
    return reached(f"{figure}, {outcome.counted:,} counted", outcome.counted == outcome.events)


def sync_order(folder: Path, quick: bool) -> str:
    events = 10 if quick else 500
    order = observe(folder, events)
    figure = f"{order.answers} acknowledgements, {order.unsynced} before their fdatasync"
    return reached(figure, (order.answers, order.unsynced) == (events, 0))


def power_cuts(folder: Path, quick: bool) -> str:
    async def campaign() -> str:
        journal = await write_down(folder / "writing", 6000 if quick else 100_000, seed=1)
        found = await cut_power(folder / "cut", journal, 20 if quick else 100, seed=2)
        figure = (
            f"{found.cuts} cuts, {found.torn} with writes on their way: {found.lost} lost, "
            f"{found.doubled} doubled, {found.damaged} damaged"
        )
        return reached(figure, not (found.lost or found.doubled or found.damaged))

    return asyncio.run(campaign())


def full_disk(folder: Path, quick: bool) -> str:
    rounds = 1 if quick else 10
    began = time.monotonic()
    for number in range(rounds):
        (folder / str(number)).mkdir()
        test_full_disk.test_a_full_disk_is_answered_503_and_left_without_a_restart(
            folder / str(number)
        )
    took = time.monotonic() - began
    return f"filled {rounds} × and each time back in < 5 s; {took / rounds:.1f} s a round"


def second_writer(folder: Path, quick: bool) -> str:
    rounds = 1 if quick else 10
    for number in range(rounds):
        (folder / str(number)).mkdir()
        test_serve.test_a_second_process_on_the_same_ledger_exits_with_a_clear_message(
            folder / str(number)
        )
    return f"refused {rounds} × with exit code 1"


def sigterms(folder: Path, quick: bool) -> str:
    outcome = end_under_load(folder, 3 if quick else 100, graceful=True)
    figure = (
        f"{outcome.ends} stops, {outcome.events:,} events, {outcome.counted:,} counted, "
        f"slowest {max(outcome.stops):.2f} s"
    )
    return reached(figure, outcome.counted == outcome.events and max(outcome.stops) <= 5)


def slow_sockets(folder: Path, quick: bool) -> str:
    # With the default of 10 s a socket is gone after 10 s and the time it takes to say so.
    timeout, sockets = (2, 90) if quick else (7, 1000)
    with ExporterProcess(
        folder / "data", settings={"receive_timeout": timeout}, mutant=SMALL_BUFFERS
    ) as exporter:
        found = besiege(exporter, sockets, patience=30)
    figure = (
        f"{sockets} sockets, a third each, gone in {found.gone:.1f} s (receive_timeout {timeout} s); "
        f"p99 of {found.requests} others {found.p99 * 1000:.0f} ms"
    )
    # A hundred requests say nothing of a p99.
    return reached(figure, found.gone <= 10 and (quick or found.p99 < 0.05))


def endless_body(folder: Path, quick: bool) -> str:
    with ExporterProcess(folder / "data") as exporter:
        found = [endless(exporter, 1024 * MIB) for _ in range(1 if quick else 20)]
    statuses = {one.status for one in found}
    most = max(one.read for one in found)
    figure = f"{statuses}, {len(found)} ×; read at most {most:,} bytes"
    return reached(
        f"{figure}, limit + {(most - MAX_BODY) / 1024:.0f} KiB",
        statuses == {413} and most <= MOST_READ,
    )


def gzip_bomb(folder: Path, quick: bool) -> str:
    whole = bomb(FITTING if quick else 10 * 1024 * MIB)
    with ExporterProcess(folder / "data") as exporter:
        found = [growth(exporter, body, 1 if quick else 50) for body in (bomb(FITTING), whole)]
    grown = max(more for _, more in found) / MIB
    statuses = {status for status, _ in found}
    figure = f"{len(whole) / MIB:.1f} MiB for 10 GiB and 1.0 MiB for 1,000 MiB: {statuses}"
    if quick:
        figure = f"1.0 MiB for 1,000 MiB: {statuses}"
    return reached(
        f"{figure}, memory +{grown:.1f} MiB", statuses == {413} and grown * MIB <= GROWTH
    )


def hostile_json(_folder: Path, quick: bool) -> str:
    found = fuzz_in_processes(20_000 if quick else 10_000_000, seed=1)
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(found.statuses.items()))
    return (
        f"{found.inputs:,} inputs, 0 crashes: {found.refused:,} refused, {found.events:,} events "
        f"counted, {found.rejected:,} rejected; two paths agree on {found.fast:,}; {statuses}"
    )


def poisoning(folder: Path, quick: bool) -> str:
    inputs = 20 if quick else 2000
    with ExporterProcess(folder / "data", settings=SHOWN_AT_ONCE) as exporter:
        accepted = poison(exporter, inputs, seed=1)
    figure = f"parsed in both formats and by promtool after each of {inputs:,} inputs"
    # What is rejected is never shown: it proves less.
    return reached(f"{figure}, {accepted:,} accepted", accepted > inputs // 10)


def label_values(folder: Path, quick: bool) -> str:
    count = 20_000 if quick else 1_000_000
    with ExporterProcess(folder / "data", settings=SHOWN_AT_ONCE) as exporter:
        found = flood(exporter, count)
    figure = (
        f"{count:,} values: {found.other:,} other, {found.counted:,} counted, {found.lines} series"
    )
    return reached(
        f"{figure}, scrape {found.scrape * 1000:.0f} ms",
        (found.counted, found.other) == (count, count - 50)
        and found.lines <= 2000
        and found.scrape < 0.1,
    )


def beacon_flood(folder: Path, quick: bool) -> str:
    """Rounds by turns, and the p99 of all: that of one round moves by a third by itself, with the disk."""
    rounds, seconds = (1, 2.0) if quick else (9, 10.0)
    found = []
    for number in range(rounds):
        (folder / str(number)).mkdir()
        found.append(send_beacons(folder / str(number), seconds))
    rate = statistics.median(one.rate for one in found)
    before = p99(chain.from_iterable(one.before for one in found))
    during = p99(chain.from_iterable(one.during for one in found))
    ratio = during / before
    statuses = sum((one.statuses for one in found), found[0].statuses.__class__())
    counted = f"{statuses[204]} × 204, {statuses[429]} × 429, {statuses[403]} × 403"
    read = {path for one in found for path in one.read}
    figure = (
        f"{rate:.0f}/s: {counted}; read {len(read)}; p99 {before * 1000:.1f} → {during * 1000:.1f} ms, "
        f"× {ratio:.2f}"
    )
    within = all(one.accepted <= BURST + 1 + one.seconds * ALLOWED for one in found)
    return reached(
        figure,
        within
        and not read
        and set(statuses) == {204, 403, 429}
        and rate > 0.9 * BEACONS
        and (quick or ratio <= 1.2),
    )


def password_flood(folder: Path, quick: bool) -> str:
    """Rounds by turns, as above."""
    rounds, seconds = (1, 2.0) if quick else (9, 10.0)
    found = []
    for number in range(rounds):
        (folder / str(number)).mkdir()
        found.append(guess(folder / str(number), seconds))
    rate = statistics.median(one.rate for one in found)
    before = p99(chain.from_iterable(one.before for one in found))
    during = p99(chain.from_iterable(one.during for one in found))
    ratio = during / before
    statuses = sum((one.statuses for one in found), found[0].statuses.__class__())
    figure = (
        f"{rate:.0f}/s: {statuses[401]} × 401, {statuses[429]} × 429; p99 {before * 1000:.1f} → "
        f"{during * 1000:.1f} ms, × {ratio:.2f}"
    )
    # A round of two seconds says nothing of a p99.
    return reached(
        figure,
        set(statuses) == {401, 429} and rate > 0.9 * RATE and (quick or ratio <= 1.1),
    )


def engine_kills(folder: Path, quick: bool) -> str:
    found = kill_engine(folder, 5 if quick else 100)
    figure = (
        f"{found.kills} kills, {found.events:,} events, {found.counted:,} counted, {found.retries:,} "
        f"retries; back in {found.slowest:.1f} s"
    )
    return reached(figure, found.counted == found.events and found.codes == {503})


def failovers(folder: Path, quick: bool) -> str:
    found = fail_over(folder, 2 if quick else 100)
    lost = found.events - found.written
    figure = (
        f"{found.failovers} failovers, {found.events:,} events: {lost:,} lost "
        f"({found.lost:,} noticed), {found.fell} totals went down, "
        f"{found.written - found.claims} counted twice; back in {found.slowest:.1f} s"
    )
    return reached(figure, found.fell == 0 and found.written == found.claims <= found.events)


_LEDGER: Final = "tests/ledger/test_"
_NOTHING_LOST: Final = "nothing lost or doubled"
ROWS: Final = (
    Row(1, "kill -9 under load", f"500 kills, {_NOTHING_LOST}", kills),
    Row(2, "acknowledge only after fsync", "0 of 500 before it", sync_order),
    Row(3, "power cut", f"100 cuts, {_NOTHING_LOST}", power_cuts),
    Row(
        4,
        "fsync error",
        "50 points, a retry counts once",
        parts(
            _LEDGER + "faults.py::test_a_failed_fsync_breaks_the_ledger_and_a_retry_after_the_"
            "restart_counts_once",
            full="each of 50 fsyncs failed once; each id counted once",
            short="5 fsyncs failed; each id counted once",
        ),
    ),
    Row(5, "disk full, 8 MiB tmpfs", "503; back < 5 s, no restart", full_disk),
    Row(
        6,
        "flips and truncations",
        "1,000, never a silent zero",
        parts(
            _LEDGER
            + "recovery.py::test_a_flipped_bit_or_a_cut_file_loses_nothing_or_is_moved_aside",
            full="3 × 1,000: nothing lost, or moved aside and named",
            short="3 × 70: nothing lost, or moved aside and named",
        ),
    ),
    Row(7, "second writer on the same file", "exits, clear message", second_writer),
    Row(10, "SIGTERM under load", f"100 × ≤ 5 s, {_NOTHING_LOST}", sigterms),
    Row(12, "slow heads, bodies and readers", "1,000 gone ≤ 10 s; p99 < 50 ms", slow_sockets),
    Row(
        13,
        "header flood",
        "431 or closed; memory + ≤ 32 MiB",
        parts(
            "tests/server/test_header_flood.py",
            full="5 × 40 MiB, two ways: memory + ≤ 32 MiB",
            short="5 × 40 MiB, two ways: memory + ≤ 32 MiB",
        ),
    ),
    Row(14, "1 GiB chunked body", "413, reads ≤ limit + 64 KiB", endless_body),
    Row(15, "gzip bomb of 10 GiB", f"413, memory + ≤ {GROWTH // MIB} MiB", gzip_bomb),
    Row(16, "hostile JSON, NDJSON, CloudEvents", "10 M inputs, 0 crashes", hostile_json),
    Row(17, "/metrics poisoning", "parses after each input", poisoning),
    Row(18, "1 M label values", "exact; ≤ 2,000 series, < 100 ms", label_values),
    Row(
        20,
        f"flood with a public key, {BEACONS}/s",
        "429, reads nothing; p99 + ≤ 20 %",
        beacon_flood,
    ),
    Row(21, f"password flood, {RATE}/s", "401, then 429; p99 + ≤ 10 %", password_flood),
    Row(22, "Redis killed, AOF always", f"100 × 503 and back, {_NOTHING_LOST}", engine_kills),
    Row(23, "Redis failover, 3 + 3", "100: loss measured, no total goes down", failovers),
    Row(
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
    ),
)


if __name__ == "__main__":
    sys.exit(main(ROWS, __doc__))
