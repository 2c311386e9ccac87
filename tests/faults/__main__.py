"""`python -m tests.faults [--quick] [ROW …]`: the fault table at full length, a line a row.

Exits with 1 when a row does not hold. A row is a function of a folder that it may use and whether to be
quick; it returns the figure that was reached, and raises when its invariant fails.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e import test_hostile as hostile
from tests.e2e import test_serve
from tests.e2e.exporter_process import ROOT, ExporterProcess
from tests.faults import test_full_disk
from tests.faults.kills import end_under_load
from tests.faults.order import observe

Run = Callable[[Path, bool], str]
MIB: Final = 1024**2


@dataclass(frozen=True)
class Row:
    """A row of the fault table: its number there, what is done, and how."""

    number: int
    case: str
    run: Run


# --- rows that are functions ----------------------------------------------------------------------


def kills(folder: Path, quick: bool) -> str:
    outcome = end_under_load(folder, 5 if quick else 500, graceful=False)
    assert outcome.counted == outcome.events, outcome
    assert outcome.retries, "the kills hit nothing"
    return f"{outcome.ends} kills, {outcome.events:,} events, {outcome.retries:,} retries"


def sync_order(folder: Path, quick: bool) -> str:
    events = 10 if quick else 500
    order = observe(folder, events)
    assert (order.answers, order.unsynced) == (events, 0), order
    return f"{order.answers} acknowledgements, {order.unsynced} before their fdatasync"


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
    assert outcome.counted == outcome.events, outcome
    assert max(outcome.stops) <= 5, outcome.stops
    return f"{outcome.ends} stops, {outcome.events:,} events, slowest {max(outcome.stops):.2f} s"


def endless_body(folder: Path, quick: bool) -> str:
    with ExporterProcess(folder / "data") as exporter:
        found = [hostile.endless(exporter, 1024 * MIB) for _ in range(1 if quick else 20)]
    assert all(one.status == 413 for one in found), found
    most = max(one.read for one in found)
    assert most <= hostile.MOST_READ, most
    over = (most - hostile.MAX_BODY) / 1024
    return f"413, {len(found)} ×; read at most {most:,} bytes, limit + {over:.0f} KiB"


def gzip_bomb(folder: Path, quick: bool) -> str:
    with ExporterProcess(folder / "data") as exporter:
        body = hostile.bomb(1000 * MIB)
        status, grown = hostile.growth(exporter, body, 1 if quick else 50)
    assert status == 413
    assert grown <= 8 * MIB + hostile.MAX_BODY, grown
    return f"{len(body) / MIB:.2f} MiB for 1,000 MiB: {status}, memory +{grown / MIB:.1f} MiB"


def label_values(folder: Path, quick: bool) -> str:
    count = 20_000 if quick else 1_000_000
    with ExporterProcess(folder / "data", settings=hostile.SHOWN_AT_ONCE) as exporter:
        found = hostile.flood(exporter, count)
    assert (found.counted, found.other) == (count, count - 50), found
    assert found.lines <= 2000, found
    assert found.scrape < 0.1, found
    return f"{count:,} values, {found.lines} series, scrape {found.scrape * 1000:.0f} ms"


# --- rows that are tests of a part ----------------------------------------------------------------


def parts(*nodes: str, full: str = "", short: str = "") -> Run:
    """The row is these tests, with FAULTS=full unless quick; `full` and `short` are what they then do.

    A line that a test prints as "gone in …" is a figure too.
    """

    def run(folder: Path, quick: bool) -> str:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"),
                *(f"--basetemp={folder / 'tests'}", *nodes),
            ],
            cwd=ROOT,
            env={**os.environ, "FAULTS": "" if quick else "full"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        passed = re.search(r"(\d+) passed", done.stdout)
        assert passed, done.stdout
        said = re.search(r"^\.*(gone in .*)$", done.stdout, re.MULTILINE)
        figures = (short if quick else full, said[1] if said else "")
        return "; ".join(filter(None, figures)) or f"{passed[1]} tests passed"

    return run


_RECOVERY: Final = "tests/ledger/test_recovery.py::test_"
_PROTOCOL: Final = "tests/server/test_protocol.py::test_"
ROWS: Final = (
    Row(1, "kill -9 under load", kills),
    Row(2, "acknowledge only after fsync", sync_order),
    Row(5, "disk full", full_disk),
    Row(
        6,
        "flips and truncations",
        parts(
            _RECOVERY + "a_flipped_bit_or_a_cut_file_loses_nothing_or_is_moved_aside",
            full="3 × 1,000: nothing lost, or moved aside and named",
            short="3 × 70: nothing lost, or moved aside and named",
        ),
    ),
    Row(7, "second writer on the same file", second_writer),
    Row(10, "SIGTERM under load", sigterms),
    Row(
        12,
        "slow heads, bodies and readers",
        parts(_PROTOCOL + "a_thousand_slow_sockets_go_while_others_are_served"),
    ),
    Row(
        13,
        "header flood",
        parts(
            _PROTOCOL + "a_header_flood_costs_little_memory",
            full="5 × 40 MiB, two ways: memory + ≤ 32 MiB",
            short="5 × 40 MiB, two ways: memory + ≤ 32 MiB",
        ),
    ),
    Row(14, "1 GiB chunked body", endless_body),
    Row(15, "gzip bomb", gzip_bomb),
    Row(18, "label values without end", label_values),
)


def results(rows: tuple[Row, ...], quick: bool) -> Iterator[tuple[Row, str, bool]]:
    """Each row with its figure, and whether it held; the reason of a failure goes to stderr."""
    for row in rows:
        with tempfile.TemporaryDirectory(prefix=f"faults-{row.number}-") as folder:
            try:
                yield row, row.run(Path(folder), quick), True
            except Exception as error:
                traceback.print_exc()
                yield row, f"{str(error).strip().partition(chr(10))[0][:60]}", False


def main(arguments: list[str] | None = None, rows: tuple[Row, ...] = ROWS) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short versions, a minute in all")
    parser.add_argument(
        "row", nargs="*", type=int, help="numbers of rows; without one, all of them"
    )
    asked = parser.parse_args(arguments)
    known = {row.number for row in rows}
    if unknown := set(asked.row) - known:
        parser.error(f"no row {min(unknown)}: there are {', '.join(map(str, sorted(known)))}")
    chosen = tuple(row for row in rows if not asked.row or row.number in asked.row)
    print(f"{'row':>3}  {'case':<32}  {'held':<4}  figure reached", flush=True)
    held = True
    for row, figure, holds in results(chosen, asked.quick):
        print(
            f"{row.number:>3}  {row.case:<32}  {'yes' if holds else 'NO':<4}  {figure}", flush=True
        )
        held &= holds
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
