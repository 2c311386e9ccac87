"""`python -m tests.bench [--quick]`: speed and memory, a table of medians beside a peer or a limit.

Takes about six minutes of a quiet machine. Exits with 1 when a row does not reach its goal.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench.memory import per_id, start
from tests.bench.rules import evaluation
from tests.bench.scrape import scrapes
from tests.bench.shared import replicas, shared
from tests.bench.table import Row, show
from tests.bench.throughput import batches, otlp, singles, waiting


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="seconds instead: the figures mean nothing"
    )
    quick = parser.parse_args().quick
    runs, seconds = (1, 2) if quick else (5, 5)
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).resolve()
        parts: list[Callable[[], Iterable[Row]]] = [
            lambda: [per_id()],
            lambda: [start(folder, runs)],
            lambda: scrapes(folder, 5 * runs),
            lambda: [evaluation(folder, combinations) for combinations in (1, 10, 50)],
            lambda: [singles(folder, runs, seconds)],
            lambda: [batches(folder, runs, seconds)],
            lambda: [waiting(folder, 2 * seconds)],
            lambda: otlp(folder, runs, seconds),
            lambda: shared(folder, runs, seconds),
            lambda: [replicas(folder, runs, seconds)],
        ]
        rows: list[Row] = []
        for part in parts:
            rows += part()
            print(rows[-1].what, "…", rows[-1].measured, file=sys.stderr, flush=True)
    print(show(rows))
    if not quick and not all(row.reached for row in rows):
        sys.exit(1)


main()
