"""The alert lab's tables: `python -m tests.lab [flags]`.

Without flags: eight seeds on which no threshold was chosen, for all kinds of rules; then the shipped rules
with burstier noise, and with an objective that is kept. Exits with 1 if the short version's figures are worse
than recorded.
"""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from tests.lab.cases import CASES
from tests.lab.families import OTHERS
from tests.lab.plot import draw
from tests.lab.recorded import record, short, worse
from tests.lab.runs import KEPT, OURS, TUNING, UNSEEN, VOLUMES, campaign, cases
from tests.lab.table import show


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--rules", type=Path, help="a folder instead of the shipped rules")
    parser.add_argument("--tuning", action="store_true", help="the seeds of chosen thresholds")
    parser.add_argument("--seeds", type=int, default=len(UNSEEN), help="how many of the eight")
    parser.add_argument(
        "--case",
        action="append",
        default=[],
        help="only these cases, or all that begin so; 'all' for all",
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
    kind = "tuning" if chosen.tuning else "unseen"
    title = f"{kind} seeds {seeds[0]}-{seeds[-1]}"
    families = (OURS, *OTHERS) if chosen.others else (OURS,)
    if chosen.case or chosen.real:
        known = (*CASES, "flights H1" if chosen.tuning else "flights H2")
        names = [
            name for name in known if name.startswith(tuple(chosen.case)) or "all" in chosen.case
        ]
        names += sorted(map(str, chosen.real.glob("*.csv.gz"))) if chosen.real else []
        parts = cases(names, seeds, families, chosen.rules, chosen.users, chosen.volume or ())
        show(parts, title, ("case", "rules", "ends/h"))
        print(f"{time.monotonic() - began:.0f} s")
        return 0
    title += ", 28 days each, streampixel and softdrive"
    run = partial(campaign, VOLUMES, seeds, rules=chosen.rules)
    scores = run((OURS, *OTHERS))
    columns = ("rules", "ends/h")
    show(dict(sorted(scores.items(), key=lambda item: item[0][0] != OURS)), title, columns)
    show(run(burstier=1.5), f"noise half as bursty again, {title}", columns)
    show(run(failing=KEPT), f"{KEPT:.2%} fail ordinarily, {title}", columns)
    if chosen.plot:
        draw(scores, chosen.plot)
    lines = worse(short(chosen.rules))
    print("\n".join(lines) or "The short version keeps its recorded figures.")
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
