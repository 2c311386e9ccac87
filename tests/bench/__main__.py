"""`python -m tests.bench`: speed and memory, each figure compared with a peer or a limit.

Takes about ten minutes of a quiet machine. Exits with 1 when a row misses its goal or is not measured.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.bench.benches import BENCHES
from tests.bench.peers import write_otlp_body
from tests.bench.setup import Setup, working_folder
from tests.bench.turns import Bench, Line, measure, show


def main() -> str | None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    rows = [bench.key for bench in BENCHES]
    parser.add_argument(
        "--only", nargs="+", choices=rows, default=rows, metavar="ROW", help=f"of {', '.join(rows)}"
    )
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="another checkout, in place of the peers"
    )
    parser.add_argument(
        "--quick", action="store_true", help="only whether each row can be measured, in short turns"
    )
    chosen = parser.parse_args()
    if chosen.against and not (chosen.against / "exporter" / "serve.py").is_file():
        parser.error(f"{chosen.against} is no checkout of session-end-exporter")
    with working_folder() as folder:
        write_otlp_body(folder)
        setup = Setup(folder, 1 if chosen.quick else 3, chosen.quick)
        runs = 1 if chosen.quick else 5
        against = chosen.against and chosen.against.resolve()
        run = partial(_run, setup=setup, runs=runs, against=against)
        # The short version only proves that each row can be measured, so several rows run at the same time.
        with ThreadPoolExecutor(4) as pool:
            benches = [bench for bench in BENCHES if bench.key in chosen.only]
            parts = (pool.map if chosen.quick else map)(run, benches)
            lines = [line for part in parts for line in part]
    print(show(lines))
    print(f"Turns: {runs}. Medians ± half the range; × is the median ratio to the program beside.")
    missed = [line for line in lines if line.reached is False]
    if chosen.quick:
        missed = [line for line in missed if line.note]
    return "Not all goals are reached." if missed else None


def _run(bench: Bench, setup: Setup, runs: int, against: Path | None) -> Sequence[Line]:
    lines = list(measure(bench, setup, runs, against))
    print(bench.key, "…", lines[0].measured or lines[0].note, file=sys.stderr, flush=True)
    return lines


if __name__ == "__main__":
    sys.exit(main())
