"""Row 31 of the fault table: beacons of 64 KiB of deep JSON in a field that nobody reads."""

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Final

from exporter.beacons.route import BYTES_PER_EVENT, MAX_BODY
from tests.faults.beacon_flood import ALLOWED, Flood, flood
from tests.faults.honest import p99
from tests.faults.table import Row, reached

ADDRESSES: Final = 12
RATE: Final = ADDRESSES * 5
"""Beacons a second: as many as the addresses may send together when each is one event."""
BURST: Final = 500
"""Events that the site may send at once: the setting's default."""
_COST: Final = MAX_BODY // BYTES_PER_EVENT
_NESTED: Final = b"[" * 28 + b"]" * 28
"""Within `max_depth`: text that is too deep is refused at its first level too many."""
_ROOM: Final = 100
_FIELD: Final = b",".join([_NESTED] * ((MAX_BODY - _ROOM) // (len(_NESTED) + 1)))


def deep(id_: str) -> bytes:
    """A beacon of just under 64 KiB."""
    return b'{"id":"%s","code":4001,"x":[%s]}' % (id_.encode(), _FIELD)


def send_deep(folder: Path, seconds: float, mutant: str = "") -> Flood:
    """Another sender's latencies for `seconds` without the flood, then with it."""
    return flood(
        folder,
        seconds,
        mutant,
        addresses=ADDRESSES,
        rate=RATE,
        origins=("https://shop.example",),
        body=deep,
        beacon_burst=BURST,
    )


def held(found: Flood) -> bool:
    """No more beacons than their bytes may be: the burst, the rate, and the debt of the last."""
    most = (BURST + found.seconds * ALLOWED) / _COST + 1
    return 0 < found.accepted <= most


def deep_beacons(folder: Path, quick: bool) -> str:
    """The row: rounds by turns, and the p99 of all, as that of one round moves with the disk."""
    rounds, seconds = (1, 3.0) if quick else (9, 10.0)
    found = []
    for number in range(rounds):
        (folder / str(number)).mkdir()
        found.append(send_deep(folder / str(number), seconds))
    before = p99(chain.from_iterable(one.before for one in found))
    during = p99(chain.from_iterable(one.during for one in found))
    statuses: Counter[int] = sum((one.statuses for one in found), Counter())
    figure = (
        f"{statuses.total()} × 64 KiB: {statuses[204]} × 204, {statuses[429]} × 429, {statuses[0]} closed; "
        f"p99 {before * 1000:.1f} → {during * 1000:.1f} ms, × {during / before:.2f}"
    )
    # Some hundred requests say nothing of a p99.
    return reached(figure, all(map(held, found)) and (quick or during <= 1.2 * before))


ROW = Row(31, "64 KiB of deep JSON with a public key", "p99 + ≤ 20 %; bytes charged", deep_beacons)
