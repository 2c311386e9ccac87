"""`python -m tests.lab [--tuning] [--seeds N] [--ablation] [--record] [--plot FILE]`: the alert lab's table.

Without flags: eight seeds that no number was chosen on, all families, then ours under noise that is half as
bursty again, and at an installation that keeps the shipped objective. Exits with 1 when the recorded figures
of the short version are not kept.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab.changed import ABLATION, changed
from tests.lab.families import OTHERS
from tests.lab.plot import draw
from tests.lab.recorded import record, short, worse
from tests.lab.runs import KEPT, OURS, TUNING, UNSEEN, VOLUMES, campaign
from tests.lab.score import Score
from tests.lab.table import show


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument(
        "--tuning", action="store_true", help="the seeds that numbers were chosen on"
    )
    parser.add_argument("--seeds", type=int, default=len(UNSEEN), help="how many of the eight")
    parser.add_argument("--ablation", action="store_true", help="ours without each of its parts")
    parser.add_argument("--record", action="store_true", help="keep the short version's figures")
    parser.add_argument("--plot", type=Path, help="write the plot there, SVG")
    chosen = parser.parse_args()
    if chosen.record:
        record(short())
        return 0
    seeds = (TUNING if chosen.tuning else UNSEEN)[: chosen.seeds]
    kind = "tuning" if chosen.tuning else "unseen"
    title = f"{kind} seeds {seeds[0]}-{seeds[-1]}, 28 days each, streampixel and softdrive"
    began = time.monotonic()
    if chosen.ablation:
        scores: dict[tuple[str, float], Score] = {}
        for name, edits in ABLATION.items():
            with TemporaryDirectory() as target:
                part = campaign(VOLUMES[:4], seeds, rules=changed(Path(target), edits))
            scores |= {(name, volume): score for (_, volume), score in part.items()}
        show(scores, f"What each part buys: {title}")
        return 0
    scores = campaign(VOLUMES, seeds, (OURS, *OTHERS))
    show(dict(sorted(scores.items(), key=lambda item: item[0][0] != OURS)), title)
    show(campaign(VOLUMES, seeds, burstier=1.5), f"noise half as bursty again, {title}")
    show(campaign(VOLUMES, seeds, failing=KEPT), f"{KEPT:.2%} fail ordinarily, {title}")
    if chosen.plot:
        draw(scores, chosen.plot)
    lines = worse(short())
    print("\n".join(lines) or "The short version keeps its recorded figures.")
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
