"""`python -m tests.lab [--tuning] [--seeds N] [--ablation] [--record] [--plot FILE]`: the alert lab's table.

Without flags: eight seeds that no number was chosen on, all families, then ours under noise that is half as
bursty again, and at an installation that keeps the shipped objective. Exits with 1 when the recorded figures
of the short version are not kept.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from exporter.policy.loader import load
from exporter.policy.model import Fraction, Policy
from tests.lab.families import OTHERS
from tests.lab.plot import draw
from tests.lab.recorded import record, short, worse
from tests.lab.runs import KEPT, OURS, TUNING, UNSEEN, VOLUMES, campaign
from tests.lab.score import Score
from tests.lab.table import show


def _rest(policy: Policy) -> Policy:
    windows = tuple(replace(one, rest=-1e9) for one in policy.limit.windows)
    return replace(policy, limit=replace(policy.limit, windows=windows))


def _uncapped(policy: Policy) -> Policy:
    return replace(policy, spike=replace(policy.spike, cap=1e12))


def _still(policy: Policy) -> Policy:
    return replace(policy, spike=replace(policy.spike, still=Fraction(1e-9)))


def _confirm(policy: Policy) -> Policy:
    spike = replace(policy.spike, confirm_factor=0.0, confirm_share=Fraction(1e-9))
    return replace(policy, spike=spike)


def _factor(policy: Policy) -> Policy:
    return replace(policy, limit=replace(policy.limit, factor=4.0))


def _root(policy: Policy) -> Policy:
    return replace(policy, limit=replace(policy.limit, root=0.0))


def _of_ends(policy: Policy) -> Policy:
    windows = tuple(replace(one, of_ends=Fraction(1e-9)) for one in policy.limit.windows)
    return replace(policy, limit=replace(policy.limit, windows=windows))


def _no_hour(policy: Policy) -> Policy:
    *others, hour = policy.limit.windows
    windows = (*others, replace(hour, floor=1e12))
    return replace(policy, limit=replace(policy.limit, windows=windows))


def _one_look(policy: Policy) -> Policy:
    windows = tuple(replace(one, before=one.longer_before) for one in policy.stopped.windows)
    return replace(policy, stopped=replace(policy.stopped, windows=windows))


def _stop_confirm(policy: Policy) -> Policy:
    return replace(policy, stopped=replace(policy.stopped, confirm_factor=Fraction(0.999)))


ABLATION: Final[dict[str, Callable[[Policy], Policy]]] = {
    "ours": lambda policy: policy,
    "a window's burst counts": _rest,
    "slices count in full": _uncapped,
    "an hour remembers": _still,
    "no confirmation in 5m": _confirm,
    "factor 4": _factor,
    "no root term": _root,
    "no part of all ends": _of_ends,
    "no window of an hour": _no_hour,
    "stopped: one look back": _one_look,
    "stopped: confirmed at 99.9 %": _stop_confirm,
}


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
        for name, change in ABLATION.items():
            for (_, volume), score in campaign(VOLUMES[:4], seeds, policy=change(load())).items():
                scores[name, volume] = score
        show(scores, f"What each part buys: {title}")
        return 0
    scores = campaign(VOLUMES, seeds, (OURS, *OTHERS))
    show(dict(sorted(scores.items(), key=lambda one: one[0][0] != OURS)), title)
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
