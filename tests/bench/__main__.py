"""`python -m tests.bench [--quick]` prints the table."""

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench.memory import per_id, start
from tests.bench.rules import evaluation
from tests.bench.scrape import scrapes
from tests.bench.shared import replicas, shared
from tests.bench.table import Row, show
from tests.bench.throughput import batches, singles, waiting


def main() -> None:
    quick = "--quick" in sys.argv[1:]
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
