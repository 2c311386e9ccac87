"""The alert lab's tables: `python -m tests.lab [flags]`.

Without flags: all cases with eight seeds on which no threshold was chosen, and the flights of the second half
of 2013, for all kinds of rules. Exits with 1 if the figures of the short version are worse than recorded.
"""

import argparse
import sys
import time
from pathlib import Path

from tests.lab.cases import CASES, STANDARD_CASE
from tests.lab.families import OTHERS
from tests.lab.recorded import record, short, worse
from tests.lab.report import draw, show
from tests.lab.runs import OURS, TUNING, UNSEEN, cases


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--rules", type=Path, help="a folder instead of the shipped rules")
    parser.add_argument("--tuning", action="store_true", help="the seeds of chosen thresholds")
    parser.add_argument("--seeds", type=int, default=len(UNSEEN), help="how many of the eight")
    parser.add_argument(
        "--case",
        action="append",
        default=[],
        help="only the case or the flights with this name, or all whose names begin so",
    )
    parser.add_argument(
        "--real", type=Path, help="a folder of recordings: *.csv.gz and labels.json"
    )
    parser.add_argument("--volume", type=float, action="append", help="instead of the cases' own")
    parser.add_argument("--others", action="store_true", help="the other families of rules too")
    parser.add_argument("--users", action="store_true", help="senders give users")
    parser.add_argument("--record", action="store_true", help="record the short version's figures")
    parser.add_argument("--plot", type=Path, help="write the plot to this SVG file")
    chosen = parser.parse_args()
    if chosen.record:
        record(short(chosen.rules))
        return 0
    began = time.monotonic()
    seeds = (TUNING if chosen.tuning else UNSEEN)[: chosen.seeds]
    known = (*CASES, "flights H1" if chosen.tuning else "flights H2")
    for text in chosen.case:
        if not any(name.startswith(text) for name in known):
            parser.error(f"--case: no case begins with {text!r}")
    begins = tuple(text for text in chosen.case if text not in known)
    names = [name for name in known if name in chosen.case or name.startswith(begins)]
    names += sorted(map(str, chosen.real.glob("*.csv.gz"))) if chosen.real else []
    every = not names
    if chosen.plot and not every and STANDARD_CASE not in names:
        parser.error(f"--plot: needs --case {STANDARD_CASE}")
    families = (OURS, *OTHERS) if chosen.others or every else (OURS,)
    scores = cases(names or known, seeds, families, chosen.rules, chosen.users, chosen.volume or ())
    show(scores, f"{'tuning' if chosen.tuning else 'unseen'} seeds {seeds[0]}-{seeds[-1]}")
    if chosen.plot:
        draw(scores, chosen.plot)
    lines = worse(short(chosen.rules)) if every else []
    if every:
        print("\n".join(lines) or "The short version keeps its recorded figures.")
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
